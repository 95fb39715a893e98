"""What LLVM does to a scheduled kernel's loops before it is machine code: invariants and sums leave, loops unroll.

Owns these rules, on the tree of `lines`. An operation leaves a loop where none of its operands changes in it and, for a
load, nothing in the loop stores to its buffer (buffers do not alias). A loop of known length is unrolled while its
copies stay within `UNROLLED` operations, as LLVM's threshold at -O3 has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from costmodel.search.features.lines import Op, Region

UNROLLED = 300
UNKNOWN_TRIPS = 32.0
"""What block frequencies take for a loop of unknown length: a back edge of 97 %."""
_REGISTER = 128


def hoisted(root: Region) -> Region:
    """The same tree with invariants moved out of their loops, in place."""
    found: list[Op | Region] = []
    for part in root.body:
        if isinstance(part, Region) and not part.branch:
            found += _leave(part)
        found.append(part)
    root.body = found
    return root


def _leave(loop: Region) -> list[Op]:
    """Take out of a loop, and out of the loops in it, what does not change in it."""
    stored = set(_stored(loop))
    changing = {*loop.carried, loop.variable}
    kept: list[Op | Region] = []
    leaving: list[Op] = []
    for part in loop.body:
        for op in [part] if isinstance(part, Op) else [] if part.branch else _leave(part):
            if _invariant(op, changing, stored):
                leaving.append(op)
            else:
                kept.append(op)
                changing.add(op.result)
        if isinstance(part, Region):
            changing.add(part.result)
            kept.append(part)
    loop.body = kept
    return leaving


def promoted(region: Region) -> Region:
    """The same tree with sums that loops keep in memory kept in registers, in place: LLVM's scalar promotion.

    A place that does not change in a loop, read once and written once there, is read before it and written after it.
    """
    found: list[Op | Region] = []
    for part in region.body:
        if isinstance(part, Op) or part.branch:
            found.append(part)
            continue
        promoted(part)
        before, after = _promote(part)
        found += [*before, part, *after]
    region.body = found
    return region


def _promote(loop: Region) -> tuple[list[Op], list[Op]]:
    """Take the accesses out of a loop: what stands before and after it instead."""
    own = [part for part in loop.body if isinstance(part, Op)]
    changing = {loop.variable, *loop.carried, *(op.result for op in own if op.result)}
    touched = Counter(_touched(loop))
    before, after = [], list[Op]()
    for load in own:
        store = next((op for op in own if op.stores and op.memory == load.memory and op.place == load.place), None)
        if load.stores or store is None or not load.place or touched[load.memory] != 2 or changing & {*load.place}:
            continue
        name = f"{load.result}@{len(loop.carried)}"
        before.append(replace(load, result=name))
        after.append(replace(store, operands=(f"{loop.result}#{len(loop.carried)}", *store.operands[1:])))
        loop.carried += (load.result,)
        loop.initial += (name,)
        loop.yielded += (store.operands[0],)
        loop.body = [part for part in loop.body if part is not load and part is not store]
    return before, after


def _touched(region: Region) -> Iterator[str]:
    """The buffer of each access inside."""
    for part in region.body:
        if isinstance(part, Region):
            yield from _touched(part)
        elif part.memory:
            yield part.memory


def _stored(region: Region) -> list[str]:
    found = []
    for part in region.body:
        if isinstance(part, Region):
            found += _stored(part)
        elif part.stores:
            found.append(part.memory)
    return found


def _invariant(op: Op, changing: set[str], stored: set[str]) -> bool:
    if op.stores or op.memory in stored:
        return False
    return not any(name in changing or name.partition("#")[0] in changing for name in op.operands)


def trips_of(loop: Region) -> float:
    """Mean number of times that a loop's body runs once the loop is reached."""
    if loop.trips is not None:
        return loop.trips
    return loop.entered * (1.0 if loop.most is not None and loop.most <= 1 else UNKNOWN_TRIPS)


def unrolls(loop: Region) -> bool:
    """Whether nothing is left of a loop but copies of its body."""
    return loop.trips is not None and not loop.branch and loop.trips * max(1.0, size_of(loop)) <= UNROLLED


def copies_of(loop: Region, size: int, most: int) -> int:
    """Copies of a body of `size` operations that unrolling in part makes: no more than `most` operations, no rest.

    A loop of unknown length is copied a power of two times, at most eight. (LLVM's `computeUnrollCount`.)
    """
    fitting = max(1, (most - 2) // max(1, size))
    if loop.trips is None:
        return min(8, 1 << (fitting.bit_length() - 1))
    trips = int(loop.trips)
    return next((n for n in range(min(fitting, trips), 1, -1) if trips % n == 0), 1)


def size_of(region: Region) -> float:
    """Machine operations of a region's text, about."""
    total = 0.0
    for part in region.body:
        if isinstance(part, Region):
            inside = size_of(part)
            copies = trips_of(part) if unrolls(part) else 1.0
            total += inside * copies + 2
        elif part.kind != "none":
            each = part.lanes if part.kind in ("gather", "scatter") else 1
            total += each * (max(1, part.bits // _REGISTER) if part.lanes else 1)
    return total
