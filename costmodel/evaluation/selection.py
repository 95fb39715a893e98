"""What a choice made by predictions costs: regret, and efficiency where some candidates fail.

Owns the definitions. Failures are values: a candidate that crashed, or ran past the limit, is worth zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.evaluation.ranking import best_and_chosen
from costmodel.models.base import Array

TIME_LIMIT_FACTOR = 2.0
"""ENAMEL's alpha: a level is given up after so many times the reference's seconds."""


def regrets_percent(predicted: Array, truth: Array, groups: Array, k: int = 1) -> Array:
    """Selection regret of each group, in per cent: how much slower the best of the k that are tried is than the best.

    With k = 1 nothing is measured but the model's favourite.
    """
    return np.array([100 * (chosen / best - 1) for best, chosen in best_and_chosen(predicted, truth, groups, k)])


def efficiency(
    seconds: Sequence[float | None],
    reference_s: Sequence[float],
    *,
    hardness: Sequence[float] | None = None,
    factor: float = TIME_LIMIT_FACTOR,
) -> float:
    """Efficiency score of one candidate over levels of growing hardness, 1 where it is as fast as the reference.

    Definition of ENAMEL (Qiu et al. 2024, arXiv 2406.06647): on level l, f = max(0, T - t) / (T - t*) with the
    reference's seconds t* and the limit T = `factor` times the largest t*; the score is the mean of f weighted by
    hardness. It passes 1 where a candidate beats its reference.

    Args:
        seconds: on each level; None where the candidate failed there (crashed, wrong).
        reference_s: of the best known implementation, on each level.
        hardness: weights of the levels, by default equal.
        factor: of the limit.

    Returns:
        The score; 0 for a candidate that is wrong anywhere. A level past the limit is censored: it and all that
        follow, which would not have been run, count 0.

    Raises:
        UsageError: levels of unequal number, or a factor of at most 1.
    """
    weights = np.ones(len(reference_s)) if hardness is None else np.asarray(hardness, float)
    if not len(seconds) == len(reference_s) == len(weights) or not len(seconds):
        raise UsageError(f"{len(seconds)} levels measured, {len(reference_s)} references, {len(weights)} weights")
    if factor <= 1:
        raise UsageError(f"the limit must lie above the reference's time: a factor over 1, not {factor}")
    if any(value is None for value in seconds):
        return 0.0
    limit = factor * max(reference_s)
    found = np.zeros(len(seconds))
    for level, (value, reference) in enumerate(zip(seconds, reference_s, strict=True)):
        assert value is not None
        if value >= limit:
            break
        found[level] = (limit - value) / (limit - reference)
    return float((weights * found).sum() / weights.sum())


def eff_at_k(scores: Sequence[float], k: int) -> float:
    """Expected best score among k candidates drawn without replacement from n.

    The estimator of ENAMEL, which has the least variance (Rao-Blackwell) and needs no draws: with scores in order,
    the sum over r of C(r - 1, k - 1) / C(n, k) times the r-th smallest.

    Raises:
        UsageError: k is not in 1 to n.
    """
    n = len(scores)
    if not 1 <= k <= n:
        raise UsageError(f"k is {k}, expected 1 to the number of candidates, {n}")
    weights = [comb(r - 1, k - 1) for r in range(1, n + 1)]
    total = comb(n, k)
    return float(sum((w / total) * s for w, s in zip(weights, sorted(map(float, scores)), strict=True)))


def efficiencies(seconds: Array, factor: float = TIME_LIMIT_FACTOR) -> Array:
    """`efficiency` `[n]` of each candidate of one workload with the best as the reference; NaN seconds are failures."""
    best = float(np.nanmin(seconds))
    return np.array([efficiency([None if np.isnan(s) else float(s)], [best], factor=factor) for s in seconds])
