"""What a model is: features in, a distribution with a unit out.

Lifetime: loaded or fitted once, then asked many times; `update` adds what was measured since. Models do no I/O but in
`save` and `load`, hold no global state, and may be asked from several threads as long as nobody updates them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """`mean[n]` and `std[n]`, standard deviation, both in `unit`."""

    mean: Array
    std: Array
    unit: str


class Model(ABC):
    """The protocol of all models."""

    @abstractmethod
    def fit(self, features: Array, targets: Array, groups: Array) -> None:
        """Train from scratch on `features[n, F]` and `targets[n]`; `groups[n]` numbers the workload of each row."""

    @abstractmethod
    def predict(self, features: Array) -> Prediction:
        """Predict `features[n, F]`; raises `UsageError` for another F."""

    @abstractmethod
    def update(self, features: Array, targets: Array) -> None:
        """Add measurements of the workload at hand to what was learned before."""

    @abstractmethod
    def save(self, folder: Path, card: Mapping[str, object]) -> None:
        """Write a checkpoint (no pickle); `card` goes into its `model.json`."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a checkpoint; raises `CheckpointError` for a damaged or foreign one."""
