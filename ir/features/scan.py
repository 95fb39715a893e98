"""One walk over a function: blocks with their operations' facts, loops with their weights, values with numbers.

Owns what every feature starts from. Invariant: linear in the number of operations, no recursion; constants have no
number, so liveness and dependences never see them.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from costmodel.core.errors import ParseError
from costmodel.ir import costs, linalg, semantics
from costmodel.ir.control_flow import NaturalLoop, natural_loops
from costmodel.ir.features.kinds import TypeFacts, type_facts
from costmodel.ir.features.opcodes import BY_NAME, Group, column_of, group_of
from costmodel.ir.features.table import NAMES
from costmodel.ir.loops import LOOP_NAMES, loop_dimensions, trip_count
from costmodel.ir.mlir.structure import Block, Operation, Region, Value

UNKNOWN_TRIPS = 16
"""What a loop of unknown length counts as in executed counts (not in `flops` and `bytes_touched`: 1 there)."""
MAX_EXECUTED = 1e15
"""Executed counts around one operation saturate here."""
_COMPARES = frozenset(("llvm.icmp", "llvm.fcmp", "arith.cmpi", "arith.cmpf", "index.cmp", "llvm.intr.is.fpclass"))
_CALLS = ("call", "call_indirect", "invoke", "launch_func", "callbr")
_CACHE_LIMIT = 1 << 16
_EXECUTED = frozenset(name for name in NAMES if name.startswith("x_"))
_BUSY_GROUPS = frozenset(
    "load store masked memcpy atomic call call_indirect fadd fmul fma fdiv math sqrt contract".split()
)


class Facts:
    """What an operation's name and type tell: shared by all operations alike."""

    __slots__ = (
        "bits", "busy", "category", "columns", "defines", "flops", "group", "is_access", "is_branch", "is_call",
        "is_math", "is_vector", "kind", "lanes", "latency", "num_bytes", "plain",
    )  # fmt: skip

    def __init__(self, operation: Operation, kind: TypeFacts) -> None:
        self.group = _group(operation, kind)
        column = column_of(self.group, kind)
        key = f"{self.group.name}_{column}" if column else self.group.name
        self.latency = self.group.latency_cycles
        self.category = costs.category_of(operation)
        executed = next((name for name in (f"x_{key}", f"x_{self.group.name}") if name in _EXECUTED), None)
        self.columns = (f"mix_{self.category}", f"n_{key}", executed)
        """Features that count the operation: twice as it stands, once executed."""
        self.defines = self.category != "constant"
        """Whether its results have numbers."""
        self.is_math = costs.is_math_function(operation)
        self.is_call = semantics.callee_of(operation) is not None
        self.flops = costs.DEPENDS_ON_OPERANDS if costs.needs_operands(operation.name) else costs.flops_of(operation)
        self.num_bytes = costs.bytes_of(operation)
        self.is_access = costs.is_access(operation.name)
        self.busy = self.group.name in _BUSY_GROUPS
        self.is_branch = operation.name in ("scf.if", "affine.if", "scf.index_switch")
        self.plain = not (
            self.flops < 0
            or self.is_access
            or self.is_branch
            or self.category == "structured"
            or self.group.name == "alloca"
        )
        """Whether only its regions and successors can be of interest."""
        self.kind = type_facts(operation.results[0].type_text) if operation.results else None
        vectors = [found for value in operation.results if (found := type_facts(value.type_text)).is_vector]
        self.is_vector = bool(vectors)
        self.lanes = max((found.lanes for found in vectors), default=0)
        self.bits = max((found.bits for found in vectors), default=0)


def _group(operation: Operation, kind: TypeFacts) -> Group:
    if costs.is_math_function(operation):
        return BY_NAME["sqrt" if operation.name.endswith("sqrt") else "math"]
    callee = semantics.callee_of(operation)
    if callee is not None:
        return BY_NAME["call" if callee else "call_indirect"]
    if operation.name in semantics.CONSTANT_NAMES:
        return BY_NAME["constant"]
    return group_of(operation.name, kind.is_float)


_FACTS: dict[tuple[str, ...], Facts] = {}
_BY_RESULT: dict[tuple[str, str], Facts] = {}
"""Facts of operations of one result that its type and the name tell."""


def facts_of(operation: Operation) -> Facts:
    """Facts by name, types (of the results, of the stored or compared value) and callee; cached."""
    name, results = operation.name, operation.results
    if results and name not in _COMPARES:
        text = results[0].type_text
    elif operation.operands:
        text = operation.operands[costs.stored_operand(operation)].type_text
    else:
        text = ""
    is_call = name.endswith(_CALLS)
    more = tuple([value.type_text for value in results[1:]]) if len(results) > 1 else ()
    if results and costs.is_store(name) and operation.operands:
        more = (*more, operation.operands[costs.stored_operand(operation)].type_text)
    key = (name, text, str(semantics.callee_of(operation)) if is_call else "", *more)
    found = _FACTS.get(key)
    if found is None:
        if len(_FACTS) > _CACHE_LIMIT:
            _FACTS.clear()
            _BY_RESULT.clear()
        found = _FACTS[key] = Facts(operation, type_facts(text))
        if len(results) == 1 and not more and not is_call and name not in _COMPARES:
            _BY_RESULT[name, text] = found
    return found


