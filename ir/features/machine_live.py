"""Values that want registers at once, after folding, and those that must survive calls.

Owns liveness on blocks as sets of bits (Brandner et al., Computing Liveness Sets for SSA-Form Programs, 2011) and the
sum over points as changes along the operations. Values that cost nothing (casts, folded addresses) are what they are
made of; a promoted variable is one value with several definitions. Frame addresses and constants are never alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from costmodel.ir.features.kinds import TypeFacts
from costmodel.ir.features.liveness import gathered, spread
from costmodel.ir.features.machine_columns import C, Kind
from costmodel.ir.features.machine_flat import Flat, Ints, Mask, Numbers
from costmodel.ir.features.machine_fold import Folded

GENERAL, UNITS128, UNITS256, UNITS512, PREDICATE, KEPT, KEPT_FLOATS = range(7)
_CLASSES = 7
_COLUMNS = np.arange(_CLASSES)
_NONE = np.zeros((1, _CLASSES), np.float32)
_NO_LINES = (np.zeros(0, np.int64), np.zeros(0, np.int64))
_KEPT_BITS = 64
"""AArch64 and RISC-V preserve so much of some float registers across calls."""
MAX_BITS = 1 << 30
"""Blocks times values that cross them; beyond that each block is looked at by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """`levels` `[n, 7]`: alive across each operation, by class: general, vectors of three widths, predicates.

    Then general values that some call comes amid, which want a register that calls preserve wherever they are alive,
    and floats and vectors of at most 64 bits that do.
    """

    levels: Numbers
    before: Numbers
    """`[n, 7]`: those and the operands that end there."""
    through: Numbers
    """`[blocks, 7]`: alive through a block's beginning."""
    lost: float
    """Registers of 128 bits of vectors that some call comes amid."""
    lost_wide: float
    """Those of more than 64 bits."""
    lost_targets: float
    """Targets of jumps to elsewhere that some call comes amid: no register that calls preserve may hold them."""


def live(flat: Flat, folded: Folded, before: list[list[int]], calls: Mask) -> Live:
    """Levels of a function; `before` are the predecessors of each block, `calls` `[n]` what returns from elsewhere."""
    alias = _aliases(flat, folded)
    weights = _weights(flat)
    targets = _targets(flat, alias)
    weights[targets, KEPT] = 0.0
    value = alias[flat.value]
    wanted = (value >= 0) & (flat.kind[flat.user] != Kind.FREE)
    operation = flat.user[wanted]
    used: Ints = value[wanted]
    home = flat.home
    place = flat.block[operation]
    crossing = used[home[used] != place]
    crossing = np.unique(crossing) if len(crossing) else crossing
    entering, leaving = _sets(before, used, place, home, crossing)
    return _levels(flat, used, operation, home, crossing, entering, leaving, weights, calls, targets)


def _aliases(flat: Flat, folded: Folded) -> Ints:
    """What each value is made of where it costs nothing; -1 for what is never alive."""
    alias = np.arange(len(flat.defined))
    kind = flat.kind
    frame = ((kind == Kind.ALLOCA) & ~flat.variable).nonzero()[0]
    free = (kind == Kind.FREE) | (kind == Kind.TRUNC)
    free |= (kind == Kind.ADDRESS) & (folded.cost[:, 0] == 0) & (flat.table[:, C["dynamic"]] == 0)
    free &= ~flat.variable & flat.alive
    result = np.full(flat.size, -1, np.int64)
    there = (flat.defined >= 0).nonzero()[0]
    result[flat.defined[there]] = there
    alias[result[frame[result[frame] >= 0]]] = -1
    chosen = (free & (result >= 0)).nonzero()[0]
    if not len(chosen):
        return alias
    found = alias.tolist()
    for target, base in zip(result[chosen].tolist(), flat.first[chosen].tolist(), strict=True):
        found[target] = found[base] if base >= 0 else -1
    return np.array(found, np.int64)


def _targets(flat: Flat, alias: Ints) -> Ints:
    """Values that calls which are jumps go to."""
    if not np.count_nonzero(flat.tail):
        return np.zeros(0, np.int64)
    jumps = flat.tail & (flat.table[:, C["indirect"]] > 0)
    found = np.unique(alias[flat.value[jumps[flat.user] & (flat.position == 0)]])
    return np.asarray(found[found >= 0])


def _lanes(flat: Flat, lanes: Mask) -> Ints:
    """Floats that are lanes of vectors somewhere: results and operands of what takes lanes apart or joins bits."""
    made = (flat.defined >= 0).nonzero()[0]
    return np.concatenate([flat.value[lanes[flat.user]], made[lanes[flat.defined[made]]]])


