"""What an artifact is made of: function sources, units of code, calls of them, ports.

Owns the data classes only. A *unit* is one generated function over bare pointers that is compiled on its own and may be
called from many places; a *step* is one call of a unit with the buffers of a function's graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from costmodel.search.kernel.graph import Graph
    from costmodel.search.kernel.partition import Partition

Array = np.ndarray[Any, Any]
ALIGNMENT_BYTES = 64
"""Of the workspace, of everything planned into it, and of every weight."""

Role = Literal["input", "output", "scratch", "packed"]
UnitKind = Literal["scheduled", "default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output as callers see it; `dtype` is numpy's name, or `bfloat16`."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSource:
    """One function to build.

    `inputs` are the graph's inputs without those named in `weights`, in the same order; `outputs` are the graph's.
    `weights` maps graph buffers to the arrays that are built in.
    """

    name: str
    partition: Partition
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    weights: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitArgument:
    """A pointer of a unit. `position` counts the step's inputs or outputs; a packed one has its source's."""

    role: Role
    position: int
    elements: int
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFunction:
    """Fills packed operands from constants; `arguments` are inputs by position and packed ones by order."""

    text: str
    arguments: tuple[UnitArgument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One function of generated code.

    A `scheduled` unit's text defines `symbol` over bare pointers. A `default` unit's text is linalg on tensors that
    defines `entry`; `shapes` are those of its arguments and results, and the build adds the function over pointers.
    """

    symbol: str
    kind: UnitKind
    title: str
    text: str
    arguments: tuple[UnitArgument, ...]
    workload_id: str | None = None
    schedule: str | None = None
    entry: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()
    pack: PackFunction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call of a unit with graph buffers."""

    unit: Unit
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFunction:
    """A function as steps over a graph: what the planner takes. Order of `inputs` as in `FunctionSource`."""

    name: str
    graph: Graph
    steps: tuple[Step, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    weights: Mapping[str, Array]
