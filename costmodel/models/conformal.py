"""Intervals that hold what they promise, around any model: cross-conformal on held-out families.

The inner model is fitted once on each fold's other families; what it gets wrong on the fold's own families teaches how
wide intervals must be. Widths follow a small model of the error's size (normalised scores); their factor is a quantile
for each metric and kind of rows (Mondrian; `kinds`). The final inner model is fitted on everything. The same folds say
from which distance on an input counts as unknown.
Sources: Vovk et al. 2005, 2015 (cross-conformal); Papadopoulos et al. 2008 (normalised scores).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array, Prediction
from costmodel.models.boosting import FEW_ROWS, Boosters, BoostingOptions, train_booster
from costmodel.models.encode import SIZE_NAME
from costmodel.models.examples import Examples
from costmodel.models.heads import SURE
from costmodel.models.kinds import arch_of, kinds_of
from costmodel.models.metric_model import MetricModel, Needs, Scaled
from costmodel.models.monitor import Monitor
from costmodel.models.novelty import Novelty
from costmodel.models.tree_arrays import TreeArrays
from costmodel.models.wrapping import Wrapper, prefixed, stripped

LEVEL = 0.9
DEFAULT_FOLDS = 4
MIN_CATEGORY = 100
"""Scores that an architecture, or a kind of rows, needs for a quantile of its own."""
ALL = "*"
_WIDTH = BoostingOptions(rounds=60, depth=4, eta=0.12, min_child_weight=20, validation_share=0.0, colsample=0.8)
_LEAST = 1e-3
_OWN_INPUTS = 5
"""Of the models of the error's size: mean, deviation, probability, distance, size; then the context."""


