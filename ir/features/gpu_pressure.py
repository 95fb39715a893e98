"""Registers that a Triton kernel's values need at once, one thread's, counted in three ways.

Owns the lives of values as intervals over the operations in the order of `gpu_order`: from the definition to the last
use, or to the end of the outermost loop that the definition stands outside of. `order` counts every value alive before
each operation; `cut` only where all threads' data must exist at once (reductions, changes of layout, matrix products,
the ends of loops), since elementwise chains in between run element by element; `batch` adds, between two cuts, all
loads that may be on their way together.
Source of the intervals: Poletto and Sarkar, Linear Scan Register Allocation, 1999.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from costmodel.ir.features.gpu_order import demanded
from costmodel.ir.features.gpu_values import CHEAP, Held, Values
from costmodel.ir.mlir.structure import Operation, Value

CUTS = frozenset(
    """tt.reduce tt.scan tt.histogram tt.dot tt.dot_scaled ttg.convert_layout ttg.local_alloc ttg.local_store tt.gather
    ttng.warp_group_dot ttng.warp_group_dot_wait gpu.barrier ttg.barrier amdg.in_thread_transpose tt.atomic_rmw
    tt.atomic_cas scf.for scf.while scf.if scf.yield scf.condition""".split()
)
LOADS = frozenset(("tt.load", "amdg.buffer_load", "amdgpu.buffer_load", "ttg.local_load"))
LOOPS = frozenset(("scf.for", "scf.while"))
FOLDED = frozenset(("tt.reduce", "tt.scan", "tt.map_elementwise"))
"""Operations whose regions only say how two elements become one."""
ELEMENTWISE = ("arith.", "math.")
MOST_SOURCES = 6
FIELDS = ("all", "float", "address", "accumulator", "scalar", "wide")


@dataclass(slots=True)
class Step:
    """One operation, in the order that they are counted in."""

    operation: Operation
    depth: int
    loop: int
    """Number of the innermost loop around, -1 for none."""


@dataclass(slots=True)
class Lives:
    """Intervals of the values that hold registers, and the operations they count over."""

    steps: list[Step] = field(default_factory=list)
    loops: list[tuple[int, int, int]] = field(default_factory=list)
    """(first step, last step, parent or -1) of each loop."""
    begin: dict[Value, int] = field(default_factory=dict)
    end: dict[Value, int] = field(default_factory=dict)
    late: dict[Value, int] = field(default_factory=dict)
    """Last uses where values that are computed again from others are no longer kept."""
    sources: dict[Value, tuple[Value, ...]] = field(default_factory=dict)
    """Of a value that is cheaper to compute again: what it is computed from."""
    values: Values = field(default_factory=Values)


@dataclass(slots=True)
class _Open:
    """A block that is being walked in the order of `demanded`; `owner` closes with the last of its blocks."""

    operations: list[Operation]
    depth: int
    loop: int
    at: int = 0
    owner: Operation | None = None


def lives_of(root: Operation) -> Lives:
    """One walk over a kernel: what is known of each value, and where it lives."""
    lives = Lives()
    blocks = [block for region in root.regions for block in region.blocks]
    lives.values.begin(root)
    stack = [_Open(demanded(block), 0, -1) for block in reversed(blocks)]
    while stack:
        here = stack[-1]
        operations = here.operations
        while here.at < len(operations):
            operation = operations[here.at]
            here.at += 1
            _visit(lives, operation, here.depth, here.loop)
            if operation.regions and operation.name not in FOLDED:
                _descend(lives, operation, stack, here)
                break
        else:
            stack.pop()
            if here.owner is not None:
                _close(lives, here)
    return lives


def _descend(lives: Lives, operation: Operation, stack: list[_Open], around: _Open) -> None:
    """Enter the regions of an operation; its results begin where they close."""
    is_loop, here = operation.name in LOOPS, len(lives.steps) - 1
    loop = len(lives.loops) if is_loop else around.loop
    if is_loop:
        lives.loops.append((here, here, around.loop))
    blocks = [block for region in operation.regions for block in region.blocks]
    for number, block in enumerate(reversed(blocks)):
        stack.append(_Open(demanded(block), around.depth + is_loop, loop, owner=None if number else operation))
    bounds = 3 if operation.name == "scf.for" else 0
    starts = operation.operands[bounds:]
    for block in blocks:
        first = min(bounds, 1)
        for argument in block.args[:first]:
            lives.values.put(argument)
        for argument, start in zip(block.args[first:], starts, strict=False):
            lives.values.enter(argument, start)
            lives.begin[argument] = lives.end[argument] = here
    for result, start in zip(operation.results, starts if is_loop else (), strict=False):
        lives.values.enter(result, start)


def _close(lives: Lives, closed: _Open) -> None:
    last = len(lives.steps) - 1
    assert closed.owner is not None
    if closed.owner.name in LOOPS:
        first, _, parent = lives.loops[closed.loop]
        lives.loops[closed.loop] = (first, last, parent)
    for result in closed.owner.results:
        lives.values.of(result)
        lives.begin[result] = lives.end[result] = last


def _visit(lives: Lives, operation: Operation, depth: int, loop: int) -> None:
    here = len(lives.steps)
    lives.steps.append(Step(operation, depth, loop))
    folded = not operation.regions or operation.name in FOLDED
    if folded:
        lives.values.define(operation)
    if operation.name in CHEAP:
        return
    roots = [lives.values.of(operand).root for operand in operation.operands]
    lazy = folded and len(operation.results) == 1 and _is_lazy(lives, operation, roots, loop)
    for root in roots:
        lives.end[root] = here
        if not lazy:
            _use(lives, root, here, loop)
    for result in operation.results:
        lives.begin[result] = lives.end[result] = here


def _is_lazy(lives: Lives, operation: Operation, roots: list[Value], loop: int) -> bool:
    """Whether the result of an elementwise operation takes more registers than what it is computed from."""
    if not operation.name.startswith(ELEMENTWISE) and operation.name != "tt.addptr":
        return False
    result = operation.results[0]
    own = lives.values.of(result)
    if own.constant or not own.kind.shape:
        return False
    found: dict[Value, None] = {}
    for root in roots:
        for source in lives.sources.get(root, (root,)) if _loop_of(lives, root) == loop else (root,):
            found[source] = None
    if len(found) > MOST_SOURCES or sum(lives.values.of(source).registers for source in found) >= max(1, own.registers):
        return False
    lives.sources[result] = tuple(found)
    return True


def _loop_of(lives: Lives, value: Value) -> int:
    begin = lives.begin.get(value)
    return lives.steps[begin].loop if begin is not None else -1


def _use(lives: Lives, root: Value, here: int, loop: int) -> None:
    """A use at step `here`; in a deeper loop than the definition's the value itself is kept."""
    sources = lives.sources.get(root)
    if sources is None:
        lives.late[root] = here
        return
    begin = lives.begin[root]
    if lives.steps[begin].loop != loop:
        del lives.sources[root]
        lives.late[root] = here
        here = begin
    for source in sources:
        if source in lives.sources:
            _use(lives, source, here, loop)
        else:
            lives.late[source] = max(here, lives.late.get(source, 0))


