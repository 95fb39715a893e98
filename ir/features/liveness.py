"""Values alive at once: an estimate of register pressure.

Owns liveness sets by backward marking from each use (Brandner et al., "Computing Liveness Sets for SSA-Form Programs",
2011, which gives what the standard dataflow equations give) and the sweep over program points. A point lies before each
operation. A block's arguments are defined where the block begins; what a terminator forwards is used by the terminator.
A value that a nested region uses is alive throughout the operation that holds the region. Constants are never alive.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from costmodel.ir.features.kinds import REGISTER_CLASSES
from costmodel.ir.features.scan import Scan

_CLASSES = len(REGISTER_CLASSES) + 1


@dataclass(slots=True, kw_only=True)
class Peak:
    """Maxima over program points, each on its own: all values, vectors, and by register class counts and registers."""

    values: int = 0
    vectors: int = 0
    is_set: bool = False
    counts: list[int] = field(default_factory=lambda: [0] * _CLASSES)
    units: list[int] = field(default_factory=lambda: [0] * _CLASSES)

    def raise_to(self, other: Peak) -> None:
        """Keep the larger of each number."""
        if not other.is_set:
            return
        self.is_set = True
        self.values, self.vectors = max(self.values, other.values), max(self.vectors, other.vectors)
        self.counts = list(map(max, self.counts, other.counts))
        self.units = list(map(max, self.units, other.units))

    def above(self, base: Peak) -> Peak:
        """These maxima inside an operation across which `base` is alive."""
        return Peak(
            is_set=self.is_set,
            values=self.values + base.values,
            vectors=self.vectors + base.vectors,
            counts=[a + b for a, b in zip(self.counts, base.counts, strict=True)],
            units=[a + b for a, b in zip(self.units, base.units, strict=True)],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """`widest` over the whole function, `deepest` over the blocks in the most loops."""

    widest: Peak
    deepest: Peak


def pressure(scan: Scan) -> Pressure:
    """Peaks of a scanned function; regions are swept from the inside out."""
    depth = max((entry.loop.depth for entry in scan.blocks), default=0)
    peaks: list[tuple[Peak, Peak]] = [(Peak(), Peak()) for _ in scan.region_blocks]
    captured: list[set[int]] = [set() for _ in scan.region_blocks]
    widest, deepest = Peak(), Peak()
    inner = _nested(scan)
    for region in range(len(scan.region_blocks) - 1, -1, -1):
        blocks = scan.region_blocks[region]
        _add_captured(scan, blocks, captured)
        live_out, captured[region] = _boundaries(scan, blocks)
        for block in blocks:
            peak = _sweep(scan, block, live_out[block], peaks)
            peaks[region][0].raise_to(peak[0])
            if scan.blocks[block].loop.depth == depth:
                peaks[region][1].raise_to(peak[0])
            peaks[region][1].raise_to(peak[1])
        if region not in inner:
            widest.raise_to(peaks[region][0])
            deepest.raise_to(peaks[region][1])
    return Pressure(widest=widest, deepest=deepest)


def _nested(scan: Scan) -> set[int]:
    return {region for entry in scan.blocks for regions in entry.inside.values() for region in regions}


def _add_captured(scan: Scan, blocks: list[int], captured: list[set[int]]) -> None:
    """What nested regions use counts as used by the operation that holds them."""
    for block in blocks:
        entry = scan.blocks[block]
        for place, regions in entry.inside.items():
            outside = entry.captured[place] = set().union(*(captured[region] for region in regions))
            entry.uses[place] = [*entry.uses[place], *sorted(outside - set(entry.uses[place]))]


def _boundaries(scan: Scan, blocks: list[int]) -> tuple[dict[int, set[int]], set[int]]:
    """Values alive at the end of each block, and those used here but defined outside."""
    home, inside = scan.home, set(blocks)
    live_in: dict[int, set[int]] = {block: set() for block in blocks}
    live_out: dict[int, set[int]] = {block: set() for block in blocks}
    before = _predecessors(scan, blocks)
    outside: set[int] = set()
    for block in blocks:
        exposed = {number for uses in scan.blocks[block].uses for number in uses if home[number] != block}
        for number in exposed:
            if home[number] not in inside:
                outside.add(number)
            else:
                _mark(number, block, home[number], live_in, live_out, before)
    if len(blocks) == 1:
        return live_out, outside
    for block in blocks:  # what comes from outside the region is counted at the operation that holds it
        live_out[block] -= outside
    return live_out, outside


def _mark(
    number: int,
    block: int,
    home: int,
    live_in: dict[int, set[int]],
    live_out: dict[int, set[int]],
    before: dict[int, list[int]],
) -> None:
    stack = [block]
    while stack:
        current = stack.pop()
        alive = live_in[current]
        if number in alive:
            continue
        alive.add(number)
        for source in before[current]:
            live_out[source].add(number)
            if source != home:
                stack.append(source)


def _predecessors(scan: Scan, blocks: list[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {block: [] for block in blocks}
    if len(blocks) == 1:
        return found
    for block in blocks:
        operations = scan.blocks[block].block.operations
        for target in operations[-1].successors if operations else ():
            index = scan.block_of.get(target)
            if index in found:
                found[index].append(block)
    return found


def _sweep(scan: Scan, block: int, live_out: set[int], peaks: list[tuple[Peak, Peak]]) -> tuple[Peak, Peak]:
    """Backward over one block: the peak of its own points, and that of the deepest loops nested in it."""
    entry = scan.blocks[block]
    kinds, home, region_home = scan.kinds, scan.home, entry.region
    regions = scan.blocks
    number_of = scan.number
    live: set[int] = set()
    counts, units, vectors = [0] * _CLASSES, [0] * _CLASSES, 0
    best, best_units, best_values, best_vectors = [0] * _CLASSES, [0] * _CLASSES, 0, 0
    widest, deepest = Peak(), Peak()
    operations = entry.block.operations
    pending = list(live_out)
    for place in range(len(operations), -1, -1):
        if place < len(operations):
            for result in operations[place].results:
                number = number_of.get(result)
                if number in live:
                    live.remove(number)
                    kind = kinds[number]
                    counts[kind.register] -= 1
                    units[kind.register] -= kind.units
                    vectors -= kind.is_vector
            pending = entry.uses[place]
            if place in entry.inside:
                here = {number for number in entry.captured[place] if regions[home[number]].region == region_home}
                base = _across(scan, live | here)
                for region in entry.inside[place]:
                    widest.raise_to(peaks[region][0].above(base))
                    if peaks[region][1].is_set:
                        deepest.raise_to(peaks[region][1].above(base))
        for number in pending:
            if number in live or regions[home[number]].region != region_home:
                continue
            live.add(number)
            kind = kinds[number]
            register = kind.register
            counts[register] += 1
            units[register] += kind.units
            vectors += kind.is_vector
            if counts[register] > best[register]:
                best[register] = counts[register]
            if units[register] > best_units[register]:
                best_units[register] = units[register]
        if len(live) > best_values:
            best_values = len(live)
        if vectors > best_vectors:
            best_vectors = vectors
    widest.raise_to(Peak(is_set=True, values=best_values, vectors=best_vectors, counts=best, units=best_units))
    return widest, deepest


def _across(scan: Scan, alive: set[int]) -> Peak:
    base = Peak(values=len(alive))
    for number in alive:
        kind = scan.kinds[number]
        base.vectors += kind.is_vector
        base.counts[kind.register] += 1
        base.units[kind.register] += kind.units
    return base
