"""Few-shot adaptation: a Gaussian process for each metric on what a trained model got wrong.

Owns the rows that `update` saw. Source: residual processes as in the tuner's ranker (`gaussian`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np

from costmodel.models.base import Array
from costmodel.models.columns import compressed
from costmodel.models.gaussian import MAX_POINTS, ResidualProcess

if TYPE_CHECKING:
    from costmodel.models.metric_model import Scaled


class Adaptation:
    """Rows and residuals, and one process for each metric that has any."""

    def __init__(self, num_metrics: int) -> None:
        self._x: Array = np.zeros((0, 0), np.float32)
        self._residuals: Array = np.zeros((0, num_metrics))
        self._processes: list[ResidualProcess] = []

    def add(self, matrix: Array, residuals: Array) -> None:
        """More rows, `matrix[n, width]` and `residuals[n, M]` with NaN where there is no label; the last ones count."""
        x = compressed(matrix)
        self._x = np.concatenate([self._x, x])[-MAX_POINTS:] if len(self._x) else x[-MAX_POINTS:]
        self._residuals = np.concatenate([self._residuals, residuals])[-MAX_POINTS:]
        self._refit()

    def _refit(self) -> None:
        self._processes = []
        for column in self._residuals.T:
            there = ~np.isnan(column)
            process = ResidualProcess()
            if there.any():
                process.fit(self._x[there], column[there])
            self._processes.append(process)

    def correct(self, matrix: Array, found: Scaled) -> Scaled:
        """The predictions with the processes' means added and their doubt as the deviation, where that is less."""
        x = compressed(matrix)
        mean, std = found.mean.copy(), found.std.copy()
        for i, process in enumerate(self._processes):
            if process.fitted and len(x):
                shift, doubt = process.predict(x)
                mean[:, i] += shift
                std[:, i] = np.minimum(std[:, i], doubt)
        return replace(found, mean=mean, std=np.maximum(std, 1e-6))

    def state(self) -> dict[str, Array]:
        """Arrays for a checkpoint."""
        return {"adaptation.x": self._x, "adaptation.residuals": self._residuals}

    @classmethod
    def restore(cls, arrays: dict[str, Array], num_metrics: int) -> Self | None:
        """What `state` gave, None where nothing was."""
        if "adaptation.x" not in arrays:
            return None
        found = cls(num_metrics)
        found._x, found._residuals = arrays["adaptation.x"], arrays["adaptation.residuals"]
        found._refit()
        return found
