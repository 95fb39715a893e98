"""Blocks of the code that a schedule makes of a linalg kernel, as `models.realised` has them, without compiling it.

Owns the counting: the kernel's text (`backends.mlir`) is split where LLVM's blocks end, and each block's operations are
counted as vector registers of several widths, with its chains, its longest path and the registers it wants. What does
not depend on the target is settled here; what an operation costs where is `models.bounds`'s business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import prod

from costmodel.core.errors import UnsupportedError
from costmodel.ir.features.plain import plain
from costmodel.ir.program import Function
from costmodel.models.realised import UNROLLED, WIDTHS, Block
from costmodel.search.backends.mlir.kernel import KernelEmitter
from costmodel.search.features.hoisting import copies_of, hoisted, promoted, trips_of, unrolls
from costmodel.search.features.lines import LineReader, Op, Region
from costmodel.search.kernel.partition import KernelCall, partition
from costmodel.search.kernel.read import read_function
from costmodel.search.schedule.plan import apply_schedule
from costmodel.search.schedule.text import parse_schedule

_LATENCY = {
    "fma": 4, "multiply": 4, "add": 4, "extreme": 4, "half": 5, "widen_bf16": 2, "narrow_bf16": 10, "convert": 4,
    "integer": 1, "multiply_int": 5, "logic": 2, "divide": 12, "root": 15, "shuffle": 2, "broadcast": 2, "load": 5,
    "masked_load": 6, "scalar_load": 4, "resize": 2, "gather": 15, "horizontal": 12,
}  # fmt: skip
"""Cycles that are usual on today's cores."""
_FLOAT = frozenset(("fma", "multiply", "add", "divide", "root"))
_ARITHMETIC = _FLOAT | {"extreme", "logic"}
_REGISTER = 128
_LONGEST = 1 << 14
"""Operations of one register tile, about: longer code would take seconds to write."""
Lengths = tuple[float, float, float, float]
_NONE: Lengths = (0.0, 0.0, 0.0, 0.0)


def blocks_of(function: Function, schedule: str) -> tuple[Block, ...]:
    """Blocks of the kernel that `function` is, under `schedule`.

    Raises:
        UnsupportedError: the function is no kernel on tensors, or more than one, or the schedule does not fit it.
        CostModelError: the schedule's text cannot be read.
    """
    if function.operation is None or function.operation.name != "func.func":
        raise UnsupportedError(f"{function.name!r} is no func.func; a schedule is for a function of linalg on tensors")
    simpler = plain(function.operation)
    steps = partition(read_function(function.operation if simpler is None else simpler.root)).steps
    if len(steps) != 1 or not isinstance(steps[0], KernelCall):
        raise UnsupportedError(f"{function.name!r} is {len(steps)} kernels and islands; a schedule is for one kernel")
    plan = apply_schedule(steps[0].kernel, parse_schedule(schedule))
    for group in plan.groups:
        for nest, own in group.members:
            size = prod(own.register.values()) // own.lanes * prod(own.unroll.values()) * (1 + len(nest.ops))
            if size > _LONGEST:
                raise UnsupportedError(f"a tile of {size} operations is too long to count, at most {_LONGEST} are")
    return text_blocks(KernelEmitter(plan).emit().text)


def text_blocks(text: str) -> tuple[Block, ...]:
    """Blocks of a kernel's text."""
    return tree_blocks(LineReader(text).root)


def tree_blocks(tree: Region) -> tuple[Block, ...]:
    """Blocks of a function's loops and operations; the tree is changed."""
    root = hoisted(promoted(tree))
    facts = _Facts(root)
    found: list[_Segment] = []
    _split(root, 1.0, True, found, None)
    return tuple([_count(segment, facts) for segment in found])


class _Segment:
    """Operations that end up in one block; `loop` is the innermost around them, `whole` where it is all its body."""

    __slots__ = ("executions", "known", "loop", "ops", "whole")

    def __init__(self, executions: float, known: bool, loop: Region) -> None:
        self.executions = executions
        self.known = known
        self.loop = loop
        self.ops: list[Op] = []
        self.whole = False


