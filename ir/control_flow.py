"""Loops made of branches: natural loops of a region's blocks, and their trip counts.

Owns dominators, natural loops and the recognition of counted loops (an argument of the header that starts at a
constant, grows by a constant, and is compared with a constant). Invariant: a trip count is exact or None. Irreducible
cycles are not loops here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from costmodel.core.errors import ParseError
from costmodel.ir import semantics
from costmodel.ir.mlir.structure import Block, Operation, Region, Value

_ADDITIONS = frozenset(("llvm.add", "arith.addi", "index.add"))
_COMPARISONS = frozenset(("llvm.icmp", "arith.cmpi", "index.cmp"))
_EQ, _NE = 0, 1
_LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL = (2, 6), (3, 7), (4, 8), (5, 9)
_SWAPPED = {0: 0, 1: 1, 2: 4, 3: 5, 4: 2, 5: 3, 6: 8, 7: 9, 8: 6, 9: 7}
_OPPOSITE = {0: 1, 1: 0, 2: 5, 3: 4, 4: 3, 5: 2, 6: 9, 7: 8, 8: 7, 9: 6}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NaturalLoop:
    """Blocks of a loop; `trips` is how often its body runs for each entry, None where not known."""

    header: Block
    blocks: frozenset[Block]
    trips: int | None


def successors(block: Block) -> list[Block]:
    """Successors of a block's last operation."""
    operations = block.operations
    return operations[-1].successors if operations else []


def natural_loops(region: Region) -> list[NaturalLoop]:
    """Loops of the region, those with the same header merged, in the order of their headers."""
    if len(region.blocks) < 2 and not (region.blocks and successors(region.blocks[0])):
        return []
    order = reverse_postorder(region.blocks[0])
    number = {block: index for index, block in enumerate(order)}
    predecessors: dict[Block, list[Block]] = {block: [] for block in order}
    for block in order:
        for target in successors(block):
            predecessors[target].append(block)
    dominator = immediate_dominators([[number[other] for other in predecessors[block]] for block in order])
    latches: dict[Block, list[Block]] = {}
    for index, block in enumerate(order):
        for target in successors(block):
            if number[target] <= index and _dominates(number[target], index, dominator):
                latches.setdefault(target, []).append(block)
    return [_loop(header, latches[header], predecessors) for header in order if header in latches]


def reverse_postorder(entry: Block) -> list[Block]:
    """Blocks that the entry reaches, each before its successors but for edges back."""
    seen = {entry}
    stack = [(entry, iter(successors(entry)))]
    order: list[Block] = []
    while stack:
        block, targets = stack[-1]
        for target in targets:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(successors(target))))
                break
        else:
            order.append(block)
            stack.pop()
    return order[::-1]


def immediate_dominators(predecessors: Sequence[Iterable[int]]) -> list[int]:
    """Of blocks numbered in reverse postorder; the entry's is itself.

    Source: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm".
    """
    before = [sorted(set(numbers), reverse=True) for numbers in predecessors]
    again = any(known and known[0] >= index for index, known in enumerate(before))
    found = [-1] * len(before)
    found[0] = 0
    changed = True
    while changed:
        changed = False
        for index in range(1, len(before)):
            known = before[index]
            best = known[0] if len(known) == 1 else meet([other for other in known if found[other] >= 0], found)
            if best != found[index]:
                found[index] = best
                changed = again
    return found


def meet(blocks: list[int], dominator: list[int]) -> int:
    """What dominates all of `blocks`, largest first, given each one's immediate dominator, which is smaller.

    No block on the way is passed twice, however many they are.
    """
    best, passed = blocks[0], set[int]()
    for block in blocks[1:]:
        while block != best and block not in passed:
            if block > best:
                passed.add(block)
                block = dominator[block]
            else:
                passed.add(best)
                best = dominator[best]
    return best


