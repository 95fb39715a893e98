"""Whether intervals hold what they promise, and how wide they have to be for it.

Owns coverage, width and calibration. Intervals are the 90 % ones of a `Prediction`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import norm

from costmodel.models.base import Array

LEVEL = 0.9
CALIBRATION_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def coverage_percent(low: Array, high: Array, truth: Array) -> float:
    """Share of labels inside their interval, ends included, in per cent."""
    return 100 * float(((low <= truth) & (truth <= high)).mean())


def interval_figures(low: Array, high: Array, truth: Array, spread: float | None) -> dict[str, float | None]:
    """Coverage; mean width in the unit and over the label range; mean Winkler score over the range.

    The interval score (Winkler 1972; Gneiting and Raftery 2007) is width plus 2 / 0.1 times the distance of a label
    outside: it cannot be won by wide intervals.
    """
    width = high - low
    missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    score = float((width + 2 / (1 - LEVEL) * missed).mean())
    return {
        "coverage_percent": coverage_percent(low, high, truth),
        "width": float(width.mean()),
        "width_percent_of_range": 100 * float(width.mean()) / spread if spread else None,
        "interval_score_percent_of_range": 100 * score / spread if spread else None,
    }


def coverage_by(groups: Array, low: Array, high: Array, truth: Array, spread: float | None) -> dict[str, Any]:
    """`interval_figures` of each group with its number of rows; what is promised over all need not hold in each."""
    return {
        str(name): {"rows": int(rows.sum()), **interval_figures(low[rows], high[rows], truth[rows], spread)}
        for name in np.unique(groups)
        for rows in [groups == name]
    }


def calibration(mean: Array, low: Array, high: Array, truth: Array) -> list[tuple[float, float]]:
    """Nominal level and observed share for intervals shrunk and stretched from the 90 % ones.

    Each half is scaled by the ratio of normal quantiles, z(level) / z(90 %): exact at 90 %, and elsewhere right as
    far as errors are normal. A point below the diagonal is overconfidence.
    """
    half = np.where(truth < mean, mean - low, high - mean)
    ratio = np.abs(truth - mean) / np.maximum(half, 1e-300)
    base = norm.ppf(0.5 + LEVEL / 2)
    return [(level, float((ratio <= norm.ppf(0.5 + level / 2) / base).mean())) for level in CALIBRATION_LEVELS]


def worst_family(families: Mapping[str, Mapping[str, Any]], least_rows: int = 20) -> str | None:
    """Name of the family that is covered least, of those with enough rows."""
    kept = {name: row["coverage_percent"] for name, row in families.items() if row["rows"] >= least_rows}
    return min(kept, key=lambda name: (kept[name], name)) if kept else None
