"""Operation tree to ProgramGraph arrays, in one pass.

Owns node numbering: the order in which the text defines things. Edges stand in the order of their kinds, within a kind
in the order of the text. Invariant: iterative (any nesting depth), linear, and blind to names. Constants, types and
attributes are shared within a graph: one node for each distinct one. What all operations of one name and one set of
attributes share is worked out once (`graph_nodes` keeps it and makes the arrays).
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.ir import graph_memory, semantics
from costmodel.ir.control_flow import natural_loops
from costmodel.ir.graph import EdgeKind, NodeKind, ProgramGraph
from costmodel.ir.graph_facts import constant_facts, facts_of
from costmodel.ir.graph_nodes import NodeTable
from costmodel.ir.graph_rows import LIBRARY, ZERO, Row, log_magnitude, row_of, type_row
from costmodel.ir.loops import LOOP_NAMES, trip_count
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Value
from costmodel.ir.vocabulary import token_id

_OPERATION, _VALUE, _CONSTANT, _TYPE, _ATTRIBUTE, _BLOCK, _REGION, _SYMBOL = map(int, NodeKind)
_CONTROL, _CONTAINMENT = int(EdgeKind.CONTROL), int(EdgeKind.CONTAINMENT)


@dataclass(slots=True)
class _Shared:
    """What operations with the same name and attributes share."""

    descriptor: int
    token: int
    attributes: tuple[int, ...]
    callee: str | None
    effect: int
    is_constant: bool
    is_loop: bool


class GraphBuilder:
    """Builds one graph; use a fresh instance for each."""

    def __init__(self) -> None:
        self.table = NodeTable()
        self.block_order: list[Block] = []
        self.values: dict[Value, int] = {}
        self.blocks: dict[Block, int] = {}
        self.shared_nodes: dict[tuple[int, str, str], int] = {}
        self.shared: dict[tuple[str, str, str], _Shared] = {}
        self.symbols: dict[str, int] = {}
        self.calls: list[tuple[int, str]] = []
        self.type_nodes: dict[str, tuple[int, int, int]] = {}
        self.parents: dict[Operation, tuple[int, int]] = {}
        self.block_descriptors: dict[tuple[int, int], int] = {}
        self.last = 0
        self.memory = graph_memory.MemoryScan()
        self.chunk: Chunk | None = None
        self.result_token = token_id("result")
        self.argument_token = token_id("argument")

    def build(self, root: Operation) -> ProgramGraph:
        """Walk `root` and all inside it."""
        self._operations([root], 0)
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
            self.table.edge(EdgeKind.CALL, node, self._symbol(name))
        nodes = {operation: node for operation, (node, _) in self.parents.items()}
        return self.table.graph(self.memory.edges(root, nodes))

    # ---- shared nodes -------------------------------------------------------------------------------------------

    def _type(self, text: str) -> tuple[int, int, int]:
        """Node of a type, number of its row, descriptor of an operation's result of the type."""
        found = self.type_nodes.get(text)
        if found is None:
            canonical = semantics.canonical_attribute(text)
            if canonical != text:
                found = self.type_nodes[text] = self._type(canonical)
                return found
            token, row = type_row(text)
            table = self.table
            row_id = table.row_id(row)
            node = table.add(_TYPE, token, row_id)
            result = table.descriptor(_VALUE, self.result_token, row_id, node)
            found = self.type_nodes[text] = (node, row_id, result)
        return found

    def _value(self, value: Value) -> int:
        """Node of a value, made when first met (a use may come before the definition)."""
        found = self.values.get(value)
        if found is not None:
            return found
        owner = value.owner
        type_node, row_id, result = self._type(value.type_text)
        if isinstance(owner, Operation):
            if owner.name in semantics.CONSTANT_NAMES:
                return self._constant(owner, value, type_node)
        else:
            result = self.table.descriptor(_VALUE, self.argument_token, row_id, type_node)
        node = self.values[value] = len(self.table.nodes)
        self.table.nodes.append(result)
        return node

    def _constant(self, owner: Operation, value: Value, type_node: int) -> int:
        text, token, row = constant_facts(semantics.constant_text(owner), value.type_text)
        key = (_CONSTANT, str(type_node), text)
        node = self.shared_nodes.get(key)
        if node is None:
            node = self.shared_nodes[key] = self.table.add(_CONSTANT, token, self.table.row_id(row), type_node)
        self.values[value] = node
        return node

    def _attribute(self, name: str, text: str, token: int, row: Row) -> int:
        key = (_ATTRIBUTE, name, text)
        node = self.shared_nodes.get(key)
        if node is None:
            node = self.shared_nodes[key] = self.table.add(_ATTRIBUTE, token, self.table.row_id(row))
        return node

    def _symbol(self, name: str) -> int:
        node = self.symbols.get(name)
        if node is None:
            token = token_id(f"symbol:{name}" if name in LIBRARY else "symbol")
            node = self.symbols[name] = self.table.add(_SYMBOL, token)
        return node

    # ---- structure ----------------------------------------------------------------------------------------------

    def _share(self, operation: Operation, key: tuple[str, str, str]) -> _Shared:
        """What `operation` has in common with those of the same key; its attributes' nodes are made here."""
        facts = facts_of(operation, key)
        row_id = self.table.row_id(facts.row)
        attributes = tuple([self._attribute(*described) for described in facts.attributes])
        shared = self.shared[key] = _Shared(
            descriptor=self.table.descriptor(_OPERATION, facts.token, row_id, attributes=attributes),
            token=facts.token,
            attributes=attributes,
            callee=facts.callee,
            effect=facts.effect,
            is_constant=semantics.is_constant(operation),
            is_loop=operation.name in LOOP_NAMES,
        )
        return shared

    def _operations(self, operations: list[Operation], depth: int) -> int:
        """Nodes of operations with their operands, results and attributes; how many operations have nodes."""
        table, values, types = self.table, self.values, self.type_nodes
        nodes, results, result_of = table.nodes, table.results, table.result_of
        operands, counts = table.operands, table.operand_counts
        shared_of, chunk, node_of, before = self.shared, self.chunk, values.__getitem__, len(counts)
        node = 0
        for operation in operations:
            key = (operation.name, operation._property_text, operation._attribute_text)
            shared = shared_of.get(key)
            if shared is None or operation._chunk is not chunk:
                if operation._chunk is not chunk:
                    chunk = self.chunk = operation._chunk
                    shared_of.clear()
                shared = self._share(operation, key)
            if shared.is_constant:
                continue
            node = len(nodes)
            nodes.append(shared.descriptor)
            if shared.is_loop:
                nodes[node] = self._loop(operation, shared)
            used = operation.operands
            if used:
                if operation.successors:
                    used = used[: semantics.num_own_operands(operation)]
                try:
                    operands += [*map(node_of, used)]
                except KeyError:
                    operands += [self._value(value) for value in used]
            counts.append(len(used))
            for value in operation.results:
                found = types.get(value.type_text) if value not in values else None
                if found is None:
                    target = self._value(value)
                else:
                    target = values[value] = len(nodes)
                    nodes.append(found[2])
                result_of.append(node)
                results.append(target)
            if shared.callee is not None:
                self.calls.append((node, shared.callee))
            if shared.effect:
                self.memory.add(operation, node, shared.effect)
            if operation.regions:
                self._open(operation, node, depth)
        self.last = node
        return len(counts) - before

    def _open(self, operation: Operation, node: int, depth: int) -> None:
        """Remember an operation with regions."""
        self.parents[operation] = (node, depth)
        symbol = operation.symbol
        if symbol is not None:
            self.symbols.setdefault(symbol, node)

    def _loop(self, operation: Operation, shared: _Shared) -> int:
        """Descriptor of a loop: the number of its trips is its own."""
        trips = trip_count(operation)
        row_id = 0 if trips is None else self.table.row_id(row_of(trip_count_log2=log_magnitude(float(trips))))
        return self.table.descriptor(_OPERATION, shared.token, row_id, attributes=shared.attributes)

    def _region(self, region: Region, parent: int, position: int, depth: int, nested: list[Operation]) -> None:
        """Nodes of a region, its blocks and operations; operations with regions go to `nested`."""
        table = self.table
        region_node = table.add(_REGION, token_id("region"))
        table.edge(_CONTAINMENT, parent, region_node, position)
        loops = natural_loops(region)
        self.memory.regions[region] = loops
        trips = {loop.header: loop.trips for loop in loops}
        depths: dict[Block, int] = {}
        for loop in loops:
            for block in loop.blocks:
                depths[block] = depths.get(block, 0) + 1
        for index, block in enumerate(region.blocks):
            level = depth + depths.get(block, 0)
            table.nodes.append(self._block_descriptor(level, trips.get(block) or 0))
            block_node = self.blocks[block] = len(table.nodes) - 1
            table.edge(_CONTAINMENT, region_node, block_node, index)
            for number, argument in enumerate(block.args):
                table.edge(_CONTAINMENT, block_node, self._value(argument), number)
        for block in region.blocks:
            self._block(block, depth + depths.get(block, 0), nested)

    def _block_descriptor(self, level: int, trips: int) -> int:
        found = self.block_descriptors.get((level, trips))
        if found is None:
            row = row_of(loop_depth=float(level), trip_count_log2=log_magnitude(float(trips))) if level else ZERO
            found = self.table.descriptor(_BLOCK, token_id("block"), self.table.row_id(row))
            self.block_descriptors[level, trips] = found
        return found

    def _block(self, block: Block, depth: int, nested: list[Operation]) -> None:
        table, operations = self.table, block.operations
        opened = len(self.parents)
        table.block_sizes.append(self._operations(operations, depth))
        table.block_nodes.append(self.blocks[block])
        self.block_order.append(block)
        if len(self.parents) > opened:
            nested.extend(operation for operation in operations if operation.regions)
        if operations and operations[-1].successors:
            self._branch(operations[-1])

    def _branch(self, operation: Operation) -> None:
        """Control and forward edges of a terminator, the operation met last."""
        operands, values, blocks, edge = operation.operands, self.values, self.blocks, self.table.edge
        node = self.last
        sources, targets, positions = self.table.loose[EdgeKind.FORWARD]
        first = len(operands) - sum([len(block.args) for block in operation.successors])
        for position, block in enumerate(operation.successors):
            target = blocks.get(block)
            if target is not None:
                edge(_CONTROL, node, target, position)
            count = len(block.args)
            if count and first >= 0:
                for number, (value, argument) in enumerate(
                    zip(operands[first : first + count], block.args, strict=True)
                ):
                    sources.append(values[value] if value in values else self._value(value))
                    targets.append(values[argument] if argument in values else self._value(argument))
                    positions.append(number)
            first += count
