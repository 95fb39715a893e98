"""Operation tree to ProgramGraph arrays, in one pass.

Owns node numbering: the order in which the text defines things. Invariant: iterative (any nesting depth), linear, and
blind to names. Constants, types and attributes are shared within a function: one node for each distinct one.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise

import numpy as np

from costmodel.ir import semantics
from costmodel.ir.graph import NUM_COLUMNS, EdgeKind, NodeKind, ProgramGraph
from costmodel.ir.loops import LOOP_NAMES, trip_count
from costmodel.ir.mlir.structure import Block, Operation, Value
from costmodel.ir.mlir.types import MemRefType, OtherType, ScalarType, TensorType, parse_type
from costmodel.ir.vocabulary import token_id

Row = tuple[float, ...]
_ZERO: Row = (0.0,) * len(NUM_COLUMNS)
_TRIP_COLUMN = NUM_COLUMNS.index("trip_count_log2")
_FIRST_DIM = NUM_COLUMNS.index("dim_last_log2")
_MAX_POSITION = 32767
_INTEGERS = re.compile(r"-?\d+")
_ARRAY = re.compile(r"array<i\d+(?::[^<>]*)?>|\[[\s\d,:i\-]*\]")
_OTHER_HEAD = re.compile(r"!?[\w$.]+")
_LIBRARY = frozenset(
    f"{name}{suffix}"
    for name in ("exp", "log", "tanh", "erf", "sin", "cos", "pow", "sqrt", "cbrt", "log2", "exp2", "fma", "fmod")
    for suffix in ("", "f", "l")
) | {"malloc", "calloc", "free", "memcpy", "memset", "memmove", "printf", "puts", "abort", "aligned_alloc"}


def _log(value: float) -> float:
    return math.copysign(math.log2(1.0 + abs(value)), value)


@lru_cache(maxsize=65536)
def _type_row(text: str) -> tuple[int, Row]:
    """Token and numbers of a type."""
    kind = parse_type(text)
    if isinstance(kind, ScalarType):
        return token_id(f"type:scalar:{kind}"), (0.0, 0.0, kind.bits / 64, float(kind.is_float), *_ZERO[4:])
    if isinstance(kind, OtherType):
        head = _OTHER_HEAD.match(kind.text)
        return token_id(f"type:other:{head[0]}" if head else "type:function"), _ZERO
    name = "tensor" if isinstance(kind, TensorType) else "memref" if isinstance(kind, MemRefType) else "vector"
    row = list(_ZERO)
    if isinstance(kind.element, ScalarType):
        row[2], row[3] = kind.element.bits / 64, float(kind.element.is_float)
    shape = kind.shape or ()
    row[4] = float(len(shape))
    row[5] = _log(float(math.prod(size for size in shape if size is not None)))
    for index, size in enumerate(shape[::-1][:4]):
        row[_FIRST_DIM + index] = _log(float(size or 0))
    row[10] = float(sum(size is None for size in shape))
    return token_id(f"type:{name}"), tuple(row)


@lru_cache(maxsize=65536)
def _attribute_row(name: str, text: str) -> tuple[int, Row]:
    """Token and numbers of an attribute: numbers stay numbers, short words become part of the token."""
    number = semantics.number_of(text)
    if number is not None:
        return token_id(f"attribute:{name}"), (_log(number), 1.0, *_ZERO[2:])
    if _ARRAY.fullmatch(text):
        body = text.partition(":")[2] if text.startswith("array") else text
        values = [float(value) for value in _INTEGERS.findall(body)]
        row = list(_ZERO)
        row[5] = _log(float(len(values)))
        for index, value in enumerate(values[::-1][:4]):
            row[_FIRST_DIM + index] = _log(value)
        return token_id(f"attribute:{name}"), tuple(row)
    return token_id(f"attribute:{name}={semantics.canonical_attribute(text)}"), _ZERO


class GraphBuilder:
    """Builds one graph; use a fresh instance for each."""

    def __init__(self) -> None:
        self.kinds: list[int] = []
        self.tokens: list[int] = []
        self.row_ids: list[int] = []
        self.rows: dict[Row, int] = {_ZERO: 0}
        self.sources: list[int] = []
        self.targets: list[int] = []
        self.edge_kinds: list[int] = []
        self.positions: list[int] = []
        self.values: dict[Value, int] = {}
        self.blocks: dict[Block, int] = {}
        self.shared: dict[tuple[int, str, str], int] = {}
        self.attribute_nodes: dict[tuple[int, str, str], list[int]] = {}
        self.symbols: dict[str, int] = {}
        self.op_tokens: dict[str, int] = {}
        self.type_nodes: dict[str, tuple[int, int]] = {}
        self._op_nodes: dict[Operation, int] = {}
        self.result_token = token_id("result")
        self.argument_token = token_id("argument")

    def build(self, root: Operation) -> ProgramGraph:
        """Walk `root` and all inside it."""
        if root.symbol is not None:
            self.symbols[root.symbol] = 0
        self._operation(root)
        stack: list[Operation] = [root]
        while stack:
            operation = stack.pop()
            nested: list[Operation] = []
            self._regions(operation, nested)
            stack.extend(reversed(nested))
        return self._arrays()

    def _arrays(self) -> ProgramGraph:
        table = np.array(list(self.rows), np.float32)
        return ProgramGraph(
            node_kind=np.array(self.kinds, np.uint8),
            node_token=np.array(self.tokens, np.int32),
            node_num=table[np.array(self.row_ids, np.intp)],
            edge_index=np.array([self.sources, self.targets], np.int64).reshape(2, -1),
            edge_kind=np.array(self.edge_kinds, np.uint8),
            edge_pos=np.minimum(np.array(self.positions, np.int64), _MAX_POSITION).astype(np.int16),
        )

    # ---- nodes and edges ----------------------------------------------------------------------------------------

    def _node(self, kind: int, token: int, row_id: int = 0) -> int:
        self.kinds.append(kind)
        self.tokens.append(token)
        self.row_ids.append(row_id)
        return len(self.kinds) - 1

    def _edge(self, source: int, target: int, kind: int, position: int = 0) -> None:
        self.sources.append(source)
        self.targets.append(target)
        self.edge_kinds.append(kind)
        self.positions.append(position)

    def _row_id(self, row: Row) -> int:
        return self.rows.setdefault(row, len(self.rows))

    def _type(self, text: str) -> tuple[int, int]:
        """Node of a type and the id of its row of numbers."""
        found = self.type_nodes.get(text)
        if found is None:
            canonical = semantics.canonical_attribute(text)
            if canonical != text:
                found = self.type_nodes[text] = self._type(canonical)
                return found
            token, row = _type_row(text)
            row_id = self._row_id(row)
            found = self.type_nodes[text] = (self._node(NodeKind.TYPE, token, row_id), row_id)
        return found

    def _value(self, value: Value) -> int:
        """Node of a value, made when first met (a use may come before the definition)."""
        found = self.values.get(value)
        if found is not None:
            return found
        owner = value.owner
        type_node, row_id = self._type(value.type_text)
        if isinstance(owner, Operation):
            if owner.name in semantics.CONSTANT_NAMES:
                return self._constant(owner, value, type_node, row_id)
            token = self.result_token
        else:
            token = self.argument_token
        node = self.values[value] = self._node(NodeKind.VALUE, token, row_id)
        self._edge(node, type_node, EdgeKind.TYPE)
        return node

    def _constant(self, owner: Operation, value: Value, type_node: int, row_id: int) -> int:
        text = semantics.constant_text(owner)
        number = semantics.number_of(text)
        key = (int(NodeKind.CONSTANT), str(type_node), text if number is None else repr(number))
        node = self.shared.get(key)
        if node is None:
            _, row = _type_row(semantics.canonical_attribute(value.type_text))
            if number is not None:
                row = (_log(number), 1.0, *row[2:])
                kind = "float" if row[3] else "int"
            else:
                kind = "dense" if text.startswith("dense") else "other"
            node = self.shared[key] = self._node(NodeKind.CONSTANT, token_id(f"constant:{kind}"), self._row_id(row))
            self._edge(node, type_node, EdgeKind.TYPE)
        self.values[value] = node
        return node

    def _attributes(self, operation: Operation) -> list[int]:
        """Nodes of the operation's attributes; equal texts share the list."""
        properties, attributes = operation.dictionary_texts
        key = (id(operation._chunk), properties, attributes)
        nodes = self.attribute_nodes.get(key)
        if nodes is None:
            nodes = []
            for name, text in sorted(semantics.attribute_items(operation)):
                number = semantics.number_of(text)
                canonical = semantics.canonical_attribute(text) if number is None else repr(number)
                shared_key = (int(NodeKind.ATTRIBUTE), name, canonical)
                node = self.shared.get(shared_key)
                if node is None:
                    token, row = _attribute_row(name, str(text) if number is not None else canonical)
                    node = self._node(NodeKind.ATTRIBUTE, token, self._row_id(row))
                    self.shared[shared_key] = node
                nodes.append(node)
            self.attribute_nodes[key] = nodes
        return nodes

    # ---- structure ----------------------------------------------------------------------------------------------

    def _operation(self, operation: Operation) -> int:
        """Node of an operation with its operands, results, attributes and callee."""
        name = operation.name
        token = self.op_tokens.get(name)
        if token is None:
            token = self.op_tokens[name] = token_id(name)
        row_id = 0
        if name in LOOP_NAMES:
            trips = trip_count(operation)
            if trips is not None:
                row_id = self._row_id((*_ZERO[:_TRIP_COLUMN], _log(float(trips))))
        node = len(self.kinds)
        self.kinds.append(0)
        self.tokens.append(token)
        self.row_ids.append(row_id)
        values = self.values
        if operation.operands:
            operands = operation.operands
            if operation.successors:
                operands = operands[: semantics.num_own_operands(operation)]
            sources = [values[value] if value in values else self._value(value) for value in operands]
            count = len(sources)
            self.sources += sources
            self.targets += [node] * count
            self.edge_kinds += [EdgeKind.OPERAND] * count
            self.positions += range(count)
        for position, value in enumerate(operation.results):
            self._edge(node, self._value(value), EdgeKind.RESULT, position)
        properties, attributes = operation.dictionary_texts
        if properties or attributes:
            for attribute in self._attributes(operation):
                self._edge(node, attribute, EdgeKind.ATTRIBUTE)
            callee = semantics.callee_of(operation)
            if callee is not None:
                self._edge(node, self._symbol(callee), EdgeKind.CALL)
        return node

    def _symbol(self, name: str) -> int:
        node = self.symbols.get(name)
        if node is None:
            token = token_id(f"symbol:{name}" if name in _LIBRARY else "symbol")
            node = self.symbols[name] = self._node(NodeKind.SYMBOL, token)
        return node

    def _regions(self, operation: Operation, nested: list[Operation]) -> None:
        """Nodes of an operation's regions, their blocks and operations; those with regions go to `nested`."""
        parent = self._op_nodes.pop(operation, 0)
        for position, region in enumerate(operation.regions):
            if not region.blocks:
                continue
            region_node = self._node(NodeKind.REGION, token_id("region"))
            self._edge(parent, region_node, EdgeKind.CONTAINMENT, position)
            for index, block in enumerate(region.blocks):
                block_node = self.blocks[block] = self._node(NodeKind.BLOCK, token_id("block"))
                self._edge(region_node, block_node, EdgeKind.CONTAINMENT, index)
                for number, argument in enumerate(block.args):
                    self._edge(block_node, self._value(argument), EdgeKind.CONTAINMENT, number)
            for block in region.blocks:
                self._block(block, nested)

    def _block(self, block: Block, nested: list[Operation]) -> None:
        block_node = self.blocks[block]
        nodes = [block_node]
        for operation in block.operations:
            if operation.name in semantics.CONSTANT_NAMES and len(operation.results) == 1:
                continue
            node = self._operation(operation)
            nodes.append(node)
            if operation.regions:
                self._op_nodes[operation] = node
                nested.append(operation)
            if operation.successors:
                self._branch(operation, node)
        count = len(nodes) - 1
        self.sources += [block_node] * count
        self.targets += nodes[1:]
        self.edge_kinds += [EdgeKind.CONTAINMENT] * count
        self.positions += range(count)
        for before, after in pairwise(nodes):
            self._edge(before, after, EdgeKind.CONTROL)

    def _branch(self, operation: Operation, node: int) -> None:
        for position, (block, values) in enumerate(semantics.forwarded(operation)):
            target = self.blocks.get(block)
            if target is not None:
                self._edge(node, target, EdgeKind.CONTROL, position)
            for number, (value, argument) in enumerate(zip(values, block.args, strict=False)):
                self._edge(self._value(value), self._value(argument), EdgeKind.FORWARD, number)
