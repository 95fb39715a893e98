"""What LLVM does to a scheduled kernel's loops before it is machine code: invariants leave, short loops unroll.

Owns both rules, on the tree of `lines`. An operation leaves a loop where none of its operands changes in it and, for a
load, nothing in the loop stores to its buffer (buffers do not alias). A loop of known length is unrolled while its
copies stay within `UNROLLED` operations, as LLVM's threshold at -O3 has it.
"""

from __future__ import annotations

from costmodel.search.features.lines import Op, Region

UNROLLED = 300
UNKNOWN_TRIPS = 32.0
"""What block frequencies take for a loop of unknown length: a back edge of 97 %."""
_ENDLESS = 1e9
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


def size_of(region: Region) -> float:
    """Machine operations of a region's text, about."""
    total = 0.0
    for part in region.body:
        if isinstance(part, Region):
            inside = size_of(part)
            repeated = trips_of(part) if part.trips is not None else _ENDLESS
            copies = 1.0 if part.branch else repeated if repeated * inside <= UNROLLED else _ENDLESS
            total += inside * copies + 2
        elif part.kind != "none":
            each = part.lanes if part.kind in ("gather", "scatter") else 1
            total += each * (max(1, part.bits // _REGISTER) if part.lanes else 1)
    return total