class Loop:
    """A loop, one dimension of a loop over several, one dimension of a linalg operation, or (depth 0) the function.

    `weight` multiplies trip counts with unknown ones as 1, `executed` with unknown ones as `UNKNOWN_TRIPS`.
    """

    __slots__ = (
        "accesses", "blocks", "busy", "children", "depth", "executed", "facts", "is_real", "parent", "total_trips",
        "trips", "weight",
    )  # fmt: skip

    def __init__(self, parent: Loop | None, trips: int | None, *, is_real: bool) -> None:
        self.parent = parent
        self.trips = trips
        self.is_real = is_real
        self.depth: int = (parent.depth if parent is not None else 0) + is_real
        weight = (parent.weight if parent is not None else 1) * (1 if trips is None else trips)
        self.weight: int = min(weight, int(MAX_EXECUTED))
        assumed = UNKNOWN_TRIPS if trips is None else trips
        self.executed: float = min(
            MAX_EXECUTED, (parent.executed if parent is not None else 1.0) * min(assumed, MAX_EXECUTED)
        )
        self.children: list[Loop] = []
        self.facts: list[Facts] = []
        self.accesses: list[tuple[Operation, int]] = []
        """Loads and stores, and the bytes of each."""
        self.blocks = 0
        self.busy = False
        self.total_trips = trips
        """Of all dimensions of the loop."""
        if parent is not None:
            parent.children.append(self)

    def body(self) -> list[Loop]:
        """This loop and what belongs to it without being a loop inside: its other dimensions, linalg dimensions."""
        found, stack = [], [self]
        while stack:
            current = stack.pop()
            found.append(current)
            stack.extend(child for child in current.children if not child.is_real)
        return found

    def inner_loops(self) -> list[Loop]:
        """Loops directly inside."""
        return [child for part in self.body() for child in part.children if child.is_real]


class BlockScan:
    """A block, where it stands, and what its operations are. `uses` are value numbers, one list an operation.

    Values defined here have the numbers `first` to `limit` - 1 in the order of the text. `point` is the number of the
    program point before the first operation; points are numbered through all blocks, one more than operations in each.
    """

    __slots__ = (
        "block", "captured", "facts", "first", "inside", "is_target", "limit", "loop", "point", "region", "uses",
    )  # fmt: skip

    def __init__(self, block: Block, loop: Loop, region: int) -> None:
        self.block = block
        self.loop = loop
        self.region = region
        self.is_target = False
        """Whether it is not the first of its region, or a branch leads to it."""
        self.facts: list[Facts] = []
        self.uses: list[list[int]] = []
        self.first = self.limit = self.point = 0
        self.inside: dict[int, list[int]] = {}
        """Regions by index of the operation that holds them."""
        self.captured: dict[int, set[int]] = {}
        """Values from outside that those regions use (`liveness` fills it)."""


class Scan:
    """The whole function. By value number: `kinds` (facts of the type), `home` (block), `at` (point of definition)."""

    def __init__(self) -> None:
        self.root = Loop(None, 1, is_real=False)
        self.loops: list[Loop] = []
        self.blocks: list[BlockScan] = []
        self.region_blocks: list[list[int]] = []
        self.nested: set[int] = set()
        """Regions that stand in an operation of another one."""
        self.block_of: dict[Block, int] = {}
        self.number: dict[Value, int] = {}
        self.kinds: list[TypeFacts] = []
        self.home: list[int] = []
        self.at: list[int] = []
        self.points = 0
        self.outside: set[Value] = set()
        """Operands without number: constants."""
        self.allocas: list[Operation] = []
        self.counters: dict[Value, tuple[Loop, int | None]] = {}
        self.headers: dict[Block, tuple[Loop, NaturalLoop]] = {}
        self.exact = True
        self.branches = 0
        self.special: list[tuple[Operation, Loop]] = []
        """Operations whose flops their operands tell."""
        self.structured: list[tuple[Operation, Loop, Loop]] = []
        """linalg operations, the loop around each, and the innermost dimension of its space."""

    def close(self) -> None:
        """Break the cycles between loops, so that everything is freed at once and not by the collector."""
        stack = [self.root]
        while stack:
            loop = stack.pop()
            stack.extend(loop.children)
            loop.children = []


def scan(root: Operation) -> Scan:
    """Walk everything inside `root`; the location of a `ParseError` is that of the operation."""
    state = Scan()
    stack: list[tuple[Region, Loop, tuple[int, int] | None]] = [
        (region, state.root, None) for region in reversed(root.regions)
    ]
    while stack:
        region, loop, above = stack.pop()
        for block_index in _region(state, region, loop, above):
            _operations(state, block_index, stack)
    _uses(state)
    return state


