"""Telling two kinds apart by a score: spill or no spill, seen or not seen.

Owns the figures of detection; the area under the ROC curve is `costmodel.models.roc`'s.
"""

from __future__ import annotations

import numpy as np

from costmodel.models.base import Array
from costmodel.models.roc import area_under_curve


def detection_figures(probability: Array, positive: Array) -> dict[str, float | None]:
    """AUC, and what a threshold of one half gives: accuracy, and the share of positives."""
    return {
        "auc_nonzero": area_under_curve(probability, positive),
        "accuracy_nonzero_percent": 100 * float(((probability > 0.5) == positive).mean()),
        "nonzero_percent": 100 * float(positive.mean()),
    }


def known_auroc(distance_seen: Array, distance_held_out: Array) -> float | None:
    """AUROC of `known`: functions of families the model has not met against new functions of families it has.

    Distances are the model's own (`Prediction.distance`); None where one side is empty.
    """
    scores = np.concatenate([distance_seen, distance_held_out])
    return area_under_curve(scores, np.arange(len(scores)) >= len(distance_seen))
