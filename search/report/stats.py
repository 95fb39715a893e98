"""The few rank statistics that reports quote."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, ties share their mean."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0.0] * len(values)
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for i in order[first : last + 1]:
            result[i] = (first + last) / 2 + 1
        first = last + 1
    return result


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Spearman's coefficient; None for fewer than three pairs or where one side is constant."""
    if len(xs) < 3:
        return None
    a, b = ranks(xs), ranks(ys)
    middle = (len(xs) + 1) / 2
    square_a, square_b = (sum((r - middle) ** 2 for r in side) for side in (a, b))
    if not square_a or not square_b:
        return None
    return sum((p - middle) * (q - middle) for p, q in zip(a, b, strict=True)) / math.sqrt(square_a * square_b)


def rank_sum_z(low: Sequence[float], high: Sequence[float]) -> float:
    """How many standard deviations the values of `low` lie below those of `high`.

    The Mann-Whitney test in its normal approximation, without a correction for ties.
    """
    n, m = len(low), len(high)
    wins = n * m + n * (n + 1) / 2 - sum(ranks([*low, *high])[:n])
    return (wins - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
