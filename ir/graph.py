"""ProgramGraph version 1: a function as numpy arrays.

Owns the node and edge kinds, the columns of `node_num`, the file form and the export to PyTorch Geometric.
Invariant: arrays depend on the program alone: not on value names, formatting, attribute order in memory or process.
Building is `graph_builder`'s job. Kinds are append-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from costmodel.core.errors import ParseError, UnsupportedError
from costmodel.ir import collector
from costmodel.ir.vocabulary import VOCABULARY_VERSION

if TYPE_CHECKING:
    from costmodel.ir.mlir.structure import Operation

GRAPH_VERSION = 1


class NodeKind(IntEnum):
    """What a node stands for."""

    OPERATION = 0
    VALUE = 1
    CONSTANT = 2
    TYPE = 3
    ATTRIBUTE = 4
    BLOCK = 5
    REGION = 6
    SYMBOL = 7


class EdgeKind(IntEnum):
    """What an edge says; `edge_pos` is the position among its like (operand number, result number, ...)."""

    OPERAND = 0
    """value or constant → operation that uses it"""
    RESULT = 1
    """operation → value"""
    CONTROL = 2
    """operation → next operation; block → its first operation; terminator → successor block"""
    CONTAINMENT = 3
    """operation → region → block → operation; block → argument"""
    CALL = 4
    """call → symbol, or → the function itself"""
    TYPE = 5
    """value or constant → type"""
    ATTRIBUTE = 6
    """operation → attribute"""
    FORWARD = 7
    """value → block argument that it becomes"""
    MEMORY = 8
    """operation → operation that may touch the same memory later; `edge_pos` is a `MemoryOrder`"""


class MemoryOrder(IntEnum):
    """Position of a MEMORY edge: what follows what; `+ LOOP_CARRIED` where the second is in a later iteration."""

    LOAD_AFTER_STORE = 0
    STORE_AFTER_LOAD = 1
    STORE_AFTER_STORE = 2


LOOP_CARRIED = 4

NUM_COLUMNS = (
    "value_log2",
    "is_numeric",
    "element_bits",
    "is_float",
    "rank",
    "elements_log2",
    "dim_last_log2",
    "dim_2nd_last_log2",
    "dim_3rd_last_log2",
    "dim_4th_last_log2",
    "dynamic_dims",
    "trip_count_log2",
    "alignment_log2",
    "loop_depth",
    "address_space",
)
"""Columns of `node_num`, append-only: log2 columns hold log2(1 + x), signed for `value_log2`; `element_bits` is bits
divided by 64.