def extended(lives: Lives, *, lean: bool = False, every: bool = False) -> list[tuple[int, int, Held]]:
    """(begin, end, held) of all values with registers; a use in a loop begun after the definition lasts to its end.

    `lean` leaves out what is computed again, and keeps what it is computed from instead; `every` value counts, also
    those that `Held` gives no registers.
    """
    found = []
    for value, begin in lives.begin.items():
        held = lives.values.of(value)
        if (
            held.root is not value
            or not (every or held.registers or held.predicates)
            or (lean and value in lives.sources)
        ):
            continue
        end = max(begin, lives.late.get(value, begin)) if lean else lives.end[value]
        loop = lives.steps[end].loop if end < len(lives.steps) else -1
        while loop >= 0:
            first, last, parent = lives.loops[loop]
            if begin < first:
                end = max(end, last)
            loop = parent
        found.append((begin, end, held))
    return found


def unpacked(held: Held) -> int:
    """Registers where every element has its own, as 16-bit values do once they are computed with."""
    return max(held.registers, held.elements * -(-held.kind.bits // 32))


def transient(operation: Operation, values: Values) -> int:
    """Registers that an operation needs for its own while it runs: both sides of a change of layout, and counters."""
    if operation.name not in ("ttg.convert_layout", "tt.histogram") or not operation.results:
        return 0
    before, after = values.of(operation.operands[0]), values.of(operation.results[0])
    if operation.name == "tt.histogram":
        return before.elements + -(-after.kind.shape[0] // 32) if after.kind.shape else before.elements
    if (
        before.kind.spread is not None
        and after.kind.spread is not None
        and before.kind.spread.bits == after.kind.spread.bits
    ):
        return 0
    return unpacked(before) + unpacked(after)


def sums(spans: Sequence[tuple[int, int, Held]], count: int) -> dict[str, list[int]]:
    """Registers alive before each of `count` operations, by what holds them; `predicates` beside."""
    changes = {name: [0] * (count + 2) for name in (*FIELDS, "predicates")}
    for begin, end, held in spans:
        size = held.registers
        start, stop = begin + 1, end + 1
        if held.predicates:
            changes["predicates"][start] += held.predicates
            changes["predicates"][stop] -= held.predicates
        if not size:
            continue
        kind = held.kind
        names: tuple[str, ...]
        if not kind.shape:
            names = ("scalar",)
        elif kind.is_accumulator and kind.is_float:
            names = ("all", "float", "accumulator")
        else:
            names = ("all", "float") if kind.is_float else ("all", "address")
        for name in names:
            changes[name][start] += size
            changes[name][stop] -= size
        if kind.shape:
            wide = unpacked(held)
            changes["wide"][start] += wide
            changes["wide"][stop] -= wide
    return {name: list(accumulate(steps[: count + 1])) for name, steps in changes.items()}
