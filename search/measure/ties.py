"""Which of the best candidates wins where the clock cannot tell.

Owns the rule. Invariant: the winner depends on the samples and texts only, not on their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

NOISE = 0.02
"""Medians closer than this are tied."""


def median_interval(samples_s: Sequence[float]) -> tuple[float, float]:
    """A 95 % confidence interval of the median (Conover, Practical Nonparametric Statistics, section 3.2).

    With fewer than six samples it is their whole range.
    """
    ordered = np.sort(np.asarray(samples_s, float))
    n = len(ordered)
    reach = 0.98 * np.sqrt(n)
    low = max(0, int(np.floor(n / 2 - reach)))
    high = min(n - 1, int(np.ceil(n / 2 + reach)))
    return float(ordered[low]), float(ordered[high])


def tied(samples_s: Sequence[float], best_s: Sequence[float]) -> bool:
    """Whether a candidate cannot be told from the best one: medians within noise, or overlapping intervals."""
    if np.median(samples_s) <= (1 + NOISE) * np.median(best_s):
        return True
    return median_interval(samples_s)[0] <= median_interval(best_s)[1]


def tie_break(candidates: Mapping[str, Sequence[float]]) -> str | None:
    """The schedule text that wins: among those tied with the fastest, the shortest, then the first in the alphabet.

    Candidates without samples take no part; None where none has any.
    """
    timed = {text: samples for text, samples in candidates.items() if len(samples)}
    if not timed:
        return None
    best = min(timed, key=lambda text: (float(np.median(timed[text])), len(text), text))
    return min((text for text in timed if tied(timed[text], timed[best])), key=lambda text: (len(text), text))
