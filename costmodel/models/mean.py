"""The predict-the-mean baseline every learned model has to beat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.core.metrics import get_metric
from costmodel.models.base import Array, Inputs, Model, Prediction
from costmodel.models.checkpoint import read_checkpoint, write_checkpoint
from costmodel.models.examples import Examples


class MeanModel(Model):
    """Mean and standard deviation of all targets seen, whatever the inputs.

    Without metrics it predicts one number in natural logarithms; with metrics, one column each in the metric's unit.
    """

    takes = "both"

    def __init__(self, metrics: Sequence[str] = (), *, seed: int = 0) -> None:
        """`seed` is taken for the sake of the protocol; nothing is drawn."""
        self.metrics = tuple(metrics)
        self.seed = seed
        self._targets: Array = np.zeros((0, len(self.metrics)) if self.metrics else 0)
        self._width: int | None = None

    def fit(self, features: Inputs, targets: Array, groups: Array) -> None:
        """See `Model`."""
        self._targets = np.asarray(targets, np.float64)
        self._width = _width(features)

    def predict(self, features: Inputs) -> Prediction:
        """See `Model`; zero with a doubt of one before any data."""
        if self._width not in (None, _width(features)):
            raise UsageError(f"the model was trained on {self._width} features, got {_width(features)}")
        columns = self._targets if self.metrics else self._targets[:, None]
        figures = [_figures(column[~np.isnan(column)]) for column in columns.T]
        mean, std = (np.array([pair[i] for pair in figures]) for i in range(2))
        rows = len(features)
        if not self.metrics:
            return Prediction(np.full(rows, mean[0]), np.full(rows, std[0]), "ln")
        units = tuple(get_metric(metric).unit for metric in self.metrics)
        low, high = np.maximum(mean - 1.645 * std, 0.0), mean + 1.645 * std
        full = [np.tile(values, (rows, 1)) for values in (mean, std, low, high)]
        return Prediction(full[0], full[1], units, metrics=self.metrics, low=full[2], high=full[3],
                          known=np.ones(rows, bool), distance=np.zeros(rows))  # fmt: skip

    def update(self, features: Inputs, targets: Array) -> None:
        """See `Model`."""
        self._targets = np.concatenate([self._targets, np.asarray(targets, np.float64)])

    def save(self, folder: Path, card: Mapping[str, object]) -> None:
        """See `Model`."""
        rows = [[None if np.isnan(t) else float(t) for t in row] for row in np.atleast_2d(self._targets)]
        document = {"targets": rows if self.metrics else rows[0], "width": self._width, "metrics": self.metrics}
        write_checkpoint(folder, "mean", {"mean.json": json.dumps(document).encode()}, card)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Model`."""
        files, _ = read_checkpoint(folder, "mean", ("mean.json",))
        numbers = json.loads(files["mean.json"])
        model = cls(numbers["metrics"])
        model._targets = np.array(numbers["targets"], np.float64)
        model._width = numbers["width"]
        return model


def _width(inputs: Inputs) -> int:
    return inputs.context.shape[1] if isinstance(inputs, Examples) else int(inputs.shape[1])


def _figures(values: Array) -> tuple[float, float]:
    return (float(values.mean()) if values.size else 0.0, float(values.std()) if values.size > 1 else 1.0)
