"""Boosted trees by XGBoost: training with early stopping on held-out groups, and predictions of many or few rows.

Source: XGBoost (Chen and Guestrin 2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array
from costmodel.models.forest import Forest
from costmodel.models.monitor import Monitor
from costmodel.models.tree_arrays import TreeArrays, library

QUANTILE = "reg:quantileerror"
"""The objective of a quantile; that of a half is the median."""
REFIT_ROWS = 8192
"""Up to so many rows boosters are trained again on all of them, once it is known when to stop."""
_LEAST_STEPS = 3.0
"""Over the step size: so many rounds leave a twentieth unlearned. What few families say of fewer is chance."""
_VALUES = {
    "rounds": (1, 100_000, True), "depth": (1, 32, True), "eta": (1e-6, 1.0, False),
    "min_child_weight": (0.0, 1e9, False), "subsample": (1e-3, 1.0, False), "colsample": (1e-3, 1.0, False),
    "l2": (0.0, 1e9, False), "patience": (1, 100_000, True), "validation_share": (0.0, 0.9, False),
    "threads": (1, 1024, True),
}  # fmt: skip
"""Least and most of each option, and whether it is a whole number."""
FEW_ROWS = 24
"""Up to so many rows the forest is asked, above the library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingOptions:
    """Of one booster."""

    rounds: int = 400
    depth: int = 6
    eta: float = 0.08
    min_child_weight: float = 3.0
    subsample: float = 0.8
    colsample: float = 0.5
    l2: float = 2.0
    patience: int = 30
    validation_share: float = 0.1
    threads: int = 2

    def __post_init__(self) -> None:
        """Raise `UsageError` for a value that no booster can have."""
        for name, (least, most, whole) in _VALUES.items():
            value = getattr(self, name)
            right = isinstance(value, int) if whole else isinstance(value, (int, float))
            if isinstance(value, bool) or not right or not least <= value <= most:
                kind = "a whole number" if whole else "a number"
                raise UsageError(f"option {name} of boosted trees is {value!r}, expected {kind} from {least} to {most}")


def train_booster(
    x: Array,
    y: Array,
    groups: Array,
    options: BoostingOptions,
    *,
    seed: int,
    monitor: Monitor,
    key: str,
    objective: str = "reg:squarederror",
    margin: Array | None = None,
    quantile: float = 0.5,
    weight: Array | None = None,
) -> TreeArrays:
    """Train on rows `x[n, F]`, `y[n]`; groups held out by `seed` say when to stop. Finished work is recalled.

    `quantile` is what `reg:quantileerror` learns; `weight` `[n]` is what rows count for, alike where it is None.
    """
    xgb = library()
    kept = monitor.recall(f"{key}.trees")
    if kept is not None:
        return TreeArrays.unpack(kept)
    held = held_out(groups, options.validation_share, seed)
    parts = {}
    beside = {"base_margin": margin, "weight": weight}
    for name, rows in (("train", ~held), ("validation", held)):
        chosen = {what: values[rows] for what, values in beside.items() if values is not None}
        parts[name] = xgb.DMatrix(x[rows], y[rows], **chosen)
    evaluated = [(parts["train"], "train")] + ([(parts["validation"], "validation")] if held.any() else [])
    parameters = _parameters(options, objective, quantile, seed)
    if margin is not None or objective != "reg:squarederror":
        parameters["base_score"] = 0.0 if margin is not None else 0.5
    booster = xgb.train(
        parameters, parts["train"], options.rounds, evals=evaluated, verbose_eval=False,
        early_stopping_rounds=options.patience if held.any() else None,
        callbacks=[_told(xgb, monitor, key, options.rounds)],
    )  # fmt: skip
    if held.any():
        least = min(ceil(_LEAST_STEPS / options.eta), booster.num_boosted_rounds())
        booster = booster[: max(booster.best_iteration + 1, least)]
    found = TreeArrays.of(booster)
    monitor.keep(f"{key}.trees", found.pack())
    return found


def _parameters(options: BoostingOptions, objective: str, quantile: float, seed: int) -> dict[str, Any]:
    """As xgboost names them."""
    found = {
        "max_depth": options.depth, "eta": options.eta, "min_child_weight": options.min_child_weight,
        "subsample": options.subsample, "colsample_bynode": options.colsample, "lambda": options.l2,
        "objective": objective, "tree_method": "hist", "nthread": options.threads, "verbosity": 0, "seed": seed,
    }  # fmt: skip
    return found | {"quantile_alpha": quantile} if objective == QUANTILE else found


def refitted(
    booster: TreeArrays, x: Array, y: Array, groups: Array, options: BoostingOptions, *, objective: str, **rest: Any
) -> TreeArrays:
    """A booster of as many rounds, and as many more as rows were held out, on all rows; itself where rows are many.

    Of few families, those that only say when to stop are worth more as examples. Arguments as of `train_booster`.
    """
    if len(y) > REFIT_ROWS or not held_out(groups, options.validation_share, rest["seed"]).any():
        return booster
    rounds = 1 + round(len(booster) * (1 + options.validation_share))
    whole = replace(options, rounds=rounds, validation_share=0.0)
    return train_booster(x, y, groups, whole, objective=objective, **{**rest, "key": f"{rest['key']}-all"})


def held_out(groups: Array, share: float, seed: int) -> Array:
    """Mask `[n]` of whole groups that hold about `share` of the rows; nothing of fewer than five groups."""
    names, index = np.unique(groups, return_inverse=True)
    if len(names) < 5 or share <= 0:
        return np.zeros(len(groups), bool)
    order = np.random.default_rng(seed).permutation(len(names))
    sizes = np.bincount(index)[order]
    count = max(1, int(np.searchsorted(np.cumsum(sizes), share * len(groups), side="right")))
    return np.isin(index, order[: min(count, len(names) - 2)])


def _told(xgb: Any, monitor: Monitor, key: str, rounds: int) -> Any:
    class Told(xgb.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(
            self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Sequence[float]]]
        ) -> bool:
            if epoch % 10 == 9 or epoch == rounds - 1:
                monitor.step(
                    epoch + 1,
                    rounds,
                    {f"{key}/{part}": float(next(iter(logs.values()))[-1]) for part, logs in evals_log.items()},
                )
            return False

    return Told()


class Boosters:
    """Boosters in order, asked together; thread-safe."""

    def __init__(self, boosters: Sequence[TreeArrays]) -> None:
        self.boosters = list(boosters)
        self.forest = Forest.of(self.boosters)

    def one(self, i: int, x: Array) -> Array:
        """Margins `[n]` of booster i alone, for many rows of its own."""
        return self.boosters[i].margins(library().DMatrix(x, nthread=1))

    def margins(self, x: Array, offsets: Array | None = None, places: Sequence[int] | Array = (0,)) -> Array:
        """Margins `[n, boosters]` of rows `x[n, F]` f32.

        `offsets[:, k]` replaces the base margin of booster `places[k]`.
        """
        if len(x) <= FEW_ROWS:
            found = self.forest.margins(x)
        else:
            data = library().DMatrix(x, nthread=1)
            columns = [booster.margins(data) for booster in self.boosters]
            found = np.stack(columns, axis=1) if columns else np.zeros((len(x), 0))
        if offsets is not None:
            found[:, places] += offsets - self.forest.base[places]
        return found
