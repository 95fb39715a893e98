"""Values alive at once: an estimate of register pressure.

Owns live ranges by backward marking from each use (Brandner et al., "Computing Liveness Sets for SSA-Form Programs",
2011, which gives what the standard dataflow equations give) and their sum over program points. A point lies before each
operation and at the end of each block. A block's arguments are defined where the block begins; what a terminator
forwards is used by the terminator. A value that a nested region uses is alive throughout the operation that holds the
region. Constants are never alive. Memory is linear in operations: a value alive through a block is a count there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from costmodel.ir.features.kinds import GENERAL, NO_REGISTER, REGISTER_CLASSES
from costmodel.ir.features.scan import BlockScan, Scan

_CLASSES = len(REGISTER_CLASSES)
_VALUES, _VECTORS, _COUNTS, _UNITS = 0, 1, 2, 2 + _CLASSES
_COLUMNS = _UNITS + _CLASSES
_ALIVE_AT_END = -1
_NEVER = 1 << 62
_TOGETHER = 4096
"""Uses across blocks that are looked at together."""

Levels = npt.NDArray[np.int64]
Place = tuple[int, int]
"""A block and the point after a value's last use in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Maxima over program points, each on its own: all values, vectors, and by register class counts and registers."""

    values: int
    vectors: int
    counts: tuple[int, ...]
    units: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """`widest` over the whole function, `deepest` over the blocks in the most loops."""

    widest: Peak
    deepest: Peak


def pressure(scan: Scan) -> Pressure:
    """Peaks of a scanned function."""
    _capture(scan)
    ranges = _Ranges(scan)
    levels = ranges.levels()
    if len(scan.region_blocks) > 1:
        _add_around(scan, ranges, levels)
    depth = max([entry.loop.depth for entry in scan.blocks], default=0)
    deep = [entry for entry in scan.blocks if entry.loop.depth == depth]
    widest = _peak(levels)
    if len(deep) == len(scan.blocks):
        return Pressure(widest=widest, deepest=widest)
    chosen = np.concatenate([np.arange(entry.point, entry.point + len(entry.facts) + 1) for entry in deep])
    return Pressure(widest=widest, deepest=_peak(levels[:, chosen]))


def _peak(levels: Levels) -> Peak:
    found = levels.max(axis=1, initial=0).tolist()
    return Peak(
        values=found[_VALUES],
        vectors=found[_VECTORS],
        counts=tuple(found[_COUNTS:_UNITS]),
        units=tuple(found[_UNITS:]),
    )


def _capture(scan: Scan) -> None:
    """What nested regions use counts as used by the operation that holds them; inner regions first."""
    captured: dict[int, set[int]] = {}
    for region in range(len(scan.region_blocks) - 1, -1, -1):
        blocks = scan.region_blocks[region]
        outside: set[int] = set()
        for index in blocks:
            entry = scan.blocks[index]
            for place, regions in entry.inside.items():
                inner = entry.captured[place] = set().union(*(captured[nested] for nested in regions))
                entry.uses[place] = [*entry.uses[place], *sorted(inner.difference(entry.uses[place]))]
            if region in scan.nested:
                outside.update(*entry.uses)
        if outside:
            home, last = scan.home, scan.blocks
            outside = {number for number in outside if last[home[number]].region != region}
        captured[region] = outside


