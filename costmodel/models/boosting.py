"""Boosted trees by XGBoost: training with early stopping on held-out groups, packing, and fast single predictions.

Owns all dealings with the library. A booster's prediction costs the library some 0.2 ms a call, whatever the rows; a
`Forest` holds the same trees as arrays and walks all of them at once, which is faster for a few rows.
Source: XGBoost (Chen and Guestrin 2016).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from costmodel.core.errors import CheckpointError
from costmodel.models.base import Array
from costmodel.models.monitor import Monitor

QUANTILE = "reg:quantileerror"
"""The objective of a quantile; that of a half is the median."""
REFIT_ROWS = 8192
"""Up to so many rows boosters are trained again on all of them, once it is known when to stop."""
FEW_ROWS = 24
"""Up to so many rows the forest is asked, above the library."""
_CHILD_BITS = 32
_CHILD = (1 << _CHILD_BITS) - 1


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


def library() -> Any:
    """The module, imported on first use."""
    import xgboost

    return xgboost


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
) -> Any:
    """Train on rows `x[n, F]`, `y[n]`; groups held out by `seed` say when to stop. Finished work is recalled.

    `quantile` is what `reg:quantileerror` learns; `weight` `[n]` is what rows count for, alike where it is None.
    """
    xgb = library()
    kept = monitor.recall(f"{key}.ubj.z")
    if kept is not None:
        return unpack_booster(kept)
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
        booster = booster[: booster.best_iteration + 1]
    packed = pack_booster(booster)
    monitor.keep(f"{key}.ubj.z", packed)
    return unpack_booster(packed)


def _parameters(options: BoostingOptions, objective: str, quantile: float, seed: int) -> dict[str, Any]:
    """As xgboost names them."""
    found = {
        "max_depth": options.depth, "eta": options.eta, "min_child_weight": options.min_child_weight,
        "subsample": options.subsample, "colsample_bynode": options.colsample, "lambda": options.l2,
        "objective": objective, "tree_method": "hist", "nthread": options.threads, "verbosity": 0, "seed": seed,
    }  # fmt: skip
    return found | {"quantile_alpha": quantile} if objective == QUANTILE else found


def refitted(
    booster: Any, x: Array, y: Array, groups: Array, options: BoostingOptions, *, objective: str, **rest: Any
) -> Any:
    """A booster of as many rounds, and as many more as rows were held out, on all rows; itself where rows are many.

    Of few families, those that only say when to stop are worth more as examples. Arguments as of `train_booster`.
    """
    if len(y) > REFIT_ROWS or not held_out(groups, options.validation_share, rest["seed"]).any():
        return booster
    rounds = 1 + round(booster.num_boosted_rounds() * (1 + options.validation_share))
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


def pack_booster(booster: Any) -> bytes:
    """Bytes of a checkpoint file: UBJSON, compressed."""
    return zlib.compress(bytes(booster.save_raw("ubj")), 9)


def unpack_booster(data: bytes) -> Any:
    """The booster of `pack_booster`; raises `CheckpointError` for anything else."""
    xgb = library()
    try:
        return xgb.Booster({"nthread": 1}, model_file=bytearray(zlib.decompress(data)))
    except (zlib.error, xgb.core.XGBoostError) as error:
        raise CheckpointError(f"a file of trees is damaged ({str(error)[:80]}); train the model again") from error


@dataclass(frozen=True)
class Forest:
    """Trees of several boosters as arrays; `owner[t]` is the booster of tree t. Nodes are numbered across trees."""

    roots: Array
    owner: Array
    feature: Array
    threshold: Array
    children: Array
    """`[nodes, 2]`: where to go if the value is below the threshold or not; a leaf points at itself."""
    value: Array
    base: Array
    """`[boosters]`: margin of an empty tree list."""
    depth: int

    @classmethod
    def of(cls, boosters: Sequence[Any]) -> Forest:
        """All trees of all boosters."""
        trees, owner, base = [], [], []
        for number, booster in enumerate(boosters):
            learner = json.loads(bytes(booster.save_raw("json")))["learner"]
            inner = learner["gradient_booster"]["model"]["trees"]
            trees += inner
            owner += [number] * len(inner)
            base.append(_base_margin(learner))
        sizes = np.array([len(tree["left_children"]) for tree in trees], np.int64)
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if len(trees) else np.zeros(0, np.int64)
        nodes: dict[str, list[Array]] = {"feature": [], "threshold": [], "children": [], "value": []}
        for root, tree in zip(roots, trees, strict=True):
            left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
            leaf = left < 0
            here = np.arange(len(left))
            condition = np.array(tree["split_conditions"], np.float32)
            nodes["feature"].append(np.where(leaf, 0, np.array(tree["split_indices"])))
            nodes["threshold"].append(np.where(leaf, np.inf, condition).astype(np.float32))
            nodes["children"].append(np.stack([np.where(leaf, here, left), np.where(leaf, here, right)], 1) + root)
            nodes["value"].append(np.where(leaf, condition, 0.0))
        depth = max((_depth(tree["left_children"], tree["right_children"]) for tree in trees), default=0)
        empty = {"children": np.zeros((0, 2), np.int64)}
        joined = {n: np.concatenate(p) if p else empty.get(n, np.zeros(0)) for n, p in nodes.items()}
        return cls(
            roots, np.array(owner, np.int64), joined["feature"].astype(np.int64), joined["threshold"],
            joined["children"].astype(np.int64), joined["value"].astype(np.float64), np.array(base), depth,
        )  # fmt: skip

    def margins(self, x: Array) -> Array:
        """Sums of leaves `[n, boosters]` for rows `x[n, F]` f32 without NaN, base margins included."""
        found = np.empty((len(x), len(self.base)))
        for i, row in enumerate(x):
            found[i] = self._sums(row)
        return found

    def paired(self, x: Array) -> Array:
        """Sum of leaves `[boosters]` of booster i for row i of `x[boosters, F]`, base margins included."""
        return self._sums(np.ascontiguousarray(x).reshape(-1), self.owner * x.shape[1])

    def _sums(self, numbers: Array, first: Array | int = 0) -> Array:
        """Sums of leaves `[boosters]`; `first[t]` is where the numbers of tree t begin."""
        packed, threshold, value = self._packed
        node: Any = np.arange(len(self.roots))
        for _ in range(self.depth):
            here = packed.take(node, mode="clip")
            right = numbers.take((here >> _CHILD_BITS) + first, mode="clip") >= threshold.take(node, mode="clip")
            node = (here & _CHILD) + right
        leaves = value.take(node, mode="clip").astype(np.float64)
        return np.asarray(np.bincount(self.owner, leaves, minlength=len(self.base)) + self.base)

    @cached_property
    def _packed(self) -> tuple[Array, Array, Array]:
        """By node: `feature << 32 | left child` i64 (the right one is next), threshold f32, value f32.

        Breadth first over all trees at once, so that what every row visits lies together. Indices are of the machine's
        width and none is out of range, which is what `take` is fast for.
        """
        nodes, levels = self.roots, []
        while len(nodes):
            levels.append(nodes)
            inner = nodes[self.children[nodes, 0] != nodes]
            nodes = self.children[inner].reshape(-1)
        order = np.concatenate(levels) if levels else self.roots
        number = np.empty(len(self.feature), np.int64)
        number[order] = np.arange(len(order))
        packed = self.feature[order] << _CHILD_BITS | number[self.children[order, 0]]
        return packed, self.threshold[order].astype(np.float32), self.value[order].astype(np.float32)


def _base_margin(learner: Mapping[str, Any]) -> float:
    text = learner["learner_model_param"]["base_score"]
    score = float(json.loads(text)[0]) if text.startswith("[") else float(text)
    if learner["objective"]["name"] == "binary:logistic":
        score = min(max(score, 1e-7), 1 - 1e-7)
        return float(np.log(score / (1 - score)))
    return score


def _depth(left: Sequence[int], right: Sequence[int]) -> int:
    deepest, stack = 0, [(0, 0)]
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        if left[node] >= 0:
            stack += [(left[node], level + 1), (right[node], level + 1)]
    return deepest


class Boosters:
    """Boosters in order, asked together; thread-safe."""

    def __init__(self, boosters: Sequence[Any]) -> None:
        self.boosters = list(boosters)
        self.forest = Forest.of(self.boosters)
        self._single = [Forest.of([booster]) for booster in self.boosters]

    def one(self, i: int, x: Array) -> Array:
        """Margins `[n]` of booster i alone, for rows of its own."""
        if len(x) <= FEW_ROWS:
            return np.asarray(self._single[i].margins(x)[:, 0])
        return np.asarray(self.boosters[i].predict(library().DMatrix(x, nthread=1), output_margin=True), np.float64)

    def margins(self, x: Array, offsets: Array | None = None, places: Sequence[int] | Array = (0,)) -> Array:
        """Margins `[n, boosters]` of rows `x[n, F]` f32.

        `offsets[:, k]` replaces the base margin of booster `places[k]`.
        """
        if len(x) <= FEW_ROWS:
            found = self.forest.margins(x)
        else:
            xgb = library()
            data = xgb.DMatrix(x, nthread=1)
            columns = [np.asarray(b.predict(data, output_margin=True), np.float64) for b in self.boosters]
            found = np.stack(columns, axis=1) if columns else np.zeros((len(x), 0))
        if offsets is not None:
            found[:, places] += offsets - self.forest.base[places]
        return found
