"""Values alive at once: an estimate of register pressure.

Owns live ranges by backward marking from each use (Brandner et al., "Computing Liveness Sets for SSA-Form Programs",
2011, which gives what the standard dataflow equations give) and their sum over program points. A point lies before each
operation and at the end of each block. A block's arguments are defined where the block begins; what a terminator
forwards is used by the terminator. A value that a nested region uses is alive throughout the operation that holds the
region. Constants are never alive. Memory is linear in operations: a value alive through a block is a count there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from costmodel.ir.features.kinds import GENERAL, NO_REGISTER, REGISTER_CLASSES
from costmodel.ir.features.scan import BlockScan, Scan

_CLASSES = len(REGISTER_CLASSES)
_VALUES, _VECTORS, _COUNTS, _UNITS = 0, 1, 2, 2 + _CLASSES
_COLUMNS = _UNITS + _CLASSES
_ALIVE_AT_END = -1
_NEVER = 1 << 62

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
    """Where values are alive. `ends` is the point after the last use in a value's own block, 0 without one."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        weights: dict[tuple[int, int, bool], int] = {}
        self.weight_of = [
            weights.setdefault((kind.register, kind.units, kind.is_vector), len(weights)) for kind in scan.kinds
        ]
        self.weights = np.array([_weight(*weight) for weight in weights], np.int64).reshape(-1, _COLUMNS)
        self.ends = [0] * len(scan.kinds)
        self.entering = [[0] * len(scan.blocks) for _ in weights]
        self.leaving = [[0] * len(scan.blocks) for _ in weights]
        self.last_uses: list[list[int]] = [[] for _ in weights]
        self.holders: dict[Place, int] = {}
        """Of values used in blocks that hold regions, by block and value: the point after the last use there."""
        self._cross(self._local())

    def _local(self) -> dict[int, list[Place]]:
        """Last uses in the value's own block; those in other blocks of its region are returned."""
        ends, blocks, home = self.ends, self.scan.blocks, self.scan.home
        crossing: dict[int, list[Place]] = {}
        for index, entry in enumerate(blocks):
            first, limit, point = entry.first, entry.limit, entry.point
            foreign: dict[int, int] = {}
            for uses in entry.uses:
                point += 1
                for number in uses:
                    if first <= number < limit:
                        ends[number] = point
                    else:
                        foreign[number] = point
            for number, last in foreign.items():
                if blocks[home[number]].region == entry.region:
                    crossing.setdefault(number, []).append((index, last))
        return crossing

    def _cross(self, crossing: dict[int, list[Place]]) -> None:
        if not crossing:
            return
        scan, before = self.scan, _predecessors(self.scan)
        seen_in, seen_out = [-1] * len(scan.blocks), [-1] * len(scan.blocks)
        for number, places in crossing.items():
            home, weight = scan.home[number], self.weight_of[number]
            entering, leaving = self.entering[weight], self.leaving[weight]
            stack = [block for block, _ in places]
            while stack:
                block = stack.pop()
                if seen_in[block] == number:
                    continue
                seen_in[block] = number
                entering[block] += 1
                for source in before[block]:
                    if seen_out[source] != number:
                        seen_out[source] = number
                        leaving[source] += 1
                        if source != home:
                            stack.append(source)
            for block, last in places:
                stays = seen_out[block] == number
                if not stays:
                    self.last_uses[weight].append(last)
                if scan.blocks[block].inside:
                    self.holders[block, number] = _NEVER if stays else last
            if seen_out[home] == number:
                self.ends[number] = _ALIVE_AT_END

    def levels(self) -> Levels:
        """What is alive at each point, shape [columns, points]."""
        scan, total = self.scan, np.zeros((_COLUMNS, self.scan.points), np.int64)
        ends, at, weight_of = np.array(self.ends, np.int64), np.array(scan.at, np.int64), np.array(self.weight_of)
        early = (ends > 0) & (ends <= at)
        if early.any():  # used before its definition, as in blocks that nothing reaches
            begins = np.array([scan.blocks[block].point for block in scan.home], np.int64)
            at = np.where(early, begins, at)
        begins = np.array([entry.point for entry in scan.blocks], np.int64)
        limits = np.array([entry.point + len(entry.facts) + 1 for entry in scan.blocks], np.int64)
        for index, weight in enumerate(self.weights):
            mine = weight_of == index
            change = np.bincount(at[mine & (ends != 0)], minlength=scan.points + 1)
            change -= np.bincount(ends[mine & (ends > 0)], minlength=scan.points + 1)
            change[begins] += self.entering[index]
            change[limits] -= self.leaving[index]
            if self.last_uses[index]:
                change -= np.bincount(self.last_uses[index], minlength=scan.points + 1)
            level = np.cumsum(change[:-1])
            for column in np.flatnonzero(weight).tolist():
                total[column] += level if weight[column] == 1 else level * weight[column]
        return total

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
    levels += np.repeat(rows, sizes, axis=0).T