def _weights(flat: Flat) -> Numbers:
    """`[values, 7]` registers that each value takes."""
    weights = np.zeros((len(flat.defined), _CLASSES), np.float32)
    made = (flat.defined >= 0).nonzero()[0]
    rows = flat.table[flat.defined[made]]
    weights[made, :KEPT] = rows[:, C["alive_general"] : C["alive_predicate"] + 1]
    weights[made, KEPT] = rows[:, C["alive_general"]]
    weights[made, KEPT_FLOATS] = (rows[:, C["alive_128"]] > 0) & (rows[:, C["bits"]] <= _KEPT_BITS)
    lanes = flat.table[:, C["lanes"]] > 0
    if np.count_nonzero(lanes):
        weights[_lanes(flat, lanes), KEPT_FLOATS] = 0.0
    kinds = flat.scan.kinds
    arguments = (flat.defined < 0).nonzero()[0]
    if len(arguments):
        weights[arguments] = [_argument_weights(kinds[number]) for number in arguments.tolist()]
    return weights


@lru_cache(maxsize=4096)
def _argument_weights(facts: TypeFacts) -> tuple[float, ...]:
    if facts.register == 0:
        return (facts.units, 0, 0, 0, 0, facts.units, 0)
    if facts.register == 1:
        parts = (-(-max(facts.bits, 8) // width) for width in (128, 256, 512))
        return (0, *parts, 0, 0, facts.bits <= _KEPT_BITS)
    return (0, 0, 0, 0, facts.register == 2, 0, 0)


def _sets(before: list[list[int]], used: Ints, place: Ints, home: Ints, crossing: Ints) -> tuple[list[int], list[int]]:
    """Crossing values alive where each block begins and ends, as bits."""
    count = len(before)
    if not len(crossing) or count * len(crossing) > MAX_BITS:
        return [0] * count, [0] * count
    bit = np.full(len(home), -1, np.int64)
    bit[crossing] = np.arange(len(crossing))
    outside = ((bit[used] >= 0) & (home[used] != place)).nonzero()[0]
    gen = gathered(place[outside].tolist(), bit[used[outside]].tolist(), count)
    return spread(gen, gathered(home[crossing].tolist(), range(len(crossing)), count), before)


def _levels(
    flat: Flat, used: Ints, operation: Ints, home: Ints, crossing: Ints, entering: list[int], leaving: list[int],
    weights: Numbers, calls: Mask, targets: Ints,
) -> Live:  # fmt: skip
    """Sum of what begins and ends before each operation."""
    blocks = len(flat.scan.blocks)
    starts = flat.block.searchsorted(np.arange(blocks + 1))
    place = flat.block[operation]
    begin = np.where(flat.defined >= 0, flat.defined + 1, starts[home])
    own, value, last = _last_uses(used, operation, place, home, blocks)
    stays = _stays(value, flat.block[last], crossing, leaving)
    born = np.concatenate([own, _unused_here(own, crossing, leaving, home)])
    done = np.concatenate([[0], calls.cumsum()])
    uses = _Uses(value=value, last=last, stays=stays, begin=begin, starts=starts, elsewhere=born[len(own) :])
    kept = _kept(flat, home, uses, done, crossing, entering, leaving) if done[-1] else np.zeros(len(home), bool)
    lines = _symbol_lines(flat, done) if done[-1] else _NO_LINES
    wide = weights[kept, UNITS128]
    lost, lost_wide = float(wide.sum()), float(wide[weights[kept, KEPT_FLOATS] == 0].sum())
    weights[~kept, KEPT:] = 0.0
    through = _counts(entering, crossing, weights)
    ends = _counts(leaving, crossing, weights)
    ending = _summed(flat.size, last[~stays], weights[value[~stays]])
    change = _summed(flat.size, np.minimum(begin[born], flat.size), weights[born]) - ending
    if len(crossing):
        change += _summed(flat.size, starts, np.concatenate([through, _NONE]) - np.concatenate([_NONE, ends]))
    if len(lines[0]):
        np.add.at(change[:, KEPT], lines[0], 1.0)
        np.add.at(change[:, KEPT], lines[1], -1.0)
        np.add.at(ending[:, KEPT], lines[1], 1.0)
    levels = change[:-1].cumsum(axis=0, dtype=np.float32)
    return Live(
        levels=np.maximum(levels, 0),
        before=np.maximum(levels + ending[:-1], 0),
        through=through,
        lost=lost,
        lost_wide=lost_wide,
        lost_targets=float(np.count_nonzero(kept[targets])),
    )


def _last_uses(used: Ints, operation: Ints, place: Ints, home: Ints, blocks: int) -> tuple[Ints, Ints, Ints]:
    """Values that their own block uses; then each value and block that uses it: the value and its last user there."""
    last = np.full(len(home), -1, np.int64)
    inside = home[used] == place
    last[used[inside]] = operation[inside]  # in order, so that the last one stays
    own = (last >= 0).nonzero()[0]
    if len(inside) == np.count_nonzero(inside):
        return own, own, last[own]
    value, user = used[~inside], operation[~inside]
    key = value * blocks + place[~inside]
    _, index = np.unique(key[::-1], return_index=True)
    index = len(key) - 1 - index
    return own, np.concatenate([own, value[index]]), np.concatenate([last[own], user[index]])


def _summed(size: int, points: Ints, weights: Numbers) -> Numbers:
    """Weights `[k, 7]` added up by point, `[size + 1, 7]`."""
    flat = (points[:, None] * _CLASSES + _COLUMNS).reshape(-1)
    total = np.bincount(flat, weights.reshape(-1), (size + 1) * _CLASSES)
    return total.astype(np.float32).reshape(-1, _CLASSES)


def _counts(sets: list[int], crossing: Ints, weights: Numbers) -> Numbers:
    """Registers of each set of crossing values, `[blocks, 7]`."""
    found = np.zeros((len(sets), _CLASSES), np.float32)
    if not len(crossing):
        return found
    size = -(-len(crossing) // 8)
    chosen = weights[crossing]
    for start in range(0, len(sets), 256):
        part = sets[start : start + 256]
        raw = np.frombuffer(b"".join(one.to_bytes(size, "little") for one in part), np.uint8).reshape(len(part), size)
        bits = np.unpackbits(raw, axis=1, bitorder="little", count=len(crossing))
        found[start : start + len(part)] = bits.astype(np.float32) @ chosen
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uses:
    """Values and their last users block by block; `begin` by value, `starts` by block; `elsewhere` not used at home."""

    value: Ints
    last: Ints
    stays: Mask
    begin: Ints
    starts: Ints
    elsewhere: Ints


def _kept(
    flat: Flat, home: Ints, uses: _Uses, done: Ints, crossing: Ints, entering: list[int], leaving: list[int]
) -> Mask:
    """Values that some call comes amid, `[values]`; `done[i]` calls come before operation i."""
    kept = np.zeros(len(home), bool)
    starts, begin = uses.starts, uses.begin
    inside = flat.block[uses.last]
    end = np.where(uses.stays, starts[inside + 1], uses.last)
    first = np.where(home[uses.value] == inside, begin[uses.value], starts[inside])
    kept[uses.value[done[end] > done[np.minimum(first, end)]]] = True
    out = uses.elsewhere
    kept[out[done[starts[home[out] + 1]] > done[np.minimum(begin[out], flat.size)]]] = True
    through = 0
    for block in (done[starts[1:]] > done[starts[:-1]]).nonzero()[0].tolist():
        through |= entering[block] & leaving[block]
    kept[crossing] |= _bits(through, len(crossing))
    return kept


def _symbol_lines(flat: Flat, done: Ints) -> tuple[Ints, Ints]:
    """Where addresses of other modules' symbols begin and end that a block asks for before and after a call."""
    rows = ((flat.table[:, C["outside"]] > 0) & (flat.table[:, C["imm"]] > 0) & flat.alive).nonzero()[0]
    if len(rows) < 2:
        return _NO_LINES
    key = (flat.block[rows] << 32) + flat.table[rows, C["imm"]].astype(np.int64)
    _, first, index = np.unique(key, return_index=True, return_inverse=True)
    last = np.zeros(len(first), np.int64)
    np.maximum.at(last, index, rows)
    begin = rows[first]
    amid = done[last] > done[begin]
    return begin[amid], last[amid]


def _bits(number: int, count: int) -> Mask:
    """The lowest `count` bits of a number."""
    raw = np.frombuffer(number.to_bytes(-(-count // 8), "little"), np.uint8)
    return np.unpackbits(raw, bitorder="little", count=count).astype(bool)


def _stays(value: Ints, block: Ints, crossing: Ints, leaving: list[int]) -> Mask:
    """Whether a value used in a block is alive where the block ends."""
    found = np.zeros(len(value), bool)
    if not len(crossing):
        return found
    bit = crossing.searchsorted(value)
    near = np.minimum(bit, len(crossing) - 1)
    maybe = (crossing[near] == value).nonzero()[0]
    numbers, places = near[maybe].tolist(), block[maybe].tolist()
    found[maybe] = [bool(leaving[place] >> number & 1) for number, place in zip(numbers, places, strict=True)]
    return found


def _unused_here(seen: Ints, crossing: Ints, leaving: list[int], home: Ints) -> Ints:
    """Crossing values that their own block does not use, yet leave it."""
    if not len(crossing):
        return crossing
    used = np.zeros(len(home), bool)
    used[seen] = True
    rest = crossing[~used[crossing]]
    bit = crossing.searchsorted(rest).tolist()
    kept = [bool(leaving[place] >> number & 1) for number, place in zip(bit, home[rest].tolist(), strict=True)]
    return np.asarray(rest[np.array(kept, bool)])
