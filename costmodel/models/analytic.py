"""A baseline that learns one number a metric: roofline and counting, from static features and the target's figures.

Latency is the roofline (Williams et al. 2009): the longer of work over peak FLOP/s and bytes over peak bytes/s. Peaks
are the target's own, or those measured on this machine (options `flop_per_s`, `bytes_per_s`: an FMA loop and STREAM's
triad, see `costmodel.search.measure.peaks`), else nominal ones. Other metrics count: operations, live values over the
register file. Fitting learns the median ratio to the labels, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array
from costmodel.models.examples import Examples
from costmodel.models.heads import Scale, scale
from costmodel.models.metric_model import MetricModel, Scaled
from costmodel.models.monitor import Monitor
from costmodel.models.tensors import pack_tensors, unpack_tensors

NOMINAL_HZ = 3e9
NOMINAL_BYTES_PER_S = 1e10
_FMAS_PER_CYCLE = 2
_ISSUE = 4.0
_GENERAL_REGISTERS = 14
"""Of the 16 on x86-64, without the stack pointer and one that is needed for addresses."""


class Facts:
    """Numbers of rows by name, `[n]` each."""

    def __init__(self, examples: Examples, peaks: tuple[float | None, float | None]) -> None:
        self._examples = examples
        self._columns = {name: i for i, name in enumerate(examples.context_names)}
        self.flop_per_s, self.bytes_per_s = peaks

    def static(self, name: str) -> Array:
        """A static feature; 0 where functions lack it."""
        values = np.array([encoding.numbers.get(f"static:{name}", 0.0) for encoding in self._examples.encodings])
        return np.asarray(values[self._examples.program]) if len(values) else np.zeros(0)

    def figure(self, name: str) -> Array:
        """A figure of the target."""
        column = self._columns.get(f"target:{name}")
        rows = len(self._examples)
        return np.zeros(rows) if column is None else 2.0 ** self._examples.context[:, column].astype(float) - 1

    def peak_flop_per_s(self) -> Array:
        """Measured, else the target's, else two vector multiply-adds a cycle."""
        nominal = np.maximum(self.figure("vector_bits"), 32) / 32 * 2 * _FMAS_PER_CYCLE * NOMINAL_HZ
        return self._peak(self.flop_per_s, self.figure("peak_flop_per_s"), nominal)

    def peak_bytes_per_s(self) -> Array:
        """Measured, else the target's, else nominal."""
        nominal = np.full(len(self._examples), NOMINAL_BYTES_PER_S)
        return self._peak(self.bytes_per_s, self.figure("peak_bytes_per_s"), nominal)

    def _peak(self, measured: float | None, known: Array, nominal: Array) -> Array:
        if measured is not None:
            return np.full(len(nominal), measured)
        return np.where(known > 0, known, nominal)


def roofline_s(facts: Facts) -> Array:
    """Seconds that peaks allow."""
    compute = facts.static("flops") / facts.peak_flop_per_s()
    return np.maximum(np.maximum(compute, facts.static("bytes_touched") / facts.peak_bytes_per_s()), 1e-9)


def _machine_operations(facts: Facts) -> Array:
    """Operations, those on vectors split into the target's registers."""
    split = np.maximum(1.0, facts.static("vector_bits_max") / np.maximum(facts.figure("vector_bits"), 64))
    return np.asarray(facts.static("ops") + facts.static("vector_ops") * (split - 1))


def _overflow(facts: Facts) -> Array:
    files = np.maximum(facts.figure("vector_registers"), 8)
    vectors = facts.static("live_vector_values_max")
    general = facts.static("live_values_max") - vectors
    return np.asarray(np.maximum(0.0, vectors - files) + np.maximum(0.0, general - _GENERAL_REGISTERS))


def _work_s(facts: Facts) -> Array:
    return facts.static("flops") / facts.peak_flop_per_s() / roofline_s(facts)


def _traffic_s(facts: Facts) -> Array:
    return facts.static("bytes_touched") / facts.peak_bytes_per_s() / roofline_s(facts)


ESTIMATES: dict[str, Callable[[Facts], Array]] = {
    "latency_s": roofline_s,
    "instructions": _machine_operations,
    "code_bytes": lambda facts: 4 * _machine_operations(facts),
    "cycles": lambda facts: _machine_operations(facts) * np.maximum(facts.static("trip_count_max"), 1.0) / _ISSUE,
    "instructions_executed": lambda facts: _machine_operations(facts) * np.maximum(facts.static("trip_count_max"), 1),
    "spills": _overflow,
    "reloads": _overflow,
    "stack_bytes": lambda facts: 8 * _overflow(facts),
    "registers_vector": lambda facts: np.minimum(
        facts.static("live_vector_values_max"), np.maximum(facts.figure("vector_registers"), 8)
    ),
    "registers_general": lambda facts: np.minimum(facts.static("live_values_max"), 32.0),
    "flop_utilisation": _work_s,
    "bandwidth_utilisation": _traffic_s,
}
"""By metric, in its unit; metrics without one get the median of the labels."""


class Analytic(MetricModel):
    """Options: `flop_per_s`, `bytes_per_s`, measured on the machine that latencies are of.

    `calibrate` asks `costmodel train` to measure both; it says nothing here.
    """

    name = "analytic"

    def __init__(
        self, metrics: Sequence[str] = (), *, seed: int = 0, flop_per_s: float | None = None,
        bytes_per_s: float | None = None, calibrate: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        """See `MetricModel`; raises `UsageError` for an unknown option."""
        if options:
            raise UsageError(
                f"unknown option {min(options)!r} of {self.name}; known: flop_per_s, bytes_per_s, calibrate"
            )
        super().__init__(metrics, seed=seed, flop_per_s=flop_per_s, bytes_per_s=bytes_per_s, calibrate=calibrate)
        self._peaks = (flop_per_s, bytes_per_s)
        self._shift = np.zeros(len(self.metrics))
        self._std = np.ones(len(self.metrics))

    def _estimates(self, examples: Examples) -> Array:
        facts = Facts(examples, self._peaks)
        columns = [
            scale(ESTIMATES[m](facts), kind) if m in ESTIMATES else np.zeros(len(examples))
            for m, kind in zip(self.metrics, self.scales, strict=True)
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((len(examples), 0))

    def _fit(self, examples: Examples, targets: Array, groups: Array, monitor: Monitor) -> None:
        errors = targets - self._estimates(examples)
        for i, column in enumerate(errors.T):
            there = column[~np.isnan(column)]
            self._shift[i] = float(np.median(there)) if there.size else 0.0
            self._std[i] = max(float(np.sqrt(np.mean((there - self._shift[i]) ** 2))), 0.02) if there.size else 1.0

    def scaled(self, examples: Examples) -> Scaled:
        """See `MetricModel`."""
        mean = self._estimates(examples) + self._shift
        nonzero = np.full(mean.shape, np.nan)
        for i, kind in enumerate(self.scales):
            if kind is Scale.ZERO_INFLATED:
                mean[:, i] = np.maximum(mean[:, i], 0.0)
                nonzero[:, i] = 1 - np.exp(-mean[:, i])
        return Scaled(mean=mean, std=np.broadcast_to(self._std, mean.shape).copy(), nonzero=nonzero)

    def state(self) -> dict[str, bytes]:
        """See `MetricModel`."""
        return {"analytic.safetensors": pack_tensors({"shift": self._shift, "std": self._std})}

    def restore(self, files: Mapping[str, bytes]) -> None:
        """See `MetricModel`."""
        arrays = unpack_tensors(files["analytic.safetensors"])
        self._shift, self._std = arrays["shift"], arrays["std"]