def _split(region: Region, executions: float, known: bool, found: list[_Segment], into: _Segment | None) -> _Segment:
    """Segments of a region in order; the one that code after it goes on in."""
    current = into
    if current is None:
        current = _Segment(executions, known, region)
        current.whole = True
        found.append(current)
    for part in region.body:
        if isinstance(part, Op):
            current.ops.append(part)
        elif unrolls(part):
            for _ in range(int(part.trips or 0)):
                current = _split(part, executions, known, found, current)
        elif trips_of(part) > 0:
            if part.carried_bits:
                current.ops.append(Op(kind="start", bits=part.carried_bits, rows=len(part.carried)))
            current.whole = current.whole and part.branch
            _split(part, executions * trips_of(part), known and part.trips is not None, found, None)
            current = _Segment(executions, known, region)
            found.append(current)
    return current


class _Facts:
    """What the whole kernel says of a value: who makes it, how often it is used."""

    def __init__(self, root: Region) -> None:
        self.makers: dict[str, Op] = {}
        self.uses: Counter[str] = Counter()
        self.broadcast: set[str] = set()
        self.carried: set[str] = set()
        for op in _operations(root, self):
            if op.result:
                self.makers[op.result] = op
            self.uses.update(op.operands)
            if op.kind == "broadcast":
                self.broadcast.update(op.operands)

    def kind(self, name: str) -> str:
        maker = self.makers.get(name)
        return "" if maker is None else maker.kind

    def constant(self, name: str) -> bool:
        """Whether a sum that starts from it needs a register of its own first."""
        made = name.partition("#")[0] != name or name in self.carried
        return not made and self.kind(name) in ("", "broadcast")

    def fused(self, op: Op) -> bool:
        """Whether an addition takes a product that nobody else wants."""
        return op.kind == "add" and any(self.kind(n) == "multiply" and self.uses[n] == 1 for n in op.operands)


def _operations(region: Region, facts: _Facts) -> Iterator[Op]:
    for part in region.body:
        if isinstance(part, Op):
            yield part
        else:
            facts.uses.update(part.initial)
            facts.uses.update(part.yielded)
            facts.carried.update(part.carried)
            yield from _operations(part, facts)


