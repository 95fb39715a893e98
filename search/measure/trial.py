"""What comes of measuring: the budget asked for, the worker's answer, and the trial the search learns from.

Owns these values. Invariant: only an ok trial has samples.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from costmodel.core.record import Status

DEFAULT_SCHEDULE = "default"
"""Stands for default lowering where a schedule's text is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureSpec:
    """How long and how carefully to measure. All times are of warm caches."""

    budget_s: float = 0.1
    """Time for samples after warming up; three samples are taken in any case."""
    min_samples: int = 10
    max_samples: int = 100
    spread: float = 0.02
    """Interquartile range over median at which sampling stops."""
    median_error: float = 0.01
    """Half the 95 % interval of the median, over the median, at which it stops as well."""
    sample_s: float = 1e-4
    """A sample lasts at least this long: shorter kernels are called several times in it."""
    seed: int = 0
    """Of the inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A worker's answer. `status` is ok, wrong, nan, or `unprepared`: the references are not there, prepare first."""

    status: str
    cause: str = ""
    samples_s: tuple[float, ...] = ()
    max_abs_error: float | None = None
    """On standard normal inputs."""
    error_ratio: float | None = None
    """Largest error over its tolerance, over all sets of inputs."""
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate, built and measured or not."""

    schedule: str
    """Schedule text, or `DEFAULT_SCHEDULE`."""
    status: Status
    cause: str = ""
    samples_s: tuple[float, ...] = ()
    compile_s: float | None = None
    """From handing the candidate to a worker until the object was there."""
    max_abs_error: float | None = None
    error_ratio: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Workers' seconds by category, `compile.STEP` and `measure.STEP`."""

    @property
    def ok(self) -> bool:
        """Whether it ran and was right."""
        return self.status == "ok"

    @property
    def runtime_s(self) -> float | None:
        """Median of the samples."""
        return float(statistics.median(self.samples_s)) if self.samples_s else None