def _region(state: Scan, region: Region, loop: Loop, above: tuple[int, int] | None) -> range:
    """Blocks of a region with the loops that their branches make."""
    index = len(state.region_blocks)
    around = _natural(state, region, loop) if len(region.blocks) > 1 or _branches(region.blocks) else {}
    first = len(state.blocks)
    for place, block in enumerate(region.blocks):
        inner = around.get(block, loop)
        inner.blocks += 1
        state.block_of[block] = len(state.blocks)
        state.blocks.append(BlockScan(block, inner, index))
        state.blocks[-1].is_target = place > 0 or block in state.headers
    found = range(first, len(state.blocks))
    state.region_blocks.append(list(found))
    if above is not None:
        state.nested.add(index)
        state.blocks[above[0]].inside.setdefault(above[1], []).append(index)
    return found


def _branches(blocks: Iterable[Block]) -> bool:
    return any(block.operations and block.operations[-1].successors for block in blocks)


def _natural(state: Scan, region: Region, loop: Loop) -> dict[Block, Loop]:
    """Innermost loop of each block that stands in one; loops come with outer headers before inner ones."""
    around: dict[Block, Loop] = {}
    for natural in natural_loops(region):
        inner = Loop(around.get(natural.header, loop), natural.trips, is_real=True)
        state.loops.append(inner)
        state.exact &= natural.trips is not None
        state.headers[natural.header] = (inner, natural)
        for block in natural.blocks:
            around[block] = inner
    return around


def _operations(state: Scan, index: int, stack: list[tuple[Region, Loop, tuple[int, int] | None]]) -> None:
    entry = state.blocks[index]
    number, kinds, at, facts = state.number, state.kinds, state.at, entry.facts
    point = entry.point = state.points
    first = entry.first = len(kinds)
    for value in entry.block.args:
        number[value] = len(kinds)
        kinds.append(type_facts(value.type_text))
        at.append(point)
    for operation in entry.block.operations:
        results = operation.results
        known = _BY_RESULT.get((operation.name, results[0].type_text)) if len(results) == 1 else None
        if known is None:
            known = _located(operation)
        facts.append(known)
        point += 1
        if known.defines:
            for value in results:
                number[value] = len(kinds)
                kinds.append(known.kind if value is results[0] and known.kind else type_facts(value.type_text))
                at.append(point)
        if operation.regions or not known.plain or len(operation.successors) > 1:
            _unusual(state, operation, known, entry.loop, (index, len(facts) - 1), stack)
    entry.limit = len(kinds)
    state.points = point + 1
    state.home += [index] * (entry.limit - first)
    entry.loop.facts += facts
    entry.loop.busy = entry.loop.busy or any(known.busy for known in facts)


def _located(operation: Operation) -> Facts:
    try:
        return facts_of(operation)
    except ParseError as error:
        raise error if error.location else ParseError(str(error), location=operation.location) from None


def _unusual(
    state: Scan,
    operation: Operation,
    known: Facts,
    loop: Loop,
    place: tuple[int, int],
    stack: list[tuple[Region, Loop, tuple[int, int] | None]],
) -> None:
    """What more than the count of an operation is of interest."""
    if known.flops < 0:
        state.special.append((operation, loop))
    if known.is_access:
        loop.accesses.append((operation, known.num_bytes))
    elif known.group.name == "alloca":
        state.allocas.append(operation)
    if len(operation.successors) > 1 or known.is_branch:
        state.branches += 1
    if known.category == "structured" or operation.regions:
        inner = _inside(state, operation, loop)
        for region in reversed(operation.regions):
            stack.append((region, inner, place))


def _inside(state: Scan, operation: Operation, loop: Loop) -> Loop:
    """The loop around an operation's regions."""
    if operation.name.startswith("linalg."):
        if operation.name in ("linalg.yield", "linalg.index"):
            return loop
        sizes = linalg.loop_sizes(operation)
        state.exact &= None not in sizes
        inner = loop
        for size in sizes:
            inner = Loop(inner, size, is_real=False)
        state.structured.append((operation, loop, inner))
        return inner
    if operation.name not in LOOP_NAMES:
        return loop
    return _structured_loop(state, operation, loop)


def _structured_loop(state: Scan, operation: Operation, loop: Loop) -> Loop:
    """A loop operation of one or several dimensions; the first stands for the loop where loops are counted."""
    trips = trip_count(operation)
    state.exact &= trips is not None
    dimensions = loop_dimensions(operation)
    if not dimensions or prod(1 if count is None else count for count, _ in dimensions) != (
        1 if trips is None else trips
    ):
        dimensions = [(trips, None)]
    args = operation.regions[0].blocks[0].args if operation.regions and operation.regions[0].blocks else []
    for index, (count, step) in enumerate(dimensions):
        loop = Loop(loop, count, is_real=index == 0)
        if not index:
            loop.total_trips = trips
            state.loops.append(loop)
        if operation.name != "scf.while" and index < len(args):
            state.counters[args[index]] = (loop, step)
    return loop


def _uses(state: Scan) -> None:
    number = state.number
    get, others = number.get, state.outside
    for entry in state.blocks:
        append = entry.uses.append
        for operation in entry.block.operations:
            uses = [*map(get, operation.operands)]
            if None in uses:
                others.update(operation.operands)
                append([use for use in uses if use is not None])
            else:
                append(uses)  # type: ignore[arg-type]
    others.difference_update(number)