def _dominates(upper: int, lower: int, dominator: list[int]) -> bool:
    while lower > upper:
        lower = dominator[lower]
    return lower == upper


def _loop(header: Block, latches: list[Block], predecessors: dict[Block, list[Block]]) -> NaturalLoop:
    blocks = {header}
    stack = list(latches)
    while stack:
        block = stack.pop()
        if block not in blocks:
            blocks.add(block)
            stack.extend(predecessors[block])
    inside = frozenset(blocks)
    trips = _trips(header, latches[0], inside, predecessors) if len(set(latches)) == 1 else None
    return NaturalLoop(header=header, blocks=inside, trips=trips)


def _trips(header: Block, latch: Block, blocks: frozenset[Block], predecessors: dict[Block, list[Block]]) -> int | None:
    exits = [block for block in blocks if not blocks.issuperset(successors(block))]
    if len(exits) != 1 or exits[0] not in (header, latch):
        return None
    test = exits[0]
    branch = test.operations[-1]
    if len(branch.successors) != 2 or not branch.operands:
        return None
    comparison = branch.operands[0].owner
    if not isinstance(comparison, Operation) or comparison.name not in _COMPARISONS:
        return None
    predicate = _predicate(comparison)
    if predicate is None:
        return None
    stay = predicate if branch.successors[0] in blocks else _OPPOSITE[predicate]
    tested, bound = comparison.operands[0], semantics.integer_constant(comparison.operands[1])
    if bound is None:
        tested, bound = comparison.operands[1], semantics.integer_constant(comparison.operands[0])
        stay = _SWAPPED[stay]
    counter = _counter(tested, header, latch, predecessors)
    if counter is None or bound is None:
        return None
    passes = _passes(counter[0], counter[1], bound, stay)
    return passes if passes is None or test is not latch else passes + 1


def _predicate(comparison: Operation) -> int | None:
    attribute = comparison.attribute("predicate")
    try:
        number = attribute.as_int() if attribute is not None else None
    except ParseError:
        return None
    return number if number in _OPPOSITE else None


def _counter(
    tested: Value, header: Block, latch: Block, predecessors: dict[Block, list[Block]]
) -> tuple[int, int] | None:
    """Value at the first test, and the step, if `tested` counts by a constant."""
    for index, argument in enumerate(header.args):
        following = _incoming(latch, header, index)
        if following is None or not isinstance(following.owner, Operation) or following.owner.name not in _ADDITIONS:
            continue
        if tested is not argument and tested is not following:
            continue
        left, right = following.owner.operands[:2]
        step = semantics.integer_constant(right if left is argument else left)
        if argument not in (left, right) or not step:
            return None
        starts = {_start(block, header, index) for block in predecessors[header] if block is not latch}
        start = starts.pop() if len(starts) == 1 else None
        if start is None:
            return None
        return (start + step if tested is following else start), step
    return None


def _start(block: Block, header: Block, index: int) -> int | None:
    value = _incoming(block, header, index)
    return semantics.integer_constant(value) if value is not None else None


def _incoming(block: Block, header: Block, index: int) -> Value | None:
    for target, values in semantics.forwarded(block.operations[-1]):
        if target is header:
            return values[index] if index < len(values) else None
    return None


def _passes(start: int, step: int, bound: int, stay: int) -> int | None:
    """How often `stay(start + k * step, bound)` holds in a row from k = 0; None if it may not end."""
    if stay == _NE:
        distance = bound - start
        return distance // step if distance % step == 0 and distance // step >= 0 else None
    if stay == _EQ:
        return int(start == bound)
    if stay in _LESS_EQUAL or stay in _GREATER_EQUAL:
        bound += 1 if stay in _LESS_EQUAL else -1
    upward = stay in _LESS or stay in _LESS_EQUAL
    if not upward:
        start, step, bound = -start, -step, -bound
    if start >= bound:
        return 0
    return -(-(bound - start) // step) if step > 0 else None
