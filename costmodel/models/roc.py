"""The area under the ROC curve, of which training and evaluation speak alike."""

from __future__ import annotations

from scipy.stats import rankdata

from costmodel.models.base import Array


def area_under_curve(scores: Array, positive: Array) -> float | None:
    """Chance that a positive scores above a negative, ties half; None where one kind is missing.

    Source: Mann and Whitney 1947; Hanley and McNeil 1982.

    Args:
        scores: `[n]`, higher for what should be positive.
        positive: `[n]` bool.
    """
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return None
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))
