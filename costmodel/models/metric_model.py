"""The common frame of models that predict metrics of programs.

Owns the way from targets in units to the scales models learn on and back, `known`, few-shot adaptation, and
checkpoints. A model adds `_fit`, `scaled` and its state. Invariant: predictions are finite, in the metric's unit and
inside its bounds; intervals hold the mean.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from costmodel.core.errors import CheckpointError, UsageError
from costmodel.core.metrics import get_metric
from costmodel.models.adaptation import Adaptation
from costmodel.models.base import Array, Model, Prediction
from costmodel.models.checkpoint import read_checkpoint, write_checkpoint
from costmodel.models.columns import Columns
from costmodel.models.encode import versions
from costmodel.models.examples import Examples
from costmodel.models.familiarity import Familiarity
from costmodel.models.heads import LEAST_STD, SURE, Scale, combine, scale, scale_of, unscale
from costmodel.models.monitor import Monitor
from costmodel.models.novelty import LEAST_DISTANCE, Novelty
from costmodel.models.tensors import pack_tensors, unpack_tensors

Z90 = 1.6448536269514722
FAR_POWER = 4
"""Makes the numbers' distance count only near or beyond that of all training functions, where details are known."""
_FRAME, _ARRAYS = "frame.json", "frame.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """Mean and standard deviation `[n, M]` on the metrics' scales; `nonzero` `[n, M]`, NaN where it has no meaning."""

    mean: Array
    std: Array
    nonzero: Array
    distance: Array | None = None
    """`[n]` as `MetricModel.distance_of_features` gives it, where it was needed on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a model wants encoded."""

    scheme: str | None = None
    graph: bool = False


