"""The tuner's ranker: boosted trees pre-trained across workloads, a Gaussian process on what this search measured.

Predicts the natural logarithm of run time over a bound that the caller divides by. Trees see each workload centred on
its median, so that they spend themselves on what ranks schedules; one more set of trees predicts the level. Where the
caller says which features are cycles by cause, an analytic estimate is fitted first and trees learn what it misses.
Sources: XGBoost (Chen and Guestrin 2016); pre-train and adapt as in TenSet (Zheng et al. 2021).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array, Model, Prediction
from costmodel.models.checkpoint import read_checkpoint, write_checkpoint
from costmodel.models.cycle_base import CycleBase
from costmodel.models.gaussian import ResidualProcess

MEMBERS = 4
DRAWS = 4.0
"""How alike the members' weights of workloads are: a Bayesian bootstrap (Rubin 1981) at 1, all equal at infinity."""
ROUNDS = 160
LEVEL_ROUNDS = 60
PARAMETERS: dict[str, Any] = {
    "max_depth": 6, "eta": 0.08, "subsample": 0.8, "colsample_bytree": 0.6, "min_child_weight": 4, "lambda": 2.0,
    "tree_method": "hist", "nthread": 1, "verbosity": 0,
}  # fmt: skip
DEFAULT_STD = 0.4


def _xgboost() -> Any:
    import xgboost

    return xgboost


def _packed(booster: Any) -> bytes:
    return zlib.compress(bytes(booster.save_raw("ubj")), 9)


