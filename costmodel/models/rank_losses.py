"""Rankers of schedules trained on order alone: LambdaRank, RankNet's pairs, ListMLE.

Each replaces the squared error of `BoostedRanker`'s trees. Scores of LambdaRank and ListMLE are stretched to logarithms
of time by least squares, and rank what the base has left; pairs are compared with the base included, whose unit theirs
is. Everything else (levels, updates, checkpoints) stays the same.
Sources: LambdaRank (Burges 2010) by XGBoost's `rank:ndcg`; RankNet (Burges et al. 2005); ListMLE (Xia et al. 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from costmodel.models.base import Array
from costmodel.models.ranker import PARAMETERS, ROUNDS, BoostedRanker, Rated, _xgboost

RELEVANCES = 31
"""Highest relevance: the fastest of a workload's schedules."""
PAIR_ROUNDS, PAIR_ETA = 240, 0.06
PARTNERS = 24
"""Schedules of the same workload that each is compared with in a round."""
SHARPNESS = 4.0
"""Log-odds of a pair's order for each unit of the difference in logarithms of time."""
LEAST_GAP, MOST_GAP = 0.02, 0.7
"""Pairs closer than the first do not count, those further apart than the second all count the same."""


class LambdaRanker(BoostedRanker):
    """Trees by LambdaRank: swaps near the top of a workload's list count most."""

    name: ClassVar[str] = "lambda-ranker"

    def _member(self, features: Array, rated: Rated, seed: int) -> tuple[Any, float]:
        order = np.argsort(rated.groups, kind="stable")
        x = np.asarray(features[order], np.float32)
        sorted_ = Rated(left=rated.left[order], offset=rated.offset[order], groups=rated.groups[order],
                        weight=rated.weight[order])  # fmt: skip
        booster = self._train(x, sorted_, seed)
        scores = booster.inplace_predict(x)
        scores = scores - _means(scores, sorted_.groups)
        return booster, float((scores * sorted_.left).sum() / max(float((scores**2).sum()), 1e-12))

    def _train(self, x: Array, rated: Rated, seed: int) -> Any:
        xgb = _xgboost()
        data = xgb.DMatrix(x, relevances(rated.left, rated.groups), qid=rated.groups)
        extra = {"objective": "rank:ndcg", "lambdarank_num_pair_per_sample": 8, "min_child_weight": 0.1}
        return xgb.train({**PARAMETERS, **extra, "seed": seed}, data, ROUNDS)


class PairwiseRanker(LambdaRanker):
    """Trees by the logistic loss of pairs drawn inside workloads, on top of the base.

    A pair weighs by the square root of its gap; pairs within 2 % are left out, since noise decides those.
    """

    name: ClassVar[str] = "pairwise-ranker"

    def _member(self, features: Array, rated: Rated, seed: int) -> tuple[Any, float]:
        return super()._member(features, rated, seed)[0], 1.0

    def _stretched(self, scores: Array, targets: Array, groups: Array) -> float:
        """Least squares: a loss of pairs pulls them further apart than their times are."""
        own, truth = scores - _means(scores, groups), targets - _means(targets, groups)
        return float((own * truth).sum() / max(float((own**2).sum()), 1e-12))

    def _train(self, x: Array, rated: Rated, seed: int) -> Any:
        xgb = _xgboost()
        parameters = {**PARAMETERS, "seed": seed, "base_score": 0.0, "eta": PAIR_ETA}
        return xgb.train(parameters, xgb.DMatrix(x), PAIR_ROUNDS, obj=_pairs(rated, seed))


class ListMleRanker(LambdaRanker):
    """Trees by the likelihood of a workload's whole order."""

    name: ClassVar[str] = "listmle-ranker"

    def _train(self, x: Array, rated: Rated, seed: int) -> Any:
        xgb = _xgboost()
        extra = {"base_score": 0.0, "min_child_weight": 0.1, "seed": seed}
        objective = _listmle(rated.left, rated.groups)
        return xgb.train({**PARAMETERS, **extra}, xgb.DMatrix(x, rated.left), ROUNDS, obj=objective)


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


def _pairs(rated: Rated, seed: int) -> Callable[[Array, Any], tuple[Array, Array]]:
    groups = rated.groups
    truth = rated.left + rated.offset
    first = np.searchsorted(groups, groups, side="left")
    count = np.searchsorted(groups, groups, side="right") - first
    size = np.sqrt(rated.weight)[:, None]
    rng = np.random.default_rng(seed)

    def gradients(scores: Array, _: Any) -> tuple[Array, Array]:
        margin = SHARPNESS * (scores + rated.offset)
        partner = first[:, None] + (rng.random((len(scores), PARTNERS)) * count[:, None]).astype(np.int64)
        gap = truth[:, None] - truth[partner]
        sign = np.sign(gap) * (np.abs(gap) > LEAST_GAP)
        weight = np.sqrt(np.minimum(np.abs(gap), MOST_GAP)) * np.abs(sign) * size
        wrong = 1 / (1 + np.exp(np.clip(sign * (margin[:, None] - margin[partner]), -30, 30)))
        pull, bend = -sign * wrong * weight, np.maximum(wrong * (1 - wrong), 0.05) * weight
        gradient = pull.sum(axis=1) - np.bincount(partner.ravel(), pull.ravel(), len(scores))
        hessian = bend.sum(axis=1) + np.bincount(partner.ravel(), bend.ravel(), len(scores))
        scale = len(scores) / max(float(hessian.sum()), 1e-12)
        return gradient * scale, hessian * scale + 1e-3

    return gradients
