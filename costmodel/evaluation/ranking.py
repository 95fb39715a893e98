"""How well predictions order things: over all rows, or within groups such as the schedules of one workload.

Owns the definitions. Lower is better throughout, as for latencies. Invariant: equal labels are no evidence; a
prediction that ties where labels differ is half right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import kendalltau, spearmanr

from costmodel.models.base import Array
from costmodel.models.base import Array as Mask

_CHUNK = 512


def kendall_tau(predicted: Array, truth: Array) -> float | None:
    """Kendall's tau-b (Kendall 1945), ties accounted for; None where one side is constant."""
    return _finite(kendalltau(predicted, truth).statistic) if _varies(predicted, truth) else None


def spearman(predicted: Array, truth: Array) -> float | None:
    """Spearman's rank correlation (1904); None where one side is constant."""
    return _finite(spearmanr(predicted, truth).statistic) if _varies(predicted, truth) else None


def _varies(*columns: Array) -> bool:
    return all(column.size > 1 and np.ptp(column) > 0 for column in columns)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def pairwise_counts(predicted: Array, truth: Array, least_gap: float = 0.0) -> tuple[float, int]:
    """Pairs that are in the right order, ties half, and pairs whose labels differ by more than `least_gap` of them."""
    right, total = 0.0, 0
    for start in range(0, len(truth), _CHUNK):
        rows = slice(start, start + _CHUNK)
        gap = truth[rows, None] - truth[None, :]
        larger = np.maximum(np.abs(truth[rows, None]), np.abs(truth[None, :]))
        counted = (gap < 0) & (-gap > least_gap * larger)
        told = predicted[rows, None] - predicted[None, :]
        right += float((told[counted] < 0).sum()) + 0.5 * float((told[counted] == 0).sum())
        total += int(counted.sum())
    return right, total


def pairwise_accuracy(predicted: Array, truth: Array, least_gap: float = 0.0) -> float | None:
    """Share of pairs with different labels that predictions put in the right order (as TenSet's pairwise accuracy).

    `least_gap` leaves out pairs whose labels differ by less than this share of the larger: noise decides those.
    """
    right, total = pairwise_counts(predicted, truth, least_gap)
    return right / total if total else None


def grouped_pairwise_accuracy(predicted: Array, truth: Array, groups: Array, least_gap: float = 0.0) -> float | None:
    """Mean of `pairwise_accuracy` over groups, those without a pair left out."""
    found = [pairwise_accuracy(predicted[rows], truth[rows], least_gap) for rows in members(groups)]
    kept = [value for value in found if value is not None]
    return float(np.mean(kept)) if kept else None


def top_k_score(
    predicted: Array, truth: Array, groups: Array, k: int, weights: Sequence[float] | None = None
) -> float | None:
    """Best latency there is over the best among the first k predicted, both summed over groups; 1 is perfect.

    Definition of TenSet (Zheng et al. 2021) and TLP (Zhai et al. 2023): sum of w * min latency over sum of w * the
    least latency among the k that the model likes best. Groups are a network's subgraphs, and `weights` how often
    each occurs, in the order of the sorted names of `groups`; by default each once. Sums make long-running groups
    weigh more; `mean_top_k_score` does not.
    """
    pairs = best_and_chosen(predicted, truth, groups, k)
    w = np.ones(len(pairs)) if weights is None else np.asarray(weights, float)
    best, chosen = (np.array([pair[i] for pair in pairs]) for i in range(2))
    return float((w * best).sum() / (w * chosen).sum()) if len(pairs) else None


def mean_top_k_score(predicted: Array, truth: Array, groups: Array, k: int) -> float | None:
    """`top_k_score` of each group alone, then their mean: every workload counts the same."""
    ratios = [best / chosen for best, chosen in best_and_chosen(predicted, truth, groups, k)]
    return float(np.mean(ratios)) if ratios else None


def top_k_slowdown_percent(predicted: Array, truth: Array, groups: Array, k: int) -> float | None:
    """How much slower the best of the first k predicted is than the best there is, in per cent, mean over groups.

    Definition of TpuGraphs (Phothilimthana et al. 2023), tile collection.
    """
    ratios = [chosen / best - 1 for best, chosen in best_and_chosen(predicted, truth, groups, k)]
    return 100 * float(np.mean(ratios)) if ratios else None


def best_and_chosen(predicted: Array, truth: Array, groups: Array, k: int) -> list[tuple[float, float]]:
    """Of each group: the least label, and the least among the k rows predicted least (ties in order)."""
    found = []
    for rows in members(groups):
        first = rows[np.argsort(predicted[rows], kind="stable")[:k]]
        found.append((float(truth[rows].min()), float(truth[first].min())))
    return found


def members(groups: Array) -> Iterator[Mask]:
    """Row numbers of each group, by sorted name."""
    _, index = np.unique(groups, return_inverse=True)
    order = np.argsort(index, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(index[order])) + 1) if len(order) else ()