def _base_of(numbers: Mapping[str, Any]) -> CycleBase:
    return CycleBase(
        columns=tuple(map(int, numbers["columns"])), overlapping=int(numbers["overlapping"]),
        weights=tuple(map(float, numbers["weights"])),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rated:
    """Training rows of one member: what the analytic base has `left` to learn, centred in each group, and the base."""

    left: Array
    """`[n]`."""
    offset: Array
    """`[n]`: the base; zeros where there is none."""
    groups: Array
    """`[n]` i64."""
    weight: Array
    """`[n]`."""


def shared_columns(features: Array, groups: Array) -> list[int]:
    """Columns of `features[n, F]` that are equal in all rows of each of `groups[n]`.

    They tell workloads, not schedules: a level that is learned from them cannot reorder a workload's schedules.
    """
    order = np.argsort(groups, kind="stable")
    rows, same = features[order], np.diff(groups[order]) == 0
    equal = (rows[1:] == rows[:-1])[same].all(axis=0)
    return [int(i) for i in np.flatnonzero(equal)]


class BoostedRanker(Model):
    """An ensemble of boosted trees and an online residual process. Unit: natural logarithm."""

    name: ClassVar[str] = "boosted-ranker"

    def __init__(self, seed: int = 0, base: CycleBase | None = None) -> None:
        """`seed` decides bootstraps and column samples; `base` names columns of cycles, see `CycleBase`."""
        self.seed = seed
        self.base = base
        self.width: int | None = None
        self.residual_std = DEFAULT_STD
        self.card: dict[str, object] = {}
        self._members: list[Any] = []
        self._factors: list[float] = []
        self._level: Any = None
        self._level_columns: list[int] = []
        self._base_level = 0.0
        self._stretch = 1.0
        self._x: Array | None = None
        self._y: Array | None = None
        self._process = ResidualProcess()

    def fit(self, features: Array, targets: Array, groups: Array) -> None:
        """See `Model`. Workloads weigh the same however many rows they have."""
        xgb = _xgboost()
        self.width = features.shape[1]
        names, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
        features = np.asarray(features, np.float32)
        if self.base is not None:
            self.base = self.base.fit(features, targets, groups)
        offsets = self._offsets(features)
        left = targets - offsets
        medians = np.array([np.median(left[index == i]) for i in range(len(names))])
        weight = (1.0 / counts)[index] * len(targets) / len(names)
        rng = np.random.default_rng(self.seed)
        self._members, self._factors = [], []
        for member in range(MEMBERS):
            drawn = rng.gamma(DRAWS, 1 / DRAWS, len(names))[index]
            rated = Rated(left=left - medians[index], offset=offsets, groups=index, weight=weight * drawn)
            booster, factor = self._member(features, rated, self.seed * MEMBERS + member)
            self._members.append(booster)
            self._factors.append(factor)
        self._complete(features, Rated(left=left - medians[index], offset=offsets, groups=index, weight=weight))
        scores = self._scores(features)
        self._stretch = self._stretched(scores, targets, index)
        medians = np.array([np.median((targets - self._stretch * scores)[index == i]) for i in range(len(names))])
        self._base_level = float(np.median(medians))
        self._level_columns = shared_columns(features, index)
        level = xgb.DMatrix(self._level_inputs(features), medians[index] - self._base_level, weight=weight)
        self._level = xgb.train({**PARAMETERS, "max_depth": 4, "seed": self.seed}, level, LEVEL_ROUNDS)

    def _member(self, features: Array, rated: Rated, seed: int) -> tuple[Any, float]:
        """One booster of what is left, and what its outputs are multiplied by."""
        xgb = _xgboost()
        data = xgb.DMatrix(features, rated.left, weight=rated.weight)
        return xgb.train({**PARAMETERS, "seed": seed}, data, ROUNDS), 1.0

    def _complete(self, features: Array, rated: Rated) -> None:
        """Train what votes beside the boosters; nothing here."""

    def _more_files(self) -> dict[str, bytes]:
        """Files of that."""
        return {}

    def _restore_more(self, files: Mapping[str, bytes]) -> None:
        """Take over what `_more_files` gave."""

    def _level_inputs(self, features: Array) -> Array:
        """What tells workloads `[n, L]`; one column of zeros where nothing does."""
        shared = np.ascontiguousarray(features[:, self._level_columns])
        return shared if self._level_columns else np.zeros((len(features), 1), np.float32)

    def _offsets(self, features: Array) -> Array:
        return self.base(features) if self.base is not None else np.zeros(len(features))

    def _stretched(self, scores: Array, targets: Array, groups: Array) -> float:
        """What scores are multiplied by to be logarithms of time."""
        return 1.0

    def _votes(self, features: Array) -> Array:
        """`[members, n]`."""
        return np.stack([f * m.inplace_predict(features) for m, f in zip(self._members, self._factors, strict=True)])

    def _scores(self, features: Array) -> Array:
        return np.asarray(self._votes(features).mean(axis=0) + self._offsets(features))

    def _prior(self, features: Array) -> tuple[Array, Array]:
        if self.width is not None and features.shape[1] != self.width:
            raise UsageError(f"the model was trained on {self.width} features, got {features.shape[1]}")
        if not self._members:
            return np.zeros(len(features)), np.full(len(features), DEFAULT_STD)
        votes = self._votes(features)
        mean = self._stretch * (votes.mean(axis=0) + self._offsets(features))
        level = self._level.inplace_predict(self._level_inputs(features))
        mean = mean + level + self._base_level
        return mean, np.sqrt(self._stretch**2 * votes.var(axis=0) + self.residual_std**2)

    def predict(self, features: Array) -> Prediction:
        """See `Model`."""
        features = np.asarray(features, np.float32)
        mean, std = self._prior(features)
        if self._process.fitted:
            shift, doubt = self._process.predict(features)
            mean, std = mean + shift, np.minimum(doubt, std + 1.0)
        return Prediction(mean, std, "ln")

    def update(self, features: Array, targets: Array) -> None:
        """See `Model`."""
        features = np.asarray(features, np.float32)
        self._x = features if self._x is None else np.concatenate([self._x, features])
        self._y = np.asarray(targets) if self._y is None else np.concatenate([self._y, targets])
        self._process.fit(self._x, self._y - self._prior(self._x)[0])

    def fresh(self) -> Self:
        """The same pre-trained model with no memory of a search; shares the trees."""
        other = type(self)(self.seed, self.base)
        other.width, other.residual_std, other.card = self.width, self.residual_std, self.card
        other._members, other._factors = self._members, self._factors
        other._level, other._level_columns = self._level, self._level_columns
        other._base_level, other._stretch = self._base_level, self._stretch
        return other

    def save(self, folder: Path, card: Mapping[str, object]) -> None:
        """See `Model`. Only what was pre-trained is saved; raises `UsageError` where nothing was."""
        if not self._members:
            raise UsageError("a ranker that was never fitted has nothing to save; call fit first")
        files = {f"trees-{i}.ubj.z": _packed(m) for i, m in enumerate(self._members)}
        files["level.ubj.z"] = _packed(self._level)
        files |= self._more_files()
        numbers: dict[str, Any] = {
            "width": self.width,
            "residual_std": self.residual_std,
            "base_level": self._base_level,
            "seed": self.seed,
            "factors": self._factors,
            "stretch": self._stretch,
            "level_columns": self._level_columns,
        }
        if self.base is not None:
            numbers["base"] = asdict(self.base)
        files["ranker.json"] = (json.dumps(numbers, sort_keys=True) + "\n").encode()
        write_checkpoint(folder, self.name, files, card)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Model`."""
        xgb = _xgboost()
        files, card = read_checkpoint(folder, cls.name, ("ranker.json", "level.ubj.z", "trees-0.ubj.z"))
        numbers = json.loads(files["ranker.json"])
        base = numbers.get("base")
        model = cls(int(numbers["seed"]), None if base is None else _base_of(base))
        model.width, model.residual_std = int(numbers["width"]), float(numbers["residual_std"])
        model._base_level, model.card = float(numbers["base_level"]), card

        def booster(name: str) -> Any:
            return xgb.Booster({"nthread": 1}, model_file=bytearray(zlib.decompress(files[name])))

        model._members = [booster(n) for n in sorted(files) if n.startswith("trees-")]
        model._factors = [float(f) for f in numbers.get("factors", [1.0] * len(model._members))]
        model._stretch = float(numbers.get("stretch", 1.0))
        model._level = booster("level.ubj.z")
        model._level_columns = [int(i) for i in numbers.get("level_columns", range(model.width))]
        model._restore_more(files)
        return model
