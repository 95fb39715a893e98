"""What a model is: inputs in, a distribution with a unit out.

Lifetime: loaded or fitted once, then asked many times; `update` adds what was measured since. Models do no I/O but in
`save` and `load`, hold no global state, and may be asked from several threads as long as nobody updates them.

A model `takes` one of two kinds of input: `"features"`, an array `[n, F]` with one number a row to predict (the
rankers); or `"examples"`, encoded programs beside targets (`examples.Examples`) with several metrics a row. The
predict-the-mean row takes both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

Array = np.ndarray[Any, Any]
Inputs = Any
"""An array `[n, F]`, or `examples.Examples` of n rows."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """`mean` and `std`, standard deviation, in `unit`: `[n]`, or `[n, M]` with one unit for each of `metrics`."""

    mean: Array
    std: Array
    unit: str | tuple[str, ...]
    metrics: tuple[str, ...] = ()
    low: Array | None = None
    """`[n, M]`, 90 % interval with `high`."""
    high: Array | None = None
    nonzero: Array | None = None
    """`[n, M]` probability that the metric is not zero; NaN where the metric is not zero-inflated."""
    known: Array | None = None
    """`[n]` bool: whether the input lies near the training data."""
    distance: Array | None = None
    """`[n]`: distance from the training data over the threshold of `known`; above 1 is unknown."""


class Model(ABC):
    """The protocol of all models."""

    takes: ClassVar[Literal["features", "examples", "both"]] = "features"

    @abstractmethod
    def fit(self, features: Inputs, targets: Array, groups: Array) -> None:
        """Train from scratch.

        Args:
            features: n rows, see the module's docstring.
            targets: `[n]`, or `[n, M]` in the metrics' units with NaN where there is no label.
            groups: `[n]` numbers the workload or family of each row: what may be held out together.
        """

    @abstractmethod
    def predict(self, features: Inputs) -> Prediction:
        """Predict n rows in order; raises `UsageError` for inputs of another width."""

    @abstractmethod
    def update(self, features: Inputs, targets: Array) -> None:
        """Add measurements of the workload or target at hand to what was learned before."""

    @abstractmethod
    def save(self, folder: Path, card: Mapping[str, object]) -> None:
        """Write a checkpoint (no pickle); `card` goes into its `model.json`."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a checkpoint; raises `CheckpointError` for a damaged or foreign one."""