class _Ranges:
    """Where values are alive. `ends` is the point after the last use in a value's own block, 0 without one.

    Values of one weight are counted together: `entering[w, b]` of weight w are alive where block b begins, `leaving`
    where it ends, `last_uses` are (weight, point) of those that blocks other than their own use for the last time.
    """

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        places = {kind: place for place, kind in enumerate(dict.fromkeys(scan.kinds))}
        weights: dict[tuple[int, int, bool], int] = {}
        numbers = [weights.setdefault((kind.register, kind.units, kind.is_vector), len(weights)) for kind in places]
        self.weights = np.array([_weight(*weight) for weight in weights], np.int64).reshape(-1, _COLUMNS)
        kinds = np.fromiter(map(places.__getitem__, scan.kinds), np.int64, len(scan.kinds))
        self.weight_of = np.array(numbers, np.int64)[kinds]
        self.home = scan.homes
        self.ends = np.zeros(len(scan.kinds), np.int64)
        self.entering = np.zeros((len(weights), len(scan.blocks)), np.int64)
        self.leaving = np.zeros(self.entering.shape, np.int64)
        self.last_uses: list[tuple[Levels, Levels]] = []
        self.holders: dict[Place, int] = {}
        """Of values used in blocks that hold regions, by block and value: the point after the last use there."""
        self._cross(*self._local())

    def _local(self) -> tuple[Levels, Levels, Levels]:
        """Last uses in the value's own block; those in other blocks of its region are returned: value, block, point."""
        value, user = _uses(self.scan)
        place = self.scan.places[user]
        point, home = user + place + 1, self.home[value]
        here = home == place
        self.ends[value[here]] = point[here]  # in order, so that the last one stays
        if len(self.scan.region_blocks) > 1:
            regions = np.array([entry.region for entry in self.scan.blocks], np.int64)
            here |= regions[home] != regions[place]
        value, place, point = value[~here], place[~here], point[~here]
        if not len(value):
            return value, place, point
        key = value * len(self.scan.blocks) + place
        _, last = np.unique(key[::-1], return_index=True)
        last = len(key) - 1 - last
        return value[last], place[last], point[last]

    def _cross(self, value: Levels, place: Levels, point: Levels) -> None:
        """What other blocks of the region use, some values at a time; they come sorted by value."""
        first = 0
        before = _predecessors(self.scan) if len(value) else []
        while first < len(value):
            last = int(value.searchsorted(value[min(first + _TOGETHER, len(value)) - 1], "right"))
            numbers, bit = np.unique(value[first:last], return_inverse=True)
            self._mark(numbers, bit, place[first:last], point[first:last], before)
            first = last

    def _mark(self, numbers: Levels, bit: Levels, place: Levels, point: Levels, before: list[list[int]]) -> None:
        """Spread values `numbers`, used for the last time at `point` in block `place`, back to their own blocks."""
        blocks = len(self.scan.blocks)
        weight, home = self.weight_of[numbers], self.home[numbers].tolist()
        entering, leaving = spread(
            gathered(place.tolist(), bit.tolist(), blocks), gathered(home, range(len(home)), blocks), before
        )
        for one in np.unique(weight).tolist():
            mask = sum(1 << i for i in (weight == one).nonzero()[0].tolist())
            self.entering[one] += [(bits & mask).bit_count() for bits in entering]
            self.leaving[one] += [(bits & mask).bit_count() for bits in leaving]
        stays = [leaving[b] >> i & 1 for b, i in zip(place.tolist(), bit.tolist(), strict=True)]
        ending = np.array(stays, bool) ^ True
        self.last_uses.append((weight[bit[ending]], point[ending]))
        alive = [bool(leaving[b] >> i & 1) for i, b in enumerate(home)]
        self.ends[numbers[alive]] = _ALIVE_AT_END
        if self.scan.nested:
            for b, i, last, stay in zip(place.tolist(), bit.tolist(), point.tolist(), stays, strict=True):
                if self.scan.blocks[b].inside:
                    self.holders[b, int(numbers[i])] = _NEVER if stay else last

    def levels(self) -> Levels:
        """What is alive at each point, shape [columns, points]."""
        scan, ends, at = self.scan, self.ends, self.scan.points_at
        begins = np.array([entry.point for entry in scan.blocks], np.int64)
        early = (ends > 0) & (ends <= at)
        if np.count_nonzero(early):  # used before its definition, as in blocks that nothing reaches
            at = np.where(early, begins[self.home], at)
        size = scan.points + 1
        shape = (len(self.weights), size)
        row = self.weight_of * size
        change = np.bincount((row + at)[ends != 0], minlength=shape[0] * size)
        gone = [(row + ends)[ends > 0], *(weight * size + point for weight, point in self.last_uses)]
        change = (change - np.bincount(np.concatenate(gone), minlength=shape[0] * size)).reshape(shape)
        if self.last_uses:
            change[:, begins] += self.entering
            change[:, np.append(begins[1:], scan.points)] -= self.leaving
        return np.asarray(self.weights.T @ change[:, :-1].cumsum(axis=1))

    def across(self, entry: BlockScan, index: int, place: int) -> tuple[list[int], list[int]]:
        """Values to add to and to take from what is alive after an operation, to have what is alive across it."""
        scan, after = self.scan, entry.point + place + 1
        here = [number for number in entry.captured[place] if scan.blocks[scan.home[number]].region == entry.region]
        added = [number for number in here if not self._is_alive(number, index, after)]
        first = entry.first
        dropped = [
            scan.number[value]
            for value in entry.block.operations[place].results
            if scan.number.get(value, -1) >= first and self.ends[scan.number[value]]
        ]
        return added, dropped

    def _is_alive(self, number: int, block: int, point: int) -> bool:
        end = self.ends[number] if self.scan.home[number] == block else self.holders.get((block, number), 0)
        return end == _ALIVE_AT_END or end > point


