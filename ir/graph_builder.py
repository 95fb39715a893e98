"""Operation tree to ProgramGraph arrays, in one pass.

Owns node numbering: the order in which the text defines things. Edges stand in the order of their kinds, within a kind
in the order of the text. Invariant: iterative (any nesting depth), linear, and blind to names. Constants, types and
attributes are shared within a graph: one node for each distinct one. What all operations of one name and one set of
attributes share is worked out once; edges that follow from the order of operations are made by numpy at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from costmodel.core.errors import ParseError
from costmodel.ir import graph_memory, semantics
from costmodel.ir.control_flow import natural_loops
from costmodel.ir.graph import EdgeKind, NodeKind, ProgramGraph
from costmodel.ir.graph_rows import LIBRARY, ZERO, Row, attribute_row, log_magnitude, row_of, type_row
from costmodel.ir.loops import LOOP_NAMES, trip_count
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Value
from costmodel.ir.vocabulary import token_id

_MAX_POSITION = 32767
_VALUE, _OPERATION = int(NodeKind.VALUE), int(NodeKind.OPERATION)
Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class _Shared:
    """What operations with the same name and attributes share."""

    token: int
    row_id: int
    attributes: list[int]
    callee: str | None
    effect: int
    is_constant: bool
    is_loop: bool


class GraphBuilder:
    """Builds one graph; use a fresh instance for each."""

    def __init__(self) -> None:
        self.kinds: list[int] = []
        self.tokens: list[int] = []
        self.row_ids: list[int] = []
        self.rows: dict[Row, int] = {ZERO: 0}
        self.sources: dict[EdgeKind, list[int]] = {kind: [] for kind in EdgeKind}
        self.targets: dict[EdgeKind, list[int]] = {kind: [] for kind in EdgeKind}
        self.positions: dict[EdgeKind, list[int]] = {kind: [] for kind in EdgeKind}
        self.op_nodes: list[int] = []
        self.operand_counts: list[int] = []
        self.attribute_counts: list[int] = []
        self.block_nodes: list[int] = []
        self.block_sizes: list[int] = []
        self.block_order: list[Block] = []
        self.values: dict[Value, int] = {}
        self.blocks: dict[Block, int] = {}
        self.shared_nodes: dict[tuple[int, str, str], int] = {}
        self.shared: dict[tuple[str, str, str], _Shared] = {}
        self.symbols: dict[str, int] = {}
        self.calls: list[tuple[int, str]] = []
        self.type_nodes: dict[str, tuple[int, int]] = {}
        self.parents: dict[Operation, tuple[int, int]] = {}
        self.memory = graph_memory.MemoryScan()
        self.chunk: Chunk | None = None
        self.result_token = token_id("result")
        self.argument_token = token_id("argument")

    def build(self, root: Operation) -> ProgramGraph:
        """Walk `root` and all inside it."""
        self._operations([root])
        self.parents[root] = (0, 0)
        stack: list[Operation] = [root]
        while stack:
            operation = stack.pop()
            nested: list[Operation] = []
            node, depth = self.parents[operation]
            for position, region in enumerate(operation.regions):
                if region.blocks:
                    self._region(region, node, position, depth + (operation.name in LOOP_NAMES), nested)
            stack.extend(reversed(nested))
        for node, name in self.calls:
            self._edge(node, self._symbol(name), EdgeKind.CALL)
        for first, second, order in self.memory.edges(root, {op: node for op, (node, _) in self.parents.items()}):
            self._edge(first, second, EdgeKind.MEMORY, order)
        return self._arrays()

    # ---- arrays -------------------------------------------------------------------------------------------------

    def _arrays(self) -> ProgramGraph:
        table = np.array(list(self.rows), np.float32)
        kinds: list[npt.NDArray[np.uint8]] = []
        sources: list[Ints] = []
        targets: list[Ints] = []
        positions: list[Ints] = []
        for kind in EdgeKind:
            parts = self._edges_of(kind)
            kinds.append(np.full(len(parts[0]), kind, np.uint8))
            for whole, part in zip((sources, targets, positions), parts, strict=True):
                whole.append(part)
        return ProgramGraph(
            node_kind=np.array(self.kinds, np.uint8),
            node_token=np.array(self.tokens, np.int32),
            node_num=table[np.array(self.row_ids, np.intp)],
            edge_index=np.stack([np.concatenate(sources), np.concatenate(targets)]),
            edge_kind=np.concatenate(kinds),
            edge_pos=np.minimum(np.concatenate(positions), _MAX_POSITION).astype(np.int16),
        )

    def _edges_of(self, kind: EdgeKind) -> tuple[Ints, Ints, Ints]:
        """Sources, targets and positions of one kind."""
        sources, targets, positions = (
            np.array(part[kind], np.int64) for part in (self.sources, self.targets, self.positions)
        )
        nodes = np.array(self.op_nodes, np.int64)
        if kind is EdgeKind.OPERAND:
            counts = np.array(self.operand_counts, np.int64)
            return sources, np.repeat(nodes, counts), _within(counts)
        if kind is EdgeKind.ATTRIBUTE:
            return (
                np.repeat(nodes, np.array(self.attribute_counts, np.int64)),
                targets,
                np.zeros(len(targets), np.int64),
            )
        if kind in (EdgeKind.CONTAINMENT, EdgeKind.CONTROL):
            sizes, inside = np.array(self.block_sizes, np.int64), nodes[1:]
            order = _within(sizes)
            blocks = np.repeat(np.array(self.block_nodes, np.int64), sizes)
            before = np.where(order == 0, blocks, nodes[:-1])
            control = kind is EdgeKind.CONTROL
            return (
                np.concatenate([sources, before if control else blocks]),
                np.concatenate([targets, inside]),
                np.concatenate([positions, np.zeros(len(inside), np.int64) if control else order]),
            )
        return sources, targets, positions if len(positions) else np.zeros(len(sources), np.int64)

    def _node(self, kind: int, token: int, row_id: int = 0) -> int:
        self.kinds.append(kind)
        self.tokens.append(token)
        self.row_ids.append(row_id)
        return len(self.kinds) - 1

    def _edge(self, source: int, target: int, kind: EdgeKind, position: int = 0) -> None:
        self.sources[kind].append(source)
        self.targets[kind].append(target)
        self.positions[kind].append(position)

    def _row_id(self, row: Row) -> int:
        return self.rows.setdefault(row, len(self.rows))

    # ---- shared nodes -------------------------------------------------------------------------------------------

    def _type(self, text: str) -> tuple[int, int]:
        """Node of a type and the id of its row of numbers."""
        found = self.type_nodes.get(text)
        if found is None:
            canonical = semantics.canonical_attribute(text)
            if canonical != text:
                found = self.type_nodes[text] = self._type(canonical)
                return found
            token, row = type_row(text)
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
                return self._constant(owner, value, type_node)
            token = self.result_token
        else:
            token = self.argument_token
        node = self.values[value] = self._node(_VALUE, token, row_id)
        self.sources[EdgeKind.TYPE].append(node)
        self.targets[EdgeKind.TYPE].append(type_node)
        return node

    def _constant(self, owner: Operation, value: Value, type_node: int) -> int:
        text = semantics.constant_text(owner)
        number = semantics.number_of(text)
        key = (int(NodeKind.CONSTANT), str(type_node), text if number is None else repr(number))
        node = self.shared_nodes.get(key)
        if node is None:
            _, row = type_row(semantics.canonical_attribute(value.type_text))
            if number is not None:
                row = (log_magnitude(number), 1.0, *row[2:])
                kind = "float" if row[3] else "int"
            else:
                kind = "dense" if text.startswith("dense") else "other"
            node = self.shared_nodes[key] = self._node(
                NodeKind.CONSTANT, token_id(f"constant:{kind}"), self._row_id(row)
            )
            self.sources[EdgeKind.TYPE].append(node)
            self.targets[EdgeKind.TYPE].append(type_node)
        self.values[value] = node
        return node

    def _attributes(self, operation: Operation) -> list[int]:
        nodes = []
        for name, text in sorted(semantics.attribute_items(operation)):
            number = semantics.number_of(text)
            canonical = semantics.canonical_attribute(text) if number is None else repr(number)
            key = (int(NodeKind.ATTRIBUTE), name, canonical)
            node = self.shared_nodes.get(key)
            if node is None:
                token, row = attribute_row(name, str(text) if number is not None else canonical)
                node = self.shared_nodes[key] = self._node(NodeKind.ATTRIBUTE, token, self._row_id(row))
            nodes.append(node)
        return nodes

    def _symbol(self, name: str) -> int:
        node = self.symbols.get(name)
        if node is None:
            token = token_id(f"symbol:{name}" if name in LIBRARY else "symbol")
            node = self.symbols[name] = self._node(NodeKind.SYMBOL, token)
        return node

    # ---- structure ----------------------------------------------------------------------------------------------

    def _share(self, operation: Operation, key: tuple[str, str, str]) -> _Shared:
        """What `operation` has in common with those of the same key; its attributes' nodes are made here."""
        name = operation.name
        callee = semantics.callee_of(operation)
        is_constant = semantics.is_constant(operation)
        shared = self.shared[key] = _Shared(
            token=token_id(name),
            row_id=self._row_id(_alignment_row(operation)),
            attributes=[] if is_constant else self._attributes(operation),
            callee=callee,
            effect=graph_memory.effect_of(name, callee),
            is_constant=is_constant,
            is_loop=name in LOOP_NAMES,
        )
        return shared

    def _operations(self, operations: list[Operation]) -> None:
        """Nodes of operations with their operands, results and attributes."""
        kinds, tokens, row_ids, values, types = self.kinds, self.tokens, self.row_ids, self.values, self.type_nodes
        operands, results = self.sources[EdgeKind.OPERAND], self.sources[EdgeKind.RESULT]
        targets, attributes = self.targets[EdgeKind.RESULT], self.targets[EdgeKind.ATTRIBUTE]
        typed, type_targets = self.sources[EdgeKind.TYPE], self.targets[EdgeKind.TYPE]
        for operation in operations:
            key = (operation.name, operation._property_text, operation._attribute_text)
            shared = self.shared.get(key)
            if shared is None or operation._chunk is not self.chunk:
                if operation._chunk is not self.chunk:
                    self.chunk = operation._chunk
                    self.shared.clear()
                shared = self._share(operation, key)
            if shared.is_constant:
                continue
            node = len(kinds)
            kinds.append(_OPERATION)
            tokens.append(shared.token)
            row_ids.append(self._trips(operation) if shared.is_loop else shared.row_id)
            self.op_nodes.append(node)
            used = operation.operands
            if operation.successors:
                used = used[: semantics.num_own_operands(operation)]
            try:
                operands += [values[value] for value in used]
            except KeyError:
                operands += [self._value(value) for value in used]
            self.operand_counts.append(len(used))
            for value in operation.results:
                found = types.get(value.type_text) if value not in values else None
                if found is None:
                    target = self._value(value)
                else:
                    target = values[value] = len(kinds)
                    kinds.append(_VALUE)
                    tokens.append(self.result_token)
                    row_ids.append(found[1])
                    typed.append(target)
                    type_targets.append(found[0])
                results.append(node)
                targets.append(target)
                self.positions[EdgeKind.RESULT].append(value.index)
            attributes += shared.attributes
            self.attribute_counts.append(len(shared.attributes))
            if shared.callee is not None:
                self.calls.append((node, shared.callee))
            if shared.effect:
                self.memory.add(operation, node, shared.effect)
            symbol = operation.symbol if operation.regions else None
            if symbol is not None:
                self.symbols.setdefault(symbol, node)

    def _trips(self, operation: Operation) -> int:
        trips = trip_count(operation)
        return self._row_id(row_of(trip_count_log2=log_magnitude(float(trips)))) if trips is not None else 0

    def _region(self, region: Region, parent: int, position: int, depth: int, nested: list[Operation]) -> None:
        """Nodes of a region, its blocks and operations; operations with regions go to `nested`."""
        region_node = self._node(NodeKind.REGION, token_id("region"))
        self._edge(parent, region_node, EdgeKind.CONTAINMENT, position)
        loops = natural_loops(region)
        self.memory.regions[region] = loops
        rows = {loop.header: loop.trips for loop in loops}
        depths: dict[Block, int] = {}
        for loop in loops:
            for block in loop.blocks:
                depths[block] = depths.get(block, 0) + 1
        token = token_id("block")
        for index, block in enumerate(region.blocks):
            level = depth + depths.get(block, 0)
            trips = rows.get(block)
            row = row_of(loop_depth=float(level), trip_count_log2=log_magnitude(float(trips or 0))) if level else ZERO
            block_node = self.blocks[block] = self._node(NodeKind.BLOCK, token, self._row_id(row))
            self._edge(region_node, block_node, EdgeKind.CONTAINMENT, index)
            for number, argument in enumerate(block.args):
                self._edge(block_node, self._value(argument), EdgeKind.CONTAINMENT, number)
        for block in region.blocks:
            self._block(block, depth + depths.get(block, 0), nested)

    def _block(self, block: Block, depth: int, nested: list[Operation]) -> None:
        first = len(self.op_nodes)
        self._operations(block.operations)
        nodes = self.op_nodes[first:]
        self.block_nodes.append(self.blocks[block])
        self.block_sizes.append(len(nodes))
        self.block_order.append(block)
        inside = [operation for operation in block.operations if operation.regions]
        if inside:
            nested.extend(inside)
            own = (operation for operation in block.operations if not semantics.is_constant(operation))
            found = dict(zip(own, nodes, strict=True))
            self.parents.update((operation, (found[operation], depth)) for operation in inside)
        if block.operations and block.operations[-1].successors:
            self._branch(block.operations[-1], nodes[-1])

    def _branch(self, operation: Operation, node: int) -> None:
        for position, (block, values) in enumerate(semantics.forwarded(operation)):
            target = self.blocks.get(block)
            if target is not None:
                self._edge(node, target, EdgeKind.CONTROL, position)
            for number, (value, argument) in enumerate(zip(values, block.args, strict=False)):
                self._edge(self._value(value), self._value(argument), EdgeKind.FORWARD, number)


def _within(counts: Ints) -> Ints:
    """`[2, 3]` to `[0, 1, 0, 1, 2]`."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(starts, counts)


def _alignment_row(operation: Operation) -> Row:
    if "alignment" not in operation._property_text and "alignment" not in operation._attribute_text:
        return ZERO
    attribute = operation.attribute("alignment")
    try:
        return row_of(alignment_log2=log_magnitude(float(attribute.as_int()))) if attribute is not None else ZERO
    except ParseError:
        return ZERO
