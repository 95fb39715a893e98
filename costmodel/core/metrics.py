"""Metrics: what is predicted and labelled, each with its unit, its truth and where it exists.

Owns the table. Invariant: a name means one quantity in one unit, everywhere.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from costmodel.core.errors import UnknownNameError, UsageError

Direction = Literal["lower", "higher", "neutral"]

CPU_ARCHS = ("x86-64", "aarch64", "riscv64")
GPU_ARCHS = ("nvptx64", "amdgcn")
ALL_ARCHS = CPU_ARCHS + GPU_ARCHS


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One quantity."""

    name: str
    unit: str
    truth: str
    """How a stranger reproduces it."""
    archs: tuple[str, ...]
    direction: Direction
    """Which way is better; `neutral` where that depends."""
    minimum: float = 0.0
    maximum: float | None = None

    def exists_for(self, arch: str) -> bool:
        """Whether the metric is defined on `arch`."""
        return arch in self.archs


_REMARKS = "register allocation remarks on CPUs, ptxas -v on NVPTX, kernel resource usage on AMDGPU"
_PRINTER = "assembly printer remarks"
_MCA = "llvm-mca on loop bodies weighted by trip count; a static model"
_MEASURED = "measured on the device, median of samples"

_METRICS: dict[str, Metric] = {}


def register_metric(metric: Metric) -> None:
    """Add a metric; raises `UsageError` if the name is taken."""
    if metric.name in _METRICS:
        raise UsageError(f"metric {metric.name!r} is registered already; choose another name")
    _METRICS[metric.name] = metric


def get_metric(name: str) -> Metric:
    """The metric of that name; raises `UnknownNameError` with the choices."""
    if name in _METRICS:
        return _METRICS[name]
    close = difflib.get_close_matches(name, _METRICS, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UnknownNameError(f"unknown metric {name!r}; known: {', '.join(metric_names())}{hint}")


def metric_names(arch: str | None = None) -> list[str]:
    """Names in the order of registration, of those that exist on `arch` if it is given."""
    return [name for name, metric in _METRICS.items() if arch is None or metric.exists_for(arch)]


def _add(
    name: str, unit: str, truth: str, archs: tuple[str, ...], direction: Direction, maximum: float | None = None
) -> None:
    register_metric(Metric(name=name, unit=unit, truth=truth, archs=archs, direction=direction, maximum=maximum))


_add("registers_vector", "registers", _REMARKS, ALL_ARCHS, "lower")
_add("registers_general", "registers", _REMARKS, ALL_ARCHS, "lower")
_add("spills", "spills", _REMARKS, ALL_ARCHS, "lower")
_add("reloads", "reloads", _REMARKS, ALL_ARCHS, "lower")
_add("stack_bytes", "bytes", "prologue and epilogue remarks, ptxas -v, kernel resource usage", ALL_ARCHS, "lower")
_add("instructions", "instructions", _PRINTER, ALL_ARCHS, "lower")
_add("code_bytes", "bytes", "text section of the object file", ALL_ARCHS, "lower")
_add("cycles", "cycles", _MCA, CPU_ARCHS, "lower")
_add("ipc", "instructions/cycle", _MCA, CPU_ARCHS, "higher")
_add("port_utilisation", "fraction", f"{_MCA}; the busiest unit", CPU_ARCHS, "neutral", 1.0)
_add(
    "instructions_executed",
    "instructions",
    "counted run: qemu plugin on AArch64 and RISC-V, callgrind on x86-64 without AVX-512",
    CPU_ARCHS,
    "lower",
)
_add(
    "occupancy", "fraction", "resource usage on AMDGPU, registers and shared memory on NVPTX", GPU_ARCHS, "higher", 1.0
)
_add("shared_bytes", "bytes", "ptxas -v, kernel resource usage (LDS)", GPU_ARCHS, "neutral")
_add("latency_s", "s", _MEASURED, ALL_ARCHS, "lower")
_add("flop_utilisation", "fraction", f"{_MEASURED}, over the same machine's measured peak", ALL_ARCHS, "higher", 1.0)
_add(
    "bandwidth_utilisation", "fraction", f"{_MEASURED}, over the same machine's measured peak", ALL_ARCHS, "higher", 1.0
)
_add("port_utilisation_mean", "fraction", f"{_MCA}; mean over the units that are used", CPU_ARCHS, "neutral", 1.0)
