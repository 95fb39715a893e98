"""A whole function as buffers and nodes in program order: stages we can schedule, and islands we cannot.

Owns the data classes of a model before it is cut into kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from costmodel.search.kernel.form import Buffer, Stage

if TYPE_CHECKING:
    import numpy as np

    from costmodel.ir.mlir import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Island:
    """An operation outside the structured form; it runs by default lowering. Buffers in, buffers out."""

    name: str
    operation: Operation
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    reason: str


Node = Stage | Island


@dataclass(slots=True, kw_only=True)
class Graph:
    """`inputs` and `outputs` name buffers in the function's order; `constants` holds small tensor literals."""

    name: str
    buffers: dict[str, Buffer] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    captured: dict[str, str] = field(default_factory=dict)

    def root(self, name: str) -> str:
        """The buffer that owns the memory of `name`."""
        alias = self.buffers[name].alias_of
        return name if alias is None else self.root(alias)

    def reads(self, node: Node) -> list[str]:
        """Root buffers a node reads."""
        if isinstance(node, Island):
            return [self.root(b) for b in node.reads]
        from costmodel.search.kernel.form import Access

        init = [node.init.buffer] if isinstance(node.init, Access) else []
        return [self.root(b) for b in (*(a.buffer for a in node.reads), *init)]

    def writes(self, node: Node) -> list[str]:
        """Root buffers a node writes."""
        names = node.writes if isinstance(node, Island) else tuple(a.buffer for a in node.writes)
        return [self.root(b) for b in names]