`trip_count_log2` stands at loop operations and at the header blocks of loops made of branches (0: unknown);
`loop_depth` at blocks, counted in loops of the same region and in loop operations around it; `alignment_log2` (bytes)
at operations.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProgramGraph:
    """Arrays of one function; node 0 is the function's operation.

    Shapes: node_kind[N] u8, node_token[N] i32, node_num[N, F] f32, edge_index[2, E] i64 (source, target),
    edge_kind[E] u8, edge_pos[E] i16.
    """

    node_kind: npt.NDArray[np.uint8]
    node_token: npt.NDArray[np.int32]
    node_num: npt.NDArray[np.float32]
    edge_index: npt.NDArray[np.int64]
    edge_kind: npt.NDArray[np.uint8]
    edge_pos: npt.NDArray[np.int16]
    vocab_version: int = VOCABULARY_VERSION

    @property
    def num_nodes(self) -> int:
        """N."""
        return len(self.node_kind)

    @property
    def num_edges(self) -> int:
        """E."""
        return len(self.edge_kind)

    def equals(self, other: ProgramGraph) -> bool:
        """Whether all arrays and the vocabulary version agree exactly."""
        return self.vocab_version == other.vocab_version and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in _DTYPES
        )

    def save(self, path: Path) -> None:
        """Write an `.npz` file (no pickle inside)."""
        arrays = {name: getattr(self, name) for name in _DTYPES}
        versions = np.array([GRAPH_VERSION, self.vocab_version], np.int64)
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, versions=versions, **arrays)

    @classmethod
    def load(cls, path: Path) -> ProgramGraph:
        """Read what `save` wrote; Raises `ParseError` for a damaged file, `UnsupportedError` for another version."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays: dict[str, Any] = {name: archive[name] for name in _DTYPES}
                graph_version, vocab_version = (int(number) for number in archive["versions"])
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ParseError(f"{path} is not a saved ProgramGraph ({error}); write it anew with `save`") from None
        if graph_version != GRAPH_VERSION:
            raise UnsupportedError(f"{path} holds a ProgramGraph of version {graph_version}, this is {GRAPH_VERSION}")
        _check(arrays, path)
        return cls(**arrays, vocab_version=vocab_version)

    def to_networkx(self) -> Any:
        """A `networkx.MultiDiGraph`; nodes are positions in the arrays.

        Node attributes: `kind`, `token` (number), `name` (None for a hashed one), `num` (column to number, zeros left
        out); edge attributes: `kind`, `position`. Raises `MissingDependencyError` without networkx.
        """
        from costmodel.ir.graph_networkx import to_networkx

        return to_networkx(self)

    def to_dot(self) -> str:
        """The graph as text for Graphviz."""
        from costmodel.ir.graph_dot import to_dot

        return to_dot(self)

    def to_pyg(self) -> Any:
        """A `torch_geometric.data.HeteroData`: one node store a node kind, one edge store a (kind, kind, kind) triple.

        Node stores hold `token` [n] i64, `x` [n, F] f32 and `node_id` [n] (position in the arrays here); edge stores
        hold `edge_index` [2, e] and `edge_pos` [e]. Raises `MissingDependencyError` without torch_geometric.
        """
        from costmodel.ir.graph_pyg import to_hetero_data

        return to_hetero_data(self)


_DTYPES = {
    "node_kind": np.dtype(np.uint8),
    "node_token": np.dtype(np.int32),
    "node_num": np.dtype(np.float32),
    "edge_index": np.dtype(np.int64),
    "edge_kind": np.dtype(np.uint8),
    "edge_pos": np.dtype(np.int16),
}


def _check(arrays: dict[str, Any], path: Path) -> None:
    for name, dtype in _DTYPES.items():
        if arrays[name].dtype != dtype:
            raise ParseError(f"{path}: {name} is {arrays[name].dtype}, expected {dtype}")
    nodes, edges = arrays["node_kind"].size, arrays["edge_kind"].size
    shapes = {
        "node_kind": (nodes,),
        "node_token": (nodes,),
        "node_num": (nodes, len(NUM_COLUMNS)),
        "edge_index": (2, edges),
        "edge_kind": (edges,),
        "edge_pos": (edges,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ParseError(f"{path}: {name} has shape {arrays[name].shape}, expected {shape}; build the graph anew")
    ends = arrays["edge_index"]
    if edges and not (ends.min() >= 0 and ends.max() < nodes):
        raise ParseError(f"{path}: an edge leads to a node that is not there; write the graph anew")


def build_graph(operation: Operation) -> ProgramGraph:
    """The graph of a function's operation (or of any operation with regions)."""
    from costmodel.ir.graph_builder import GraphBuilder

    with collector.paused():
        return GraphBuilder().build(operation)


def build_program_graph(operations: Sequence[Operation]) -> ProgramGraph:
    """One graph of several functions under one module node: calls lead to the functions, or to an external symbol."""
    from costmodel.ir.graph_builder import GraphBuilder

    with collector.paused():
        return GraphBuilder().build(module_of(operations))


def module_of(operations: Sequence[Operation]) -> Operation:
    """An operation `builtin.module` with one block that holds `operations` (whose parents stay as they are)."""
    from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Source

    chunk = operations[0]._chunk if operations else Chunk(Source("", ""))
    module = Operation("builtin.module", 0, chunk, None)
    region = Region(module)
    block = Block(None, region)
    block.operations = list(operations)
    region.blocks.append(block)
    module.regions.append(region)
    return module
