"""The few figures that a model card carries; the full evaluation is `costmodel.evaluation`'s.

Definitions: RMSE over the range of the training labels (`models.label_range`), absent where that is zero; MAPE over
labels that are not zero; coverage is the share of labels inside the 90 % interval; AUC of zero against not zero (Mann
and Whitney 1947); the baseline is the RMSE of predicting the training mean.
"""

from __future__ import annotations

import numpy as np

from costmodel.models.base import Array, Prediction
from costmodel.models.label_range import label_range
from costmodel.models.roc import area_under_curve


def card_figures(prediction: Prediction, truth: Array, training: Array) -> dict[str, dict[str, float]]:
    """Figures by metric; `truth[n, M]` held out, `training[m, M]`, both with NaN where there is no label."""
    found = {}
    for i, metric in enumerate(prediction.metrics):
        there = ~np.isnan(truth[:, i])
        seen = training[~np.isnan(training[:, i]), i]
        if not there.any() or not seen.size:
            continue
        y, mean = truth[there, i], prediction.mean[there, i]
        spread = label_range(seen)
        figures = {"rows": float(there.sum()), "mae": float(np.abs(mean - y).mean())}
        if spread is not None:
            figures["rmse_percent_of_range"] = 100 * _rmse(mean - y) / spread
            figures["baseline_rmse_percent_of_range"] = 100 * _rmse(seen.mean() - y) / spread
        if (y != 0).any():
            figures["mape_percent"] = _mape(mean, y)
        if prediction.low is not None and prediction.high is not None:
            inside = (prediction.low[there, i] <= y) & (y <= prediction.high[there, i])
            figures["coverage_percent"] = 100 * float(inside.mean())
        if prediction.nonzero is not None and np.isfinite(prediction.nonzero[there, i]).all():
            auc = area_under_curve(prediction.nonzero[there, i], y > 0)
            if auc is not None:
                figures["auc_nonzero"] = auc
        found[metric] = {name: round(value, 6) for name, value in figures.items()}
    return found


def _rmse(errors: Array) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _mape(mean: Array, y: Array) -> float:
    kept = y != 0
    return 100 * float(np.abs(mean[kept] / y[kept] - 1).mean())
