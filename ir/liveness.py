"""Live values at the widest point: an estimate of register pressure.

Owns live intervals in textual order, without holes, as linear-scan allocation uses them (Poletto and Sarkar 1999). A
value used inside a nested region lives until that region's operation ends; one that is used in a loop made of branches
and comes from before it lives until the loop's last block ends. Constants and values of `index` type do count as
general values only if not constant.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.ir import semantics
from costmodel.ir.control_flow import NaturalLoop, natural_loops
from costmodel.ir.costs import is_vector
from costmodel.ir.mlir.structure import Block, Operation, Region, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePeak:
    """Values alive at once, at most: of any type, and of vector type."""

    values: int
    vectors: int


class _Intervals:
    """Positions: each operation takes one, in textual order; a region's operations follow their parent."""

    def __init__(self) -> None:
        self.start: dict[Value, int] = {}
        self.stop: dict[Value, int] = {}
        self.spans: dict[Block, tuple[int, int]] = {}
        self.op_span: dict[Operation, tuple[int, int]] = {}
        self.loops: list[NaturalLoop] = []
        self.position = 0


def live_peak(root: Operation, loops: dict[Region, list[NaturalLoop]] | None = None) -> LivePeak:
    """The peak inside `root`. `loops` may pass natural loops that are known already."""
    state = _Intervals()
    _number(root, state, loops or {})
    _uses(root, state)
    for loop in state.loops:
        _extend(loop, state)
    return _sweep(state)


def _number(root: Operation, state: _Intervals, known: dict[Region, list[NaturalLoop]]) -> None:
    """Positions of operations and definitions; iterative, an integer on the stack closes what began there."""
    stack: list[tuple[str, Operation | Block, int]] = [("enter", root, 0)]
    while stack:
        action, item, begun = stack.pop()
        if isinstance(item, Block):
            if action == "leave":
                state.spans[item] = (begun, state.position)
                continue
            for argument in item.args:
                state.start[argument] = state.position
            stack.append(("leave", item, state.position))
            stack.extend(("enter", operation, 0) for operation in reversed(item.operations))
            continue
        if action == "leave":
            state.op_span[item] = (begun, state.position)
            state.start.update(dict.fromkeys(item.results, state.position))
            continue
        state.position += 1
        if not item.regions:
            if not semantics.is_constant(item):
                state.start.update(dict.fromkeys(item.results, state.position))
            state.op_span[item] = (state.position, state.position)
            continue
        stack.append(("leave", item, state.position))
        for region in reversed(item.regions):
            found = known.get(region)
            state.loops += natural_loops(region) if found is None else found
            stack.extend(("enter", block, 0) for block in reversed(region.blocks))


def _uses(root: Operation, state: _Intervals) -> None:
    for operation in root.walk():
        for value in operation.operands:
            start = state.start.get(value)
            if start is None:
                continue
            stop = _last_position(operation, value, state)
            if stop > state.stop.get(value, start):
                state.stop[value] = stop


def _last_position(operation: Operation, value: Value, state: _Intervals) -> int:
    """Where this use keeps the value alive to: the end of the operation that stands in the value's own region."""
    home = _region_of(value)
    current = operation
    while current.parent is not None and current.parent.parent is not home:
        outer = current.parent.parent.parent
        if outer not in state.op_span:
            break
        current = outer
    return state.op_span[current][0] if current is operation else state.op_span[current][1]


def _region_of(value: Value) -> Region | None:
    block = value.owner.parent if isinstance(value.owner, Operation) else value.owner
    return block.parent if block is not None else None


def _extend(loop: NaturalLoop, state: _Intervals) -> None:
    first = min(state.spans[block][0] for block in loop.blocks)
    last = max(state.spans[block][1] for block in loop.blocks)
    header = set(loop.header.args)
    for value, stop in state.stop.items():
        if state.start[value] <= first < stop < last and value not in header:
            state.stop[value] = last


def _sweep(state: _Intervals) -> LivePeak:
    """A value is alive from after its definition to its last use; without uses it counts nowhere."""
    events: list[tuple[int, int, int]] = []
    for value, stop in state.stop.items():
        vector = int(is_vector(value.type_text))
        events.append((state.start[value], 1, vector))
        events.append((stop, -1, -vector))
    alive = vectors = most = most_vectors = 0
    for _, change, vector in sorted(events):
        alive += change
        vectors += vector
        most, most_vectors = max(most, alive), max(most_vectors, vectors)
    return LivePeak(values=most, vectors=most_vectors)