class MetricModel(Model):
    """Learns several metrics of functions at once. `options` are the model's own, checked by its `Options`."""

    takes = "examples"
    name: ClassVar[str]

    def __init__(self, metrics: Sequence[str] = (), *, seed: int = 0, **options: Any) -> None:
        """`metrics` name the columns of the targets; `seed` decides everything that is drawn."""
        if seed < 0:
            raise UsageError(f"seed {seed} is negative; give 0 or more")
        self.metrics = tuple(metrics)
        self.seed = seed
        self.options = options
        self.scales = tuple(scale_of(metric) for metric in self.metrics)
        self.columns: Columns | None = None
        self.novelty: Novelty | None = None
        self.familiarity: Familiarity | None = None
        self.card: dict[str, object] = {}
        self.archs: tuple[str, ...] = ()
        self._adaptation: Adaptation | None = None

    @property
    def needs(self) -> Needs:
        """What `encode_function` has to deliver."""
        return Needs()

    @abstractmethod
    def _fit(self, examples: Examples, targets: Array, groups: Array, monitor: Monitor) -> None:
        """Train on scaled targets `[n, M]`, NaN where there is none; `self.columns` is set."""

    @abstractmethod
    def scaled(self, examples: Examples) -> Scaled:
        """Predict on the metrics' scales."""

    @abstractmethod
    def state(self) -> dict[str, bytes]:
        """Files of a checkpoint, by name."""

    @abstractmethod
    def restore(self, files: Mapping[str, bytes]) -> None:
        """Take over what `state` gave; raises `CheckpointError`."""

    def fit(self, features: Examples, targets: Array, groups: Array, monitor: Monitor | None = None) -> None:
        """See `Model`."""
        targets = self._checked(features, targets)
        if not len(features):
            raise UsageError("there is no row to train on; give a data set with labels of the metrics asked for")
        self.columns = Columns.choose(features)
        self.archs = tuple(sorted(set(map(str, features.archs))))
        functions = self.columns.functions(features.encodings)
        families = features.of_functions(np.asarray(groups))
        self.novelty = Novelty.fit(functions, self.seed, families)
        self.familiarity = self._familiarity(features, functions, families)
        self._adaptation = None
        self._fit(features, self.to_scale(targets), np.asarray(groups), monitor or Monitor())

    def _familiarity(self, examples: Examples, functions: Array, families: Array) -> Familiarity | None:
        """Of the encodings that have details; `functions` and `families` are of all."""
        assert self.novelty is not None
        rows = [i for i, encoding in enumerate(examples.encodings) if len(encoding.shingles)]
        if not rows:
            return None
        farthest = max(float(self.novelty.distance(functions[rows], leave_one_out=True).max()), LEAST_DISTANCE)
        return Familiarity.fit([examples.encodings[i].shingles for i in rows], families[rows], farthest)

    def _checked(self, examples: Examples, targets: Array) -> Array:
        targets = np.asarray(targets, np.float64)
        if targets.shape != (len(examples), len(self.metrics)):
            raise UsageError(
                f"targets have the shape {targets.shape}, expected ({len(examples)}, {len(self.metrics)}): one row for "
                "each example, one column for each metric"
            )
        if np.isinf(targets).any():
            raise UsageError("targets hold an infinite value; give NaN where there is no label")
        return targets

    def to_scale(self, targets: Array) -> Array:
        """Targets in units `[n, M]` to scales."""
        columns = [scale(targets[:, i], kind) for i, kind in enumerate(self.scales)]
        return np.stack(columns, axis=1) if columns else np.zeros((len(targets), 0))

    def adapted(self, examples: Examples) -> Scaled:
        """`scaled`, corrected by what `update` saw."""
        found = self.scaled(examples)
        if self._adaptation is None or self.columns is None:
            return found
        return self._adaptation.correct(self.columns.matrix(examples), found)

    def predict(self, features: Examples) -> Prediction:
        """See `Model`; 90 % intervals and `known` come with it."""
        if self.columns is None:
            raise UsageError(f"the {self.name} model was never fitted; call fit, or load a checkpoint")
        self.columns.check(features)
        found = self.adapted(features)
        half = Z90 * found.std
        return self.in_units(features, found, found.mean - half, found.mean + half)

    def in_units(self, examples: Examples, found: Scaled, low: Array, high: Array) -> Prediction:
        """A prediction in units from one on scales with its interval's ends `[n, M]`."""
        scaled = np.array([found.mean, found.mean + found.std, found.mean - found.std, low, high])
        for kind, columns in self._alike:
            scaled[:, :, columns] = unscale(scaled[:, :, columns], kind)
        units, most = self._units
        std = np.minimum(np.maximum((scaled[1] - scaled[2]) / 2, LEAST_STD), most)
        mean, low, high = np.minimum(scaled[[0, 3, 4]], most)
        low = np.where(found.nonzero < SURE, 0.0, low)
        distance = self.distance(examples, found.distance)
        seen = [arch in self.archs for arch in examples.archs.tolist()]
        return Prediction(
            mean, std, units, metrics=self.metrics, low=np.minimum(low, mean),
            high=np.maximum(high, mean), nonzero=found.nonzero, known=(distance <= 1.0) & np.array(seen, bool),
            distance=distance,
        )  # fmt: skip

    @cached_property
    def _alike(self) -> list[tuple[Scale, Array]]:
        """Places of the metrics whose scales lead back alike."""
        kinds = [Scale.LOG1P if kind is Scale.ZERO_INFLATED else kind for kind in self.scales]
        return [(one, np.flatnonzero([kind is one for kind in kinds])) for one in dict.fromkeys(kinds)]

    @cached_property
    def _units(self) -> tuple[tuple[str, ...], Array]:
        """Of the metrics: units, and the most that each can be `[M]`."""
        metrics = [get_metric(metric) for metric in self.metrics]
        most = [np.inf if metric.maximum is None else metric.maximum for metric in metrics]
        return tuple(metric.unit for metric in metrics), np.array(most)

    def distance(self, examples: Examples, of_features: Array | None = None) -> Array:
        """Distance `[n]` of each row's function from the training data, over the threshold.

        By how familiar its details are, where it has some and the model knows any; nothing farther than all training
        functions is known. `of_features` is what `distance_of_features` gave.
        """
        found = self.distance_of_features(examples) if of_features is None else of_features
        if self.familiarity is None or self.novelty is None:
            return found
        by_details = self.familiarity.distances(encoding.shingles for encoding in examples.encodings)[examples.program]
        far = found * (self.novelty.threshold / self.familiarity.farthest)
        return np.where(np.isnan(by_details), found, np.maximum(by_details, far**FAR_POWER))

    def distance_of_features(self, examples: Examples) -> Array:
        """Distance `[n]` of each row's function from the training functions by its numbers, over the threshold."""
        if self.novelty is None or self.columns is None:
            return np.zeros(len(examples))
        raw = self.novelty.distance(self.columns.of(examples))
        return np.asarray(raw[examples.program] / self.novelty.threshold)

    def update(self, features: Examples, targets: Array) -> None:
        """See `Model`: a Gaussian process learns what the model gets wrong; the model itself stays as it is."""
        if self.columns is None:
            raise UsageError(f"the {self.name} model was never fitted, so there is nothing to update; call fit first")
        residuals = self.to_scale(self._checked(features, targets)) - self.scaled(features).mean
        self._adaptation = self._adaptation or Adaptation(len(self.metrics))
        self._adaptation.add(self.columns.matrix(features), residuals)

    def save(self, folder: Path, card: Mapping[str, object]) -> None:
        """See `Model`; raises `UsageError` where nothing was fitted."""
        if self.columns is None or self.novelty is None:
            raise UsageError("a model that was never fitted has nothing to save; call fit first")
        frame = {
            "metrics": self.metrics, "seed": self.seed, "options": self.options, "archs": self.archs,
            "numbers": self.columns.numbers, "context": self.columns.context,
        }  # fmt: skip
        parts = (self.novelty, self.familiarity, self._adaptation)
        arrays = {name: array for part in parts if part is not None for name, array in part.state().items()}
        files = {_FRAME: (json.dumps(frame, sort_keys=True) + "\n").encode(), _ARRAYS: pack_tensors(arrays)}
        document = {"metrics": list(self.metrics), "versions": versions(), **card}
        write_checkpoint(folder, self.name, {**files, **self.state()}, document)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Model`; a checkpoint of other features or another vocabulary is refused too."""
        files, card = read_checkpoint(folder, cls.name, (_FRAME, _ARRAYS))
        check_versions(folder, card)
        try:
            frame = json.loads(files[_FRAME])
            model = cls(frame["metrics"], seed=int(frame["seed"]), **frame["options"])
            model.columns = Columns(numbers=tuple(frame["numbers"]), context=tuple(frame["context"]))
            model.archs = tuple(frame["archs"])
            arrays = unpack_tensors(files[_ARRAYS])
            model.novelty = Novelty.restore(arrays)
            model.familiarity = Familiarity.restore(arrays)
            model._adaptation = Adaptation.restore(arrays, len(model.metrics))
            model.card = card
            model.restore(files)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise CheckpointError(f"{folder} is damaged: {error!r}; train it again or reinstall") from error
        return model


def check_versions(folder: Path, card: Mapping[str, object]) -> None:
    """Refuse a checkpoint that was trained on other numbers than this version computes."""
    stored = card.get("versions")
    if not isinstance(stored, dict):
        raise CheckpointError(f"{folder} names no versions of features and vocabulary; train it again")
    for name, ours in versions().items():
        if stored.get(name) != ours:
            raise CheckpointError(
                f"{folder} was trained with version {stored.get(name)} of the {name}, this costmodel has version "
                f"{ours}; "
                "train it again or install the version that wrote it"
            )


@lru_cache(maxsize=64)
def _inflated(kinds: tuple[Scale, ...]) -> Array:
    """Places of the zero-inflated ones."""
    return np.flatnonzero([kind is Scale.ZERO_INFLATED for kind in kinds])


def zero_inflated(nonzero: Array, magnitude: Array, std: Array, kinds: Sequence[Scale], floor: float = 0.02) -> Scaled:
    """Put magnitudes `[n, M]` and probabilities of not being zero together; the latter count for zero-inflated only."""
    mean, spread, probability = magnitude.copy(), std.copy(), np.full(magnitude.shape, np.nan)
    some = _inflated(tuple(kinds))
    if len(some):
        probability[:, some] = chance = nonzero[:, some]
        mean[:, some], spread[:, some] = combine(chance, np.maximum(magnitude[:, some], 0.0), std[:, some])
    return Scaled(mean=mean, std=np.maximum(spread, floor), nonzero=probability)
