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

from costmodel.ir import costs, linalg
from costmodel.ir.features.scan import MAX_EXECUTED, UNKNOWN_TRIPS, Loop, Scan
from costmodel.ir.features.strides import CLASSES, StrideAnalysis, Strides, map_strides, stride_class
from costmodel.ir.mlir.structure import Operation, Value

LEVELS = (("l1", 32 << 10), ("l2", 1 << 20), ("l3", 32 << 20))
"""Upper bounds in bytes of the cache levels that distances are sorted by; farther is `memory`, never is `none`."""
BUCKETS = ("l1", "l2", "l3", "memory", "none")
MAX_LEVELS = 8
"""Loops around an access that are looked at, from the innermost outward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One load or store: what it starts from, bytes, the loops around it (innermost first), strides."""

    base: Value | None
    num_bytes: int
    loops: tuple[Loop, ...]
    strides: Strides


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
    accesses = [access for access in _accesses(scan) if access.num_bytes]
    sets = _working_sets(accesses)
    own: dict[Loop, int] = {}
    for access in accesses:
        if access.loops:
            own[access.loops[0]] = own.get(access.loops[0], 0) + access.num_bytes
    strides, executed = dict.fromkeys(CLASSES, 0), dict.fromkeys(BUCKETS, 0.0)
    for access in accesses:
        if not access.loops:
            executed["none"] += access.num_bytes
            continue
        if not access.loops[0].children:
            strides[stride_class(access.strides.get(access.loops[0], 0), access.num_bytes)] += 1
        bucket, share = _reuse(access, sets, own)
        total = access.num_bytes * access.loops[0].executed
        executed[bucket] += total * share
        executed["none"] += total * (1.0 - share)
    loops = dict.fromkeys(BUCKETS[:-1], 0)
    for size in sets.values():
        loops[_bucket(size)] += 1
    innermost = [size for loop, size in sets.items() if not loop.children]
    return MemoryFeatures(
        strides=strides,
        executed_bytes=executed,
        loops=loops,
        innermost_set=max(innermost, default=0.0),
        largest_set=max(sets.values(), default=0.0),
    )


def _accesses(scan: Scan) -> list[Access]:
    analysis = StrideAnalysis(scan)
    found: list[Access] = []
    everywhere = [scan.root]
    while everywhere:
        loop = everywhere.pop()
        everywhere.extend(loop.children)
        around = _around(loop)
        for operation, _ in loop.accesses:
            base, strides = analysis.access(operation) if around else (None, {})
            found.append(Access(base=base, num_bytes=costs.bytes_of(operation), loops=around, strides=strides))
    for operation, _, loop in scan.structured:
        found.extend(_structured(operation, loop))
    return found


def _around(loop: Loop) -> tuple[Loop, ...]:
    found: list[Loop] = []
    current: Loop | None = loop
    while current is not None and current.parent is not None and len(found) < MAX_LEVELS:
        found.append(current)
        current = current.parent
    return tuple(found)


def _structured(operation: Operation, loop: Loop) -> list[Access]:
    """Accesses of a linalg operation, an element an iteration: inputs, outputs that are read, outputs written."""
    around = _around(loop)
    count = len(linalg.loop_sizes(operation))
    if not count or count > MAX_LEVELS:
        return []
    space = list(reversed(around[:count]))
    first_output = linalg.num_inputs(operation)
    found: list[Access] = []
    for index, value in enumerate(operation.operands):
        shape = linalg.operand_shape(value.type_text)
        size = costs.element_bytes(value.type_text)
        if not shape or not size:
            continue
        strides = map_strides(operation, index, space)
        is_output = index >= first_output
        if not is_output or linalg.reads_output(operation, index):
            found.append(Access(base=value, num_bytes=size, loops=around, strides=strides))
        if is_output:
            found.append(Access(base=value, num_bytes=size, loops=around, strides=strides))
    return found


def _trips(loop: Loop) -> float:
    return float(UNKNOWN_TRIPS if loop.trips is None else min(loop.trips, MAX_EXECUTED))


def _working_sets(accesses: list[Access]) -> dict[Loop, float]:
    """Bytes touched during one execution of each loop that holds accesses."""
    footprints: dict[Loop, dict[tuple[object, ...], float]] = {}
    for access in accesses:
        moved, span = float(access.num_bytes), float(access.num_bytes)
        signature: list[object] = [access.base if access.base is not None else id(access)]
        for loop in access.loops:
            stride = access.strides.get(loop, 0)
            if stride != 0:
                trips = _trips(loop)
                moved = min(MAX_EXECUTED, moved * trips)
                span += (access.num_bytes if stride is None else abs(stride)) * max(0.0, trips - 1)
                if stride is None:
                    span = max(span, moved)
            signature.append(stride)
            sizes = footprints.setdefault(loop, {})
            key = tuple(signature)
            sizes[key] = max(sizes.get(key, 0.0), min(moved, span))
    return {loop: sum(sizes.values()) for loop, sizes in footprints.items()}


def _reuse(access: Access, sets: dict[Loop, float], own: dict[Loop, int]) -> tuple[str, float]:
    """Bucket of the distance to the next use of the same bytes, and the share of executions that are reuses."""
    for loop in access.loops:
        trips = _trips(loop)
        if access.strides.get(loop, 0) == 0 and trips > 1:
            inner = sum(sets.get(child, 0.0) for child in loop.children)
            return _bucket(inner + own.get(loop, 0)), 1.0 - 1.0 / trips
    return "none", 0.0


def _bucket(size: float) -> str:
    return next((name for name, limit in LEVELS if size <= limit), "memory")
