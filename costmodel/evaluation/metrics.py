"""Errors of predicted values, each on arrays `[n]` in the metric's unit.

Owns the definitions. Invariant: a figure that has no meaning (no labels, a range of zero) is None, never a wrong
number; NaN labels are left out before these are called.
"""

from __future__ import annotations

import numpy as np

from costmodel.models.base import Array
from costmodel.models.label_range import label_range

Figures = dict[str, float | None]


def rmse(predicted: Array, truth: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def mae(predicted: Array, truth: Array) -> float:
    """Mean absolute error."""
    return float(np.abs(predicted - truth).mean())


def r2(predicted: Array, truth: Array) -> float | None:
    """Coefficient of determination: 1 minus the squared errors over those of the mean of `truth`."""
    total = float(((truth - truth.mean()) ** 2).sum())
    return None if total == 0 else 1 - float(((predicted - truth) ** 2).sum()) / total


def mape_percent(predicted: Array, truth: Array) -> float | None:
    """Mean of |predicted - truth| / |truth| in per cent, over labels that are not zero."""
    kept = truth != 0
    return 100 * float(np.abs(predicted[kept] / truth[kept] - 1).mean()) if kept.any() else None


def median_ape_percent(predicted: Array, truth: Array) -> float | None:
    """Median of |predicted - truth| / |truth| in per cent, over labels that are not zero."""
    kept = truth != 0
    return 100 * float(np.median(np.abs(predicted[kept] / truth[kept] - 1))) if kept.any() else None


def exact_percent(predicted: Array, truth: Array) -> float:
    """Share, in per cent, of whole-numbered labels that the rounded prediction meets."""
    return within_percent(predicted, truth, 0)


def within_percent(predicted: Array, truth: Array, distance: int) -> float:
    """Share, in per cent, of whole-numbered labels that the rounded prediction misses by at most `distance`."""
    return 100 * float((np.abs(np.rint(predicted) - truth) <= distance).mean())


def value_figures(predicted: Array, truth: Array, training: Array) -> Figures:
    """All of the above, beside the row that predicts the mean of the training labels for everything."""
    spread = label_range(training)
    mean = np.full(len(truth), float(training.mean())) if training.size else truth * np.nan

    def percent(error: float) -> float | None:
        return 100 * error / spread if spread and np.isfinite(error) else None

    return {
        "rmse_percent_of_range": percent(rmse(predicted, truth)),
        "mean_row_rmse_percent_of_range": percent(rmse(mean, truth)),
        "range": spread,
        "rmse": rmse(predicted, truth),
        "mae": mae(predicted, truth),
        "mean_row_mae": mae(mean, truth) if training.size else None,
        "r2": r2(predicted, truth),
        "mape_percent": mape_percent(predicted, truth),
        "median_ape_percent": median_ape_percent(predicted, truth),
    }
