"""The predict-the-mean baseline every learned model has to beat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array, Model, Prediction
from costmodel.models.checkpoint import read_checkpoint, write_checkpoint


class MeanModel(Model):
    """Mean and standard deviation of all targets seen, whatever the features. Unit: natural logarithm."""

    def __init__(self) -> None:
        self._targets: Array = np.zeros(0)
        self._width: int | None = None

    def fit(self, features: Array, targets: Array, groups: Array) -> None:
        """See `Model`."""
        self._targets = np.asarray(targets, np.float64)
        self._width = features.shape[1]

    def predict(self, features: Array) -> Prediction:
        """See `Model`; zero with a doubt of one before any data."""
        if self._width not in (None, features.shape[1]):
            raise UsageError(f"the model was trained on {self._width} features, got {features.shape[1]}")
        mean = float(self._targets.mean()) if self._targets.size else 0.0
        std = float(self._targets.std()) if self._targets.size > 1 else 1.0
        return Prediction(np.full(len(features), mean), np.full(len(features), std), "ln")

    def update(self, features: Array, targets: Array) -> None:
        """See `Model`."""
        self._targets = np.concatenate([self._targets, np.asarray(targets, np.float64)])

    def save(self, folder: Path, card: Mapping[str, object]) -> None:
        """See `Model`."""
        data = json.dumps({"targets": [float(t) for t in self._targets], "width": self._width}).encode()
        write_checkpoint(folder, "mean", {"mean.json": data}, card)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Model`."""
        files, _ = read_checkpoint(folder, "mean", ("mean.json",))
        model = cls()
        numbers = json.loads(files["mean.json"])
        model._targets, model._width = np.array(numbers["targets"]), numbers["width"]
        return model
