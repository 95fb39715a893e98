"""Working sets of loops and the distance between reuses, from strides and trip counts.

Owns the analytical model (after Wolf and Lam, "A Data Locality Optimizing Algorithm", 1991, and the footprint analysis
of polyhedral compilers). An access with strides s and width w touches, during one execution of a loop, the smaller of
w times the product of the trip counts that move it, and w plus the sum of |s| (trips - 1): its footprint. Accesses with
the same start and the same strides share one. A loop's working set is the sum of footprints. An access is reused in the
innermost loop around it that does not move it; the distance of that reuse is the working set of one iteration of that
loop: its inner loops' working sets and the widths of its own accesses. Unknown trip counts count as `UNKNOWN_TRIPS`;
unknown strides move by the access's width, trip by trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from costmodel.ir import costs, linalg
from costmodel.ir.features.scan import MAX_EXECUTED, UNKNOWN_TRIPS, Loop, Scan
from costmodel.ir.features.strides import CLASSES, StrideAnalysis, map_strides, stride_class
from costmodel.ir.mlir.structure import Operation

LEVELS = (("l1", 32 << 10), ("l2", 1 << 20), ("l3", 32 << 20))
"""Upper bounds in bytes of the cache levels that distances are sorted by; farther is `memory`, never is `none`."""
BUCKETS = ("l1", "l2", "l3", "memory", "none")
MAX_LEVELS = 8
"""Loops around an access that are looked at, from the innermost outward."""


Row = tuple[object, int, tuple[int | None, ...]]
"""One load or store: what it starts from, bytes, its stride in each loop around it (innermost first)."""
Group = tuple[tuple[Loop, ...], list[Row]]
"""Loops, innermost first, and what is accessed in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFeatures:
    """`strides` counts accesses by class, `executed_bytes` moved bytes by bucket of reuse distance, sets in bytes."""

    strides: dict[str, int]
    executed_bytes: dict[str, float]
    loops: dict[str, int]
    innermost_set: float
    largest_set: float


def memory_features(scan: Scan) -> MemoryFeatures:
    """Strides, working sets and reuse of a scanned function."""
    strides, executed = dict.fromkeys(CLASSES, 0), dict.fromkeys(BUCKETS, 0.0)
    executed["none"] += sum([num_bytes for _, num_bytes in scan.root.accesses])
    groups = _groups(scan)
    sets = _working_sets(groups)
    own: dict[Loop, int] = {}
    for loops, rows in groups:
        own[loops[0]] = own.get(loops[0], 0) + sum([num_bytes for _, num_bytes, _ in rows])
    distances: dict[Loop, str] = {}
    for loops, rows in groups:
        known: dict[tuple[int | None, ...], tuple[str, float]] = {}
        inner = loops[0]
        for _, num_bytes, moves in rows:
            if not inner.children:
                strides[stride_class(moves[0], num_bytes)] += 1
            reuse = known.get(moves)
            if reuse is None:
                reuse = known[moves] = _reuse(loops, moves, sets, own, distances)
            bucket, share = reuse
            total = num_bytes * inner.executed
            executed[bucket] += total * share
            executed["none"] += total * (1.0 - share)
    return _summed(strides, executed, sets)


def _summed(strides: dict[str, int], executed: dict[str, float], sets: dict[Loop, float]) -> MemoryFeatures:
    loops = dict.fromkeys(BUCKETS[:-1], 0)
    for size in sets.values():
        loops[_bucket(size)] += 1
    return MemoryFeatures(
        strides=strides,
        executed_bytes=executed,
        loops=loops,
        innermost_set=max([size for loop, size in sets.items() if not loop.children], default=0.0),
        largest_set=max(sets.values(), default=0.0),
    )