def _registers(bits: int, rows: int = 1) -> tuple[int, ...]:
    return tuple([rows * max(1, -(-bits // width)) for width in WIDTHS])


class _Tally:
    """Sums of one block."""

    def __init__(self) -> None:
        self.vectors: dict[str, list[int]] = {}
        self.counts: Counter[str] = Counter()
        self.buffers: set[str] = set()

    def vector(self, kind: str, op: Op) -> None:
        found = self.vectors.setdefault(kind, [0] * len(WIDTHS))
        for i, n in enumerate(_registers(op.bits, op.rows)):
            found[i] += n


def _count(segment: _Segment, facts: _Facts) -> Block:
    tally, depth, deepest = _Tally(), dict[str, float](), 0.0
    for op in segment.ops:
        before = max([depth.get(name, 0.0) for name in op.operands], default=0.0)
        counted = _add(op, tally, facts)
        depth[op.result] = before + (_LATENCY.get(op.kind, 1) if counted else 0)
        deepest = max(deepest, depth[op.result])
    loop, copies = segment.loop, (1.0,) * len(UNROLLED)
    if loop.variable and segment.whole:
        tally.counts["loop"] += 1
        tally.counts["pointers"] += len(tally.buffers)
        size = sum(_weighs(op, facts) for op in segment.ops) + 1
        copies = tuple([float(copies_of(loop, size, most)) for most in UNROLLED])
    else:
        tally.counts["straight"] += 1
    chain = _chain(loop) if loop.carried and segment.whole else _NONE
    return Block(
        executions=segment.executions, trips_known=segment.known, chain=chain, depth=deepest,
        vectors={kind: tuple(n) for kind, n in tally.vectors.items()}, counts=dict(tally.counts),
        live=_live(segment, facts), copies=copies,
    )  # fmt: skip


def _weighs(op: Op, facts: _Facts) -> bool:
    """Whether LLVM counts an operation where it decides how far to unroll: addresses and loads' broadcasts are free."""
    return op.kind not in ("none", "index", "start") and not (
        op.kind == "broadcast" and facts.kind(op.operands[0]) == "scalar_load"
    )


def _add(op: Op, tally: _Tally, facts: _Facts) -> bool:
    """Count one operation; whether it is machine code at all that a path waits for."""
    if op.kind == "start":
        tally.vector("start", op)
        return False
    if op.kind in ("none", "index") or facts.fused(op):
        tally.counts["index"] += op.kind == "index"
        return False
    if op.memory:
        tally.buffers.add(op.memory)
        return _access(op, tally, facts)
    if op.kind == "horizontal":
        tally.counts["horizontal"] += max(1, op.lanes.bit_length() - 1) * op.rows
    elif not op.lanes:
        tally.counts["scalar"] += 1
        tally.counts["scalar_half"] += op.kind == "half"
    elif op.element == "bf16" and op.kind in _ARITHMETIC:
        tally.counts["bf16_lanes"] += op.lanes * op.rows
    elif op.element == "f16" and op.kind in _ARITHMETIC:
        tally.counts["f16_lanes"] += op.lanes * op.rows
        tally.vector("f16", op)
    else:
        _vector(op, tally, facts)
    return True


def _vector(op: Op, tally: _Tally, facts: _Facts) -> None:
    kind = "fma" if op.kind == "multiply" else op.kind
    if kind == "broadcast" and facts.kind(op.operands[0]) == "scalar_load":
        kind = "load_broadcast"
    tally.vector(kind, op)
    if kind == "half":
        tally.counts["half_lanes"] += op.lanes * op.rows
    if op.kind == "fma" and facts.constant(op.operands[-1]):
        tally.vector("start", op)


def _access(op: Op, tally: _Tally, facts: _Facts) -> bool:
    if op.kind == "scalar_load" and op.result in facts.broadcast:
        return False
    if not op.lanes or op.kind in ("gather", "scatter"):
        tally.counts[op.kind] += op.active * op.rows if op.lanes else 1
    else:
        tally.vector(op.kind, op)
    if op.lanes:
        tally.counts["vector_accesses"] += op.rows
    if op.kind.startswith("masked"):
        tally.counts[f"{op.kind}_lanes{'' if op.bits <= _REGISTER else '_wide'}"] += op.active * op.rows
    return True


def _live(segment: _Segment, facts: _Facts) -> tuple[int, ...]:
    """Vector registers wanted at once, in the order of the text."""
    last = {name: at for at, op in enumerate(segment.ops) for name in op.operands}
    own = {op.result for op in segment.ops if op.result}
    now = [0] * len(WIDTHS)

    def change(bits: int, sign: int, rows: int = 1) -> None:
        for i, n in enumerate(_registers(bits, rows)):
            now[i] += sign * n

    for name in last.keys() - own:
        maker = facts.makers.get(name)
        if maker is not None and maker.lanes:
            change(maker.bits, 1, maker.rows)
    for _ in segment.loop.carried if segment.loop.carried_bits else ():
        change(segment.loop.carried_bits, 1)
    kept = {*segment.loop.carried, *segment.loop.yielded}
    most = list(now)
    for at, op in enumerate(segment.ops):
        if op.lanes and op.result and op.result not in kept:
            change(op.bits, 1, op.rows)
            most = [max(a, b) for a, b in zip(most, now, strict=True)]
        for name in {n for n in op.operands if n in own and n not in kept and last[n] == at}:
            maker = facts.makers[name]
            if maker.lanes:
                change(maker.bits, -1, maker.rows)
    return tuple(most)


def _chain(loop: Region) -> Lengths:
    """The longest path from a carried value to the one that replaces it."""
    lengths: dict[str, Lengths] = dict.fromkeys(loop.carried, _NONE)
    _follow(loop, lengths)
    return _longest(lengths[new] for new in loop.yielded if new in lengths)


def _longest(lengths: Iterable[Lengths]) -> Lengths:
    return max(lengths, key=sum, default=_NONE)


def _follow(region: Region, lengths: dict[str, Lengths]) -> None:
    for part in region.body:
        if isinstance(part, Region):
            for inner, outer in zip(part.carried, part.initial, strict=True):
                if outer in lengths:
                    lengths[inner] = lengths[outer]
            _follow(part, lengths)
            for place, (inner, new) in enumerate(zip(part.carried, part.yielded, strict=True)):
                if inner in lengths and new in lengths:
                    ends = zip(lengths[inner], lengths[new], strict=True)
                    a, b, c, d = (x + (y - x) * trips_of(part) for x, y in ends)
                    lengths[f"{part.result}#{place}"] = a, b, c, d
            continue
        through = [lengths[name] for name in part.operands if name in lengths]
        if through and part.result:
            fused, floats, extremes, others = _longest(through)
            kind = part.kind
            lengths[part.result] = (
                fused + (kind == "fma"), floats + (kind in _FLOAT and kind != "fma"), extremes + (kind == "extreme"),
                others + (kind not in _FLOAT and kind not in ("extreme", "none")),
            )  # fmt: skip