def _uses(scan: Scan) -> tuple[Levels, Levels]:
    """Values and the places of the operations that use them, in order; captured ones included."""
    if not scan.nested:
        there = scan.values >= 0
        return scan.values[there], scan.user[there]
    uses = [one for entry in scan.blocks for one in entry.uses]
    counts = np.fromiter(map(len, uses), np.int64, len(uses))
    values = np.fromiter(chain.from_iterable(uses), np.int64, int(counts.sum()))
    return values, np.arange(len(uses)).repeat(counts)


def gathered(blocks: Iterable[int], bits: Iterable[int], count: int) -> list[int]:
    """Sets of bits of each of `count` blocks."""
    found = [0] * count
    for block, bit in zip(blocks, bits, strict=True):
        found[block] |= 1 << bit
    return found


def spread(used: list[int], defined: list[int], before: list[list[int]]) -> tuple[list[int], list[int]]:
    """Values alive where each block begins and ends, as bits, from those that it uses from outside and defines."""
    entering, leaving = used[:], [0] * len(used)
    stack = [block for block, bits in enumerate(used) if bits]
    while stack:
        block = stack.pop()
        for source in before[block]:
            new = entering[block] & ~leaving[source]
            if new:
                leaving[source] |= new
                new &= ~(defined[source] | entering[source])
                if new:
                    entering[source] |= new
                    stack.append(source)
    return entering, leaving


def _weight(register: int, units: int, is_vector: bool) -> list[int]:
    row = [0] * _COLUMNS
    row[_VALUES], row[_VECTORS] = 1, int(is_vector)
    if register != NO_REGISTER:
        row[_COUNTS + register - GENERAL] = 1
        row[_UNITS + register - GENERAL] = units
    return row


def _predecessors(scan: Scan) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in scan.blocks]
    for index, entry in enumerate(scan.blocks):
        operations = entry.block.operations
        for target in operations[-1].successors if operations else ():
            block = scan.block_of.get(target)
            if block is not None and scan.blocks[block].region == entry.region:
                found[block].append(index)
    return found


def _add_around(scan: Scan, ranges: _Ranges, levels: Levels) -> None:
    """Add to the points of nested regions what is alive across the operations that hold them; outer ones first."""
    weights = ranges.weights.tolist()
    points = [entry.point + place + 1 for entry in scan.blocks for place in entry.inside]
    after = iter(levels[:, points].T.tolist())
    around: dict[int, list[int]] = {}
    for index, entry in enumerate(scan.blocks):
        outer = around.get(entry.region)
        for place, regions in entry.inside.items():
            base = next(after)
            added, dropped = ranges.across(entry, index, place)
            for numbers, sign in ((added, 1), (dropped, -1)):
                for number in numbers:
                    row = weights[ranges.weight_of[number]]
                    base = [total + sign * part for total, part in zip(base, row, strict=True)]
            if outer is not None:
                base = [total + part for total, part in zip(base, outer, strict=True)]
            around.update(dict.fromkeys(regions, base))
    nothing = [0] * _COLUMNS
    rows = np.array([around.get(entry.region, nothing) for entry in scan.blocks], np.int64)
    sizes = [len(entry.facts) + 1 for entry in scan.blocks]
    levels += rows.repeat(sizes, axis=0).T