class Conformal(Wrapper):
    """`folds` over families around the model `base`."""

    name = "conformal"
    own_options = ("folds",)

    def __init__(
        self, metrics: Sequence[str] = (), *, seed: int = 0, folds: int = DEFAULT_FOLDS, **options: Any
    ) -> None:
        """See `Wrapper`."""
        if folds < 2:
            raise UsageError(f"{folds} folds make no sense; give at least 2")
        super().__init__(metrics, seed=seed, folds=folds, **options)
        self._folds = folds
        self._base: MetricModel = self._spawn(seed)
        self._widths = Boosters(())
        self._quantiles: dict[str, Array] = {}
        """By kind of rows, by architecture, and over all, `[M]` each."""
        self._deviations: Array = np.ones(len(self.metrics))

    def _fit(self, examples: Examples, targets: Array, groups: Array, monitor: Monitor) -> None:
        assert self.columns is not None
        assert self.novelty is not None
        parts = separable(groups, examples)
        fold = fold_of(parts, self._folds, self.seed)
        share = 1 / (int(fold.max()) + 2)
        outside = _Outside(targets.shape)
        for number in range(int(fold.max()) + 1):
            inside, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            if not len(inside) or not len(held):
                continue
            part = examples.take(inside)
            inner = self._spawn(self.seed)
            families = part.of_functions(groups[inside])
            inner.novelty = Novelty.fit(self.columns.functions(part.encodings), self.seed, families)
            inner._fit(part, targets[inside], parts[inside], monitor.child(f"fold-{number}", share))
            outside.put(held, inner.scaled(examples.take(held)), inner.distance_of_features(examples.take(held)))
        self._base = self._spawn(self.seed)
        self._base._fit(examples, targets, parts, monitor.child("all", share))
        self._calibrate(examples, targets, parts, outside, monitor.child("widths", 0.0))

    def _calibrate(
        self, examples: Examples, targets: Array, groups: Array, outside: _Outside, monitor: Monitor
    ) -> None:
        assert self.columns is not None
        assert self.novelty is not None
        seen = self.novelty.distance(self.columns.functions(examples.encodings), leave_one_out=True)
        raw = outside.distance * self.novelty.threshold
        self.novelty.set_threshold(seen, raw)
        distance = raw / self.novelty.threshold  # as it will be told where the model is asked
        boosters, columns, kinds = [], [], kinds_of(examples)
        for i in range(len(self.metrics)):
            rows = np.flatnonzero(~np.isnan(targets[:, i]) & ~np.isnan(outside.mean[:, i]))
            error = np.abs(targets[rows, i] - outside.mean[rows, i])
            x = self._width_inputs(examples, outside.scaled(), distance, slice(i, i + 1))[rows, 0]
            booster, size = self._learn_width(x, error, groups[rows], monitor.child(self.metrics[i]))
            boosters.append(booster)
            held = (targets[rows, i] == 0) & (outside.nonzero[rows, i] < SURE)  # every interval of these holds zero
            columns.append(_quantiles(np.where(held, 0.0, error / size), kinds[rows]))
        self._widths = Boosters(boosters)
        names = sorted({name for column in columns for name in column[0]})
        self._quantiles = {name: np.array([_own(c[0], name) for c in columns]) for name in names}
        self._deviations = np.array([c[1] for c in columns])

    def _learn_width(self, x: Array, error: Array, groups: Array, monitor: Monitor) -> tuple[Any, Array]:
        """A booster of log error, and the sizes `[n]` that halves of the families give each other."""
        y = np.log(np.maximum(error, _floor(error)))
        half = fold_of(groups, 2, self.seed + 1)
        size = np.full(len(y), float(np.exp(y.mean())))
        for number in range(int(half.max()) + 1 if half.max() else 0):
            part = train_booster(x[half != number], y[half != number], groups[half != number], _WIDTH,
                                 seed=self.seed, monitor=monitor, key=f"half-{number}")  # fmt: skip
            size[half == number] = np.exp(Boosters([part]).margins(x[half == number])[:, 0])
        whole = train_booster(x, y, groups, _WIDTH, seed=self.seed, monitor=monitor, key="whole")
        return whole, np.maximum(size, _LEAST)

    @staticmethod
    def _width_inputs(examples: Examples, found: Scaled, distance: Array, metrics: slice) -> Array:
        """What the models of the error's size see, `[n, metrics, inputs]`."""
        ops = np.log1p([e.numbers.get(SIZE_NAME, 0.0) for e in examples.encodings]).astype(np.float32)
        mean, nonzero = found.mean[:, metrics], found.nonzero[:, metrics]
        x = np.empty((*mean.shape, _OWN_INPUTS + examples.context.shape[1]), np.float32)
        x[:, :, 0], x[:, :, 1], x[:, :, 2] = mean, found.std[:, metrics], np.where(np.isnan(nonzero), 1.0, nonzero)
        x[:, :, 3], x[:, :, 4] = np.minimum(distance, 50.0)[:, None], ops[examples.program][:, None]
        x[:, :, _OWN_INPUTS:] = examples.context[:, None, :]
        return x

    @property
    def needs(self) -> Needs:
        """Those of the inner model."""
        return self._base.needs

    def scaled(self, examples: Examples) -> Scaled:
        """See `MetricModel`; deviations are the calibrated ones."""
        found = self._base.scaled(examples)
        distance = self.distance_of_features(examples)
        size = np.empty_like(found.mean)
        if len(size) <= FEW_ROWS:
            for row, x in enumerate(self._width_inputs(examples, found, distance, slice(None))):
                size[row] = self._widths.forest.paired(x)
        else:
            for i in range(len(self.metrics)):
                size[:, i] = self._widths.one(i, self._width_inputs(examples, found, distance, slice(i, i + 1))[:, 0])
        size = np.maximum(np.exp(size), _LEAST) * self._deviations
        return Scaled(mean=found.mean, std=np.maximum(size, _LEAST), nonzero=found.nonzero, distance=distance)

    def predict(self, features: Examples) -> Prediction:
        """See `MetricModel`; intervals are conformal."""
        if self.columns is None:
            return super().predict(features)
        self.columns.check(features)
        found = self.adapted(features)
        factors = np.array([self.factors_of(name) for name in kinds_of(features).tolist()])
        half = found.std / self._deviations * factors.reshape(found.std.shape)
        return self.in_units(features, found, found.mean - half, found.mean + half)

    def factors_of(self, kind: str) -> Array:
        """What widths of rows of a kind are multiplied by, `[M]`."""
        return np.asarray(_own(self._quantiles, kind))

    def state(self) -> dict[str, bytes]:
        """See `MetricModel`."""
        quantiles = {name: own.tolist() for name, own in self._quantiles.items()}
        numbers = {"quantiles": quantiles, "deviations": self._deviations.tolist()}
        files = {f"width-{i}.trees.xz": b.pack() for i, b in enumerate(self._widths.boosters)}
        files["conformal.json"] = (json.dumps(numbers, sort_keys=True) + "\n").encode()
        return files | prefixed("base", self._base.state())

    def restore(self, files: Mapping[str, bytes]) -> None:
        """See `MetricModel`."""
        numbers = json.loads(files["conformal.json"])
        self._quantiles = {name: np.array(own, np.float64) for name, own in numbers["quantiles"].items()}
        self._deviations = np.array(numbers["deviations"], np.float64)
        self._widths = Boosters([TreeArrays.of_file(files, f"width-{i}.trees.xz") for i in range(len(self.metrics))])
        self._base = self._spawn(self.seed)
        self._base.restore(stripped("base", files))


