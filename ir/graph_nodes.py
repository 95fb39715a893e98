"""Nodes and edges of a graph under construction, kept as few lists of integers and turned into arrays once.

Owns `NodeTable`: a node is one number, its descriptor; nodes of one descriptor are of one kind and have token, row of
numbers, type and attributes in common. Invariant: what follows from descriptors and the order of nodes (edges to types
and attributes, containment and succession of operations, positions) is worked out by numpy at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from costmodel.ir.graph import EdgeKind, NodeKind, ProgramGraph
from costmodel.ir.graph_rows import ZERO, Row

_MAX_POSITION = 32767
_OPERATION = int(NodeKind.OPERATION)
_NO_TYPE = -1
Ints = npt.NDArray[np.int64]
Edges = tuple[Ints, Ints, Ints]
"""Sources, targets and positions."""
Descriptor = tuple[int, int, int, int, tuple[int, ...]]
"""Kind, token, number of the row, node of the type (-1: none), nodes of the attributes."""
_NO_EDGES = np.zeros(0, np.int64)


class NodeTable:
    """`nodes` holds a descriptor's number for each node, the rest is what numpy cannot know.

    `operands` are the nodes that operations use, in order, `operand_counts` how many each uses; `results` pairs the
    operations' nodes (`result_of`) with those of their results. `loose` has edges by kind that follow from nothing.
    """

    def __init__(self) -> None:
        self.nodes: list[int] = []
        self.descriptors: dict[Descriptor, int] = {}
        self.rows: dict[Row, int] = {ZERO: 0}
        self.operands: list[int] = []
        self.operand_counts: list[int] = []
        self.result_of: list[int] = []
        self.results: list[int] = []
        self.block_nodes: list[int] = []
        self.block_sizes: list[int] = []
        self.loose: dict[int, tuple[list[int], list[int], list[int]]] = {
            int(kind): ([], [], [])
            for kind in (EdgeKind.CONTROL, EdgeKind.CONTAINMENT, EdgeKind.CALL, EdgeKind.FORWARD)
        }

    def row_id(self, row: Row) -> int:
        """Number of a row of numbers; equal rows share one."""
        return self.rows.setdefault(row, len(self.rows))

    def descriptor(
        self, kind: int, token: int, row_id: int = 0, type_node: int = _NO_TYPE, attributes: tuple[int, ...] = ()
    ) -> int:
        """Number of a descriptor; equal ones share it."""
        return self.descriptors.setdefault((kind, token, row_id, type_node, attributes), len(self.descriptors))

    def add(self, kind: int, token: int, row_id: int = 0, type_node: int = _NO_TYPE) -> int:
        """A new node."""
        self.nodes.append(self.descriptor(kind, token, row_id, type_node))
        return len(self.nodes) - 1

    def edge(self, kind: int, source: int, target: int, position: int = 0) -> None:
        """A new edge of one of the kinds in `loose`."""
        sources, targets, positions = self.loose[kind]
        sources.append(source)
        targets.append(target)
        positions.append(position)

    # ---- arrays ---------------------------------------------------------------------------------------------------

    def graph(self, memory: Iterable[tuple[int, int, int]]) -> ProgramGraph:
        """All as arrays; `memory` are the MEMORY edges."""
        table = list(self.descriptors)
        of_node = np.array(self.nodes, np.intp)
        kinds, tokens, rows, types = (
            np.array(column, np.int64)[of_node] for column in list(zip(*table, strict=True))[:4]
        )
        operations = np.flatnonzero(kinds == _OPERATION)
        typed = np.flatnonzero(types != _NO_TYPE)
        by_kind: dict[int, Edges] = {
            EdgeKind.OPERAND: self._operand_edges(operations),
            EdgeKind.RESULT: _edges(self.result_of, self.results, _runs(np.array(self.result_of, np.int64))),
            EdgeKind.TYPE: (typed, types[typed], np.zeros(len(typed), np.int64)),
            EdgeKind.ATTRIBUTE: _attribute_edges(operations, of_node[operations], [row[4] for row in table]),
            EdgeKind.MEMORY: _edges(*(list(zip(*memory, strict=True)) or ((), (), ()))),
            **{kind: _edges(*lists) for kind, lists in self.loose.items()},
        }
        self._block_edges(operations, by_kind)
        every = [by_kind[kind] for kind in EdgeKind]
        sources, targets, positions = (np.concatenate(parts) for parts in zip(*every, strict=True))
        counts = [len(edges[0]) for edges in every]
        return ProgramGraph(
            node_kind=kinds.astype(np.uint8),
            node_token=tokens.astype(np.int32),
            node_num=np.array(list(self.rows), np.float32)[rows],
            edge_index=np.stack([sources, targets]),
            edge_kind=np.repeat(np.array(EdgeKind, np.uint8), counts),
            edge_pos=np.minimum(positions, _MAX_POSITION).astype(np.int16),
        )

    def _operand_edges(self, operations: Ints) -> Edges:
        counts = np.array(self.operand_counts, np.int64)
        return np.array(self.operands, np.int64), np.repeat(operations, counts), _within(counts)

    def _block_edges(self, operations: Ints, by_kind: dict[int, Edges]) -> None:
        """Add containment in blocks and the succession within: all operations but the first, in blocks' order."""
        sizes, inside = np.array(self.block_sizes, np.int64), operations[1:]
        order = _within(sizes)
        blocks = np.repeat(np.array(self.block_nodes, np.int64), sizes)
        before = np.where(order == 0, blocks, operations[:-1])
        for kind, sources, positions in (
            (EdgeKind.CONTAINMENT, blocks, order),
            (EdgeKind.CONTROL, before, np.zeros(len(inside), np.int64)),
        ):
            added = (sources, inside, positions)
            by_kind[kind] = tuple(  # type: ignore[assignment]
                np.concatenate(pair) for pair in zip(by_kind[kind], added, strict=True)
            )


def _edges(sources: Iterable[int], targets: Iterable[int], positions: Iterable[int] | Ints) -> Edges:
    return np.array(sources, np.int64), np.array(targets, np.int64), np.array(positions, np.int64)


def _attribute_edges(operations: Ints, descriptors: Ints, attributes: list[tuple[int, ...]]) -> Edges:
    """Edges from each operation to the attributes of its descriptor."""
    sizes = np.array([len(nodes) for nodes in attributes], np.int64)
    flat = np.array([node for nodes in attributes for node in nodes], np.int64)
    counts = sizes[descriptors]
    starts = (np.cumsum(sizes) - sizes)[descriptors]
    return (
        np.repeat(operations, counts),
        flat[np.repeat(starts, counts) + _within(counts)],
        np.zeros(int(counts.sum()), np.int64),
    )


def _within(counts: Ints) -> Ints:
    """`[2, 3]` to `[0, 1, 0, 1, 2]`."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(starts, counts)


def _runs(values: Ints) -> Ints:
    """Position of each element in its run of equal ones: `[7, 7, 9]` to `[0, 1, 0]`."""
    number = np.arange(len(values), dtype=np.int64)
    begins = np.ones(len(values), np.bool_)
    begins[1:] = values[1:] != values[:-1]
    return number - np.maximum.accumulate(np.where(begins, number, 0))
