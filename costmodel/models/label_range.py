"""The range of a metric's training labels, which errors are told in percent of.

Owns the one definition, for model cards and for evaluation.
"""

from __future__ import annotations

import numpy as np

from costmodel.models.base import Array

LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.0


def label_range(training: Array) -> float | None:
    """Distance from the 1st to the 99th percentile of the training labels, None where that is zero.

    The range of "RMSE as % of range" as in Das and Sujir's cost model for MLIR (arXiv 2302.11405), made robust: a
    single outlier among the labels would make any error look small.
    """
    if not training.size:
        return None
    low, high = np.percentile(training, (LOW_PERCENTILE, HIGH_PERCENTILE))
    return float(high - low) or None
