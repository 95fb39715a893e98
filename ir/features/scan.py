"""One walk over a function: blocks with their operations' facts, loops with their weights, values with numbers.

Owns what every feature starts from. Invariant: linear in the number of operations, no recursion; constants have no
number, so liveness and dependences never see them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from math import prod

import numpy as np
import numpy.typing as npt

from costmodel.core.errors import ParseError
from costmodel.ir import linalg
from costmodel.ir.control_flow import NaturalLoop, natural_loops
from costmodel.ir.features.facts import BY_OPERAND, BY_RESULT, Facts, facts_of
from costmodel.ir.features.kinds import TypeFacts, type_facts
from costmodel.ir.loops import LOOP_NAMES, loop_dimensions, trip_count
from costmodel.ir.mlir.structure import Block, Operation, Region, Value

UNKNOWN_TRIPS = 16
"""What a loop of unknown length counts as in executed counts (not in `flops` and `bytes_touched`: 1 there)."""
_NOTHING: npt.NDArray[np.int64] = np.zeros(0, np.int64)
MAX_EXECUTED = 1e15
"""Executed counts around one operation saturate here."""


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
        self.outside: dict[Value, int] = {}
        """Constants, which have no number of a value but one below 0."""
        self.facts: list[Facts] = []
        """Of all operations in order."""
        self.operands: list[list[int]] = []
        """Of all operations in order, those numbers included; `counts` of each, `values` one after the other, `user`
        the place of the operation that each belongs to."""
        self.counts = self.values = self.user = _NOTHING
        self.homes = self.points_at = self.places = _NOTHING
        """`home` and `at` as arrays, and the block of each operation."""
        self.with_constants: list[int] = []
        """Places in `operands` of those with constants."""
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
    entry, operations = state.blocks[index], state.blocks[index].block.operations
    args, loop = entry.block.args, entry.loop
    point = entry.point = state.points
    first = entry.first = len(state.kinds)
    facts = entry.facts = [
        (
            BY_RESULT.get((operation.name, operation.results[0].type_text))
            if len(operation.results) == 1
            else BY_OPERAND.get((operation.name, operation.operands[0].type_text))
            if operation.operands and not operation.results
            else None
        )
        or _located(operation)
        for operation in operations
    ]
    values, at = args[:], [point] * len(args)
    kinds = [type_facts(value.type_text) for value in args]
    for operation, known in zip(operations, facts, strict=True):
        point += 1
        results = operation.results
        if results and known.defines:
            values += results
            if len(results) == 1:
                at.append(point)
                kinds.append(known.kind)  # type: ignore[arg-type]
            else:
                at += [point] * len(results)
                kinds += [type_facts(value.type_text) for value in results]
        if known.plain and not operation.regions and len(operation.successors) < 2:
            continue
        if known.only_accesses and not operation.regions:
            loop.accesses.append((operation, known.num_bytes))
        else:
            _unusual(state, operation, known, loop, (index, point - entry.point - 1), stack)
    entry.limit = first + len(values)
    state.number.update(zip(values, range(first, entry.limit), strict=True))
    state.kinds += kinds
    state.at += at
    state.points = point + 1
    state.home += [index] * len(values)
    loop.facts += facts
    state.facts += facts
    loop.busy = loop.busy or any(known.busy for known in facts)


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


class _Numbers(dict[Value, int]):
    """Numbers of values; what has none is a constant and gets the next one below 0."""

    def __init__(self, numbers: dict[Value, int], constants: dict[Value, int]) -> None:
        super().__init__(numbers)
        self.constants = constants

    def __missing__(self, value: Value) -> int:
        number = self[value] = self.constants[value] = ~len(self.constants)
        return number


def _uses(state: Scan) -> None:
    number_of = _Numbers(state.number, state.outside).__getitem__
    operands = [operation.operands for entry in state.blocks for operation in entry.block.operations]
    numbers = [*map(number_of, chain.from_iterable(operands))]
    counts = state.counts = np.fromiter(map(len, operands), np.int64, len(operands))
    ends = counts.cumsum().tolist()
    found = state.operands = [numbers[first:last] for first, last in zip([0, *ends], ends, strict=False)]
    state.homes = np.arange(len(state.blocks)).repeat([entry.limit - entry.first for entry in state.blocks])
    state.places = np.arange(len(state.blocks)).repeat([len(entry.facts) for entry in state.blocks])
    state.points_at = np.array(state.at, np.int64)
    values = state.values = np.array(numbers, np.int64)
    state.user = np.arange(len(found)).repeat(counts)
    uses = found
    if state.outside:
        uses = found[:]
        state.with_constants = [*dict.fromkeys(state.user[values < 0].tolist())]
        for place in state.with_constants:
            uses[place] = [number for number in found[place] if number >= 0]
    first = 0
    for entry in state.blocks:
        last = first + len(entry.facts)
        entry.uses = uses[first:last]
        first = last
