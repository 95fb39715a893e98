"""Labellers: tools that say what code costs, one file each.

Owns the registry and the protocol. Invariant: a labeller gives one value or one cause for each function and each
metric it was asked for. A new labeller is one file and one line in `LABELLERS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from costmodel.core.registry import Registry

if TYPE_CHECKING:
    from costmodel.core.tables import FunctionRow
    from costmodel.core.target import Target
    from costmodel.datasets.labellers.compiled import Compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a tool says: a number, or why there is none. `samples` lie behind a measured number, in the same unit."""

    value: float | None = None
    cause: str | None = None
    samples: tuple[float, ...] = ()


Answer = Mapping[str, Value]
"""Metric to value, of one function."""


class Giver(Protocol):
    """What every labeller says of itself. Stateless."""

    gives: ClassVar[Mapping[str, tuple[str, ...]]]
    """Architecture to the metrics it gives there."""
    needs: str
    """What must be installed, in words, with the command that installs it."""
    default: bool
    """Whether it runs without being named: it is quick, and its answer is the same on every machine."""
    measures: bool
    """Whether its answers are of this machine and this moment, so never cached: a `MeasuringLabeller`."""

    def version(self, target: Target) -> str | None:
        """The tool and its version as rows record it, for example `llvmlite 0.50.0 (LLVM 22.1.0)`; None: not here."""
        ...


class Labeller(Giver, Protocol):
    """A tool that reads code. `label` runs in a worker that may be killed, with code compiled for one target."""

    def label(self, functions: Sequence[Compiled], target: Target) -> list[Answer]:
        """One answer for each function, in order. Raises `ToolchainError` where the tool fails as a whole."""
        ...


class MeasuringLabeller(Giver, Protocol):
    """A tool that runs kernels. `measure` runs in the caller's process, one call at a time, and owns its workers."""

    def measure(self, rows: Sequence[FunctionRow], pipelines: Sequence[str], target: Target) -> list[Answer]:
        """One answer for each row, in order; `pipelines` name each row's lowering. What fails has a cause."""
        ...


LABELLERS: Registry[type[Giver]] = Registry(
    "labeller",
    {
        "llvmlite": "costmodel.datasets.labellers.llvmlite:LlvmliteLabeller",
        "llc": "costmodel.datasets.labellers.llc:LlcLabeller",
        "ptxas": "costmodel.datasets.labellers.ptxas:PtxasLabeller",
        "llvm-mca": "costmodel.datasets.labellers.mca:McaLabeller",
        "counted": "costmodel.datasets.labellers.counted:CountedLabeller",
        "measured": "costmodel.datasets.labellers.measured:MeasuredLabeller",
    },
)

ORDER = ("llvmlite", "ptxas", "llvm-mca", "llc", "counted", "measured")
"""Who answers first where several give a metric: what needs the wheels alone goes before what needs more."""
