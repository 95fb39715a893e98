"""Rankers of schedules trained on order alone: LambdaRank, RankNet's pairs, ListMLE.

Each replaces the squared error of `BoostedRanker`'s trees; its scores are stretched to logarithms of time by least
squares, so that everything else (levels, updates, checkpoints) stays the same.
Sources: LambdaRank (Burges 2010) and pairs by XGBoost's `rank:ndcg` and `rank:pairwise`; ListMLE (Xia et al. 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from costmodel.models.base import Array
from costmodel.models.ranker import PARAMETERS, ROUNDS, BoostedRanker, _xgboost

RELEVANCES = 31
"""Highest relevance: the fastest of a workload's schedules."""


class LambdaRanker(BoostedRanker):
    """Trees by LambdaRank: swaps near the top of a workload's list count most."""

    name: ClassVar[str] = "lambda-ranker"
    objective: ClassVar[str] = "rank:ndcg"

    def _member(self, features: Array, centred: Array, groups: Array, weight: Array, seed: int) -> tuple[Any, float]:
        order = np.argsort(groups, kind="stable")
        x, y, g = features[order], centred[order], groups[order]
        booster = self._train(x, y, g, {**PARAMETERS, "seed": seed})
        scores = booster.inplace_predict(np.asarray(x, np.float32))
        scores = scores - _means(scores, g)
        return booster, float((scores * y).sum() / max(float((scores**2).sum()), 1e-12))

    def _train(self, x: Array, y: Array, groups: Array, parameters: dict[str, Any]) -> Any:
        xgb = _xgboost()
        data = xgb.DMatrix(x, relevances(y, groups), qid=groups)
        extra = {"objective": self.objective, "lambdarank_num_pair_per_sample": 8, "min_child_weight": 0.1}
        return xgb.train({**parameters, **extra}, data, ROUNDS)


class PairwiseRanker(LambdaRanker):
    """Trees by the logistic loss of pairs."""

    name: ClassVar[str] = "pairwise-ranker"
    objective: ClassVar[str] = "rank:pairwise"


class ListMleRanker(LambdaRanker):
    """Trees by the likelihood of a workload's whole order."""

    name: ClassVar[str] = "listmle-ranker"

    def _train(self, x: Array, y: Array, groups: Array, parameters: dict[str, Any]) -> Any:
        xgb = _xgboost()
        extra = {"base_score": 0.0, "min_child_weight": 0.1}
        return xgb.train({**parameters, **extra}, xgb.DMatrix(x, y), ROUNDS, obj=_listmle(y, groups))


def relevances(y: Array, groups: Array) -> Array:
    """Whole numbers `[n]`, the fastest row of each group at `RELEVANCES`, the slowest at 0."""
    found = np.zeros(len(y), np.int64)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        place = np.argsort(np.argsort(-y[rows], kind="stable"), kind="stable")
        found[rows] = np.round(RELEVANCES * place / max(1, len(rows) - 1))
    return found


def _means(values: Array, groups: Array) -> Array:
    index = np.unique(groups, return_inverse=True)[1]
    return np.asarray((np.bincount(index, values) / np.bincount(index))[index])


def _listmle(y: Array, groups: Array) -> Callable[[Array, Any], tuple[Array, Array]]:
    orders = [
        rows[np.argsort(y[rows], kind="stable")] for g in np.unique(groups) for rows in [np.flatnonzero(groups == g)]
    ]

    def gradients(scores: Array, _: Any) -> tuple[Array, Array]:
        gradient, hessian = np.zeros((2, len(scores)))
        for order in orders:
            weights = np.exp(scores[order] - scores[order].max())
            left = np.cumsum(weights[::-1])[::-1]
            share, square = np.cumsum(1 / left), np.cumsum(1 / left**2)
            gradient[order] = weights * share - 1
            hessian[order] = np.maximum(weights * share - weights**2 * square, 1e-3)
        return gradient, hessian

    return gradients