class _Outside:
    """What the folds' models said of rows they had not seen; NaN where none did."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.mean, self.std, self.nonzero = (np.full(shape, np.nan) for _ in range(3))
        self.distance = np.zeros(shape[0])

    def put(self, rows: Array, found: Scaled, distance: Array) -> None:
        self.mean[rows], self.std[rows], self.nonzero[rows] = found.mean, found.std, found.nonzero
        self.distance[rows] = distance

    def scaled(self) -> Scaled:
        return Scaled(mean=self.mean, std=self.std, nonzero=self.nonzero)


def separable(groups: Array, examples: Examples) -> Array:
    """Groups `[n]` that folds may cut between: functions where there is one family alone.

    Rows of one function on several targets tell of each other, and must not be on both sides.
    """
    return examples.program if len(np.unique(groups)) < 2 else groups


def fold_of(groups: Array, folds: int, seed: int) -> Array:
    """The fold `[n]` of each row: whole groups, largest first into the smallest fold; one group alone is split."""
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(seed)
    if len(names) < 2:
        return np.asarray(rng.permutation(len(groups)) % folds)
    order = np.lexsort((rng.random(len(names)), -sizes))
    filled, fold = np.zeros(min(folds, len(names))), np.zeros(len(names), np.int64)
    for group in order:
        fold[group] = int(np.argmin(filled))
        filled[fold[group]] += sizes[group]
    return np.asarray(fold[index])


def _quantiles(scores: Array, kinds: Array) -> tuple[dict[str, float], float]:
    """Conformal quantiles by kind, by architecture and over all, and the root mean square score."""
    found = {ALL: _quantile(scores)}
    archs = np.array([arch_of(name) for name in kinds.tolist()], kinds.dtype)
    for names in (archs, kinds):
        for name in sorted(set(names.tolist())):
            own = scores[names == name]
            if len(own) >= MIN_CATEGORY:
                found[name] = _quantile(own)
    spread = float(np.sqrt(np.mean(np.minimum(scores, found[ALL] * 3) ** 2))) if len(scores) else 1.0
    return found, max(spread, 1e-6)


def _own(by_name: Mapping[str, Any], kind: str) -> Any:
    """What is kept by a kind, failing that by its architecture, failing that over all."""
    return by_name.get(kind, by_name.get(arch_of(kind), by_name[ALL]))


def _quantile(scores: Array) -> float:
    if not len(scores):
        return 3.0
    level = min(1.0, LEVEL * (1 + 1 / len(scores)))
    return max(float(np.quantile(scores, level, method="higher")), 1e-6)


def _floor(error: Array) -> float:
    """Errors below this count alike: a tenth of the median, so that lucky hits do not dominate logarithms."""
    return max(0.1 * float(np.median(error)) if len(error) else _LEAST, _LEAST)
