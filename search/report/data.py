"""What a report holds; the tuner fills it, JSON, HTML and the summary table read it.

Owns the fields and the figures derived from them. Invariant: a derived figure is None where what it needs is absent,
not finite or not positive, so no reader of a report divides by zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


def usable(value: float | None) -> float | None:
    """The value if it is a positive finite number, else None."""
    return float(value) if value is not None and math.isfinite(value) and value > 0 else None


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """The quotient of two positive finite numbers, else None."""
    above, below = usable(numerator), usable(denominator)
    return None if above is None or below is None else usable(above / below)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPoint:
    """One trial as the curves and the scatter plot need it."""

    trial: int
    """Counts from 0 within the workload."""
    elapsed_s: float
    """From process start to the end of the trial."""
    status: str
    runtime_s: float | None = None
    """Median; None unless the status is ok."""
    predicted_mean_s: float | None = None
    predicted_std_s: float | None = None
    schedule: str = ""

    @property
    def measured_s(self) -> float | None:
        """The runtime of an ok trial, else None."""
        return usable(self.runtime_s) if self.status == "ok" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadReport:
    """One workload: what it cost before, what it costs now, and how that was found."""

    workload_id: str
    name: str
    family: str
    count: int = 1
    """How often the input holds it."""
    flops: float = 0
    bytes: float | None = None
    """Least traffic: every operand read once, every result written once."""
    dims: Mapping[str, int] = field(default_factory=dict, hash=False)
    default_s: float | None = None
    """Default lowering."""
    heuristic_s: float | None = None
    """The one hand-written schedule of the family."""
    best_s: float | None = None
    best_schedule: str | None = None
    trials: int = 0
    failures: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Trials that were not ok, by status."""
    vendor_s: float | None = None
    vendor: str | None = None
    """The library that `vendor_s` was measured with."""
    history: tuple[TrialPoint, ...] = ()
    notes: tuple[str, ...] = ()
    """What set the winner apart."""

    @property
    def speedup(self) -> float | None:
        """Default over best."""
        return ratio(self.default_s, self.best_s)

    @property
    def flops_per_s(self) -> float | None:
        """Of the best schedule."""
        return ratio(self.flops, self.best_s)

    @property
    def failed(self) -> int:
        """Trials that were not ok."""
        return sum(self.failures.values())

    @property
    def weight_s(self) -> float:
        """Seconds that the input spent in it before tuning; 0 where unknown."""
        return self.count * (usable(self.default_s) or usable(self.best_s) or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndToEnd:
    """The whole model: latency before, after and by onnxruntime, and how far the outputs are apart."""

    default_s: float | None = None
    tuned_s: float | None = None
    onnxruntime_s: float | None = None
    max_abs_error: float | None = None
    max_rel_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums of count × seconds over the workloads that have a default time; one without a best counts as untouched."""

    default_s: float
    best_s: float
    workloads: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of the tuner."""

    target: str
    device: str
    toolchain: str
    seed: int
    strategy: str
    threads: int
    input: str
    wall_s: float
    """From process start to the report."""
    time: Mapping[str, float] = field(hash=False)
    """Category → seconds on the coordinator's clock, exclusive; sums to `wall_s`."""
    worker_s: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Category → seconds spent in workers, overlapping with each other and with `time`."""
    workloads: tuple[WorkloadReport, ...] = ()
    end_to_end: EndToEnd | None = None
    warnings: tuple[str, ...] = ()

    @property
    def totals(self) -> Totals:
        """Time in all kernels before and after."""
        timed = [w for w in self.workloads if usable(w.default_s)]
        return Totals(
            default_s=sum(w.count * (w.default_s or 0.0) for w in timed),
            best_s=sum(w.count * (usable(w.best_s) or w.default_s or 0.0) for w in timed),
            workloads=len(timed),
            left_out=len(self.workloads) - len(timed),
        )

    def by_weight(self) -> list[WorkloadReport]:
        """The workloads, the most expensive before tuning first; ties by name and id."""
        return sorted(self.workloads, key=lambda w: (-w.weight_s, w.name, w.workload_id))