def _groups(scan: Scan) -> list[Group]:
    """Accesses inside loops: of each loop its own, then those of linalg operations."""
    analysis = StrideAnalysis(scan)
    found: list[Group] = []
    everywhere = scan.root.children[:]
    while everywhere:
        loop = everywhere.pop()
        everywhere.extend(loop.children)
        if not loop.accesses:
            continue
        around = _around(loop)
        rows: list[Row] = []
        for operation, num_bytes in loop.accesses:
            base, strides = analysis.access(operation)
            if num_bytes:
                moves = tuple([strides.get(outer, 0) for outer in around])
                rows.append((base if base is not None else object(), num_bytes, moves))
        if rows:
            found.append((around, rows))
    found += [group for operation, _, loop in scan.structured if (group := _structured(operation, loop))[1]]
    return found


def _around(loop: Loop) -> tuple[Loop, ...]:
    found: list[Loop] = []
    current: Loop | None = loop
    while current is not None and current.parent is not None and len(found) < MAX_LEVELS:
        found.append(current)
        current = current.parent
    return tuple(found)


def _structured(operation: Operation, loop: Loop) -> Group:
    """Accesses of a linalg operation, an element an iteration: inputs, outputs that are read, outputs written."""
    around = _around(loop)
    count = len(linalg.loop_sizes(operation))
    if not count or count > MAX_LEVELS:
        return around, []
    first_output = linalg.num_inputs(operation)
    types = tuple([value.type_text for value in operation.operands])
    rows: list[Row] = []
    for index, size, moves in _moves(operation.name, linalg.maps_text(operation), types, count, len(around)):
        times = 2 if index >= first_output and linalg.reads_output(operation, index) else 1
        rows += [(operation.operands[index], size, moves)] * times
    return around, rows


@lru_cache(maxsize=4096)
def _moves(
    name: str, maps_text: str | None, types: tuple[str, ...], count: int, depth: int
) -> tuple[tuple[int, int, tuple[int | None, ...]], ...]:
    """Of each operand of a linalg operation that is in memory: index, bytes of an element, strides in `depth` loops."""
    found: list[tuple[int, int, tuple[int | None, ...]]] = []
    for index, kind in enumerate(types):
        size = costs.element_bytes(kind)
        if size and linalg.operand_shape(kind):
            strides = map_strides(name, maps_text, kind, index)
            found.append((index, size, tuple([strides.get(count - 1 - place, 0) for place in range(depth)])))
    return tuple(found)


def _trips(loop: Loop) -> float:
    return float(UNKNOWN_TRIPS if loop.trips is None else min(loop.trips, MAX_EXECUTED))


def _working_sets(groups: list[Group]) -> dict[Loop, float]:
    """Bytes touched during one execution of each loop that holds accesses."""
    footprints: dict[Loop, dict[int, float]] = {}
    signatures: dict[tuple[object, int | None], int] = {}
    for loops, rows in groups:
        around = [(loop, _trips(loop), footprints.setdefault(loop, {})) for loop in loops]
        for base, num_bytes, moves in dict.fromkeys(rows):
            moved = span = float(num_bytes)
            signature: object = base
            for (_, trips, sizes), stride in zip(around, moves, strict=True):
                if stride != 0:
                    moved = min(MAX_EXECUTED, moved * trips)
                    span += (num_bytes if stride is None else abs(stride)) * max(0.0, trips - 1)
                    if stride is None:
                        span = max(span, moved)
                signature = signatures.setdefault((signature, stride), len(signatures))
                sizes[signature] = max(sizes.get(signature, 0.0), min(moved, span))
    return {loop: sum(sizes.values()) for loop, sizes in footprints.items()}


def _reuse(
    loops: tuple[Loop, ...],
    moves: tuple[int | None, ...],
    sets: dict[Loop, float],
    own: dict[Loop, int],
    distances: dict[Loop, str],
) -> tuple[str, float]:
    """Bucket of the distance to the next use of the same bytes, and the share of executions that are reuses."""
    for loop, stride in zip(loops, moves, strict=True):
        trips = _trips(loop)
        if stride == 0 and trips > 1:
            if loop not in distances:
                inner = sum(sets.get(child, 0.0) for child in loop.children)
                distances[loop] = _bucket(inner + own.get(loop, 0))
            return distances[loop], 1.0 - 1.0 / trips
    return "none", 0.0


def _bucket(size: float) -> str:
    return next((name for name, limit in LEVELS if size <= limit), "memory")
