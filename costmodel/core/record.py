"""Records: one measurement, good or bad, with the key under which it may be used again.

Owns the fields and their meaning. Invariant: a record matches only its own workload, target, device, backend and
toolchain; an `ok` record has samples or a runtime; `runtime_s` is the median of `samples_s`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, Self, get_args

from costmodel.core import schema
from costmodel.core.errors import ParseError, UsageError
from costmodel.core.schema import JsonObject

Status = Literal["ok", "compile_error", "compile_timeout", "run_timeout", "crash", "oom", "wrong", "nan"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKey:
    """What must be equal for measurements to be comparable."""

    workload_id: str
    target: str
    device: str
    backend: str
    toolchain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One trial.

    Raises:
        UsageError: The status is unknown, a time is not a positive number, or an ok trial has no time.
    """

    workload_id: str
    target: str
    device: str
    backend: str
    toolchain: str
    """Names and versions of everything that turned the schedule into code."""
    schedule: str
    session: str
    trial: int
    """Counts from 0 within the session's workload."""
    seed: int
    status: Status
    cause: str = ""
    """Why it is not ok, else empty."""
    samples_s: tuple[float, ...] = ()
    runtime_s: float | None = None
    """Median of `samples_s`, filled in from them if not given."""
    compile_s: float | None = None
    max_abs_error: float | None = None
    """Against the reference, on standard normal inputs; None where unknown or not finite."""
    predicted_mean_s: float | None = None
    predicted_std_s: float | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise UsageError(f"record status {self.status!r} is unknown; known: {', '.join(STATUSES)}")
        times_s = [*self.samples_s, *([] if self.runtime_s is None else [self.runtime_s])]
        if not all(math.isfinite(time_s) and time_s > 0 for time_s in times_s):
            raise UsageError(f"record of {self.schedule!r}: measured times must be positive numbers, got {times_s}")
        if self.runtime_s is None and self.samples_s:
            object.__setattr__(self, "runtime_s", float(statistics.median(self.samples_s)))
        if self.status == "ok" and self.runtime_s is None:
            raise UsageError(f"record of {self.schedule!r} is ok but has neither samples_s nor runtime_s")
        object.__setattr__(self, "samples_s", tuple(float(sample_s) for sample_s in self.samples_s))
        for name in ("max_abs_error", "predicted_mean_s", "predicted_std_s", "compile_s"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                object.__setattr__(self, name, None)

    @property
    def key(self) -> RecordKey:
        """The key without the schedule."""
        return RecordKey(
            workload_id=self.workload_id,
            target=self.target,
            device=self.device,
            backend=self.backend,
            toolchain=self.toolchain,
        )

    def to_json(self) -> dict[str, object]:
        """A JSON object with `schema_version`; absent values are null."""
        return {"schema_version": schema.CONTRACTS_VERSION, **asdict(self), "samples_s": list(self.samples_s)}

    @classmethod
    def from_json(cls, document: JsonObject) -> Self:
        """Read `to_json`'s object back; `ParseError` for a missing or ill-typed field or another version."""
        what = "record"
        schema.check_version(document, schema.CONTRACTS_VERSION, what)
        texts = ("workload_id", "target", "device", "backend", "toolchain", "schedule", "session", "cause")
        numbers = ("runtime_s", "compile_s", "max_abs_error", "predicted_mean_s", "predicted_std_s")
        values: dict[str, object] = {name: schema.text_field(document, name, what) for name in texts}
        values |= {name: schema.optional_number_field(document, name, what) for name in numbers}
        values |= {name: schema.integer_field(document, name, what) for name in ("trial", "seed")}
        values["samples_s"] = schema.numbers_field(document, "samples_s", what)
        values["status"] = schema.text_field(document, "status", what)
        try:
            return cls(**values)  # type: ignore[arg-type]
        except UsageError as error:
            raise ParseError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadInfo:
    """What a workload is, kept beside its records so that they can be read without the model they came from."""

    workload_id: str
    family: str
    dims: Mapping[str, int] = field(hash=False)
    dtypes: tuple[str, ...]
    flops: int
    bytes_moved: int
    """Least traffic: every operand read once, every result written once."""
    mlir: str
    """Canonical generic text, of which `workload_id` is the hash."""

    def to_json(self) -> dict[str, object]:
        """A JSON object, with CONTRACTS' name `bytes`."""
        return {
            "workload_id": self.workload_id,
            "family": self.family,
            "dims": dict(self.dims),
            "dtypes": list(self.dtypes),
            "flops": self.flops,
            "bytes": self.bytes_moved,
            "mlir": self.mlir,
        }
