"""How much memory each loop level touches, and what that costs in traffic between cache levels.

Owns the footprint model. Source: the working-set argument of Halide's autoscheduler (Adams et al. 2019) and of
analytical tile models (Low et al. 2016): data stay in a level while the loops inside touch no more than it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from costmodel.search.backends.mlir.plan import NestPlan
from costmodel.search.kernel.nest import FlatAccess, Nest

LINE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop of the scheduled nest, outermost first: its dimension, trip count, and the extent of one iteration."""

    dim: str
    trips: int
    inner: int


def loops_of(nest: Nest, plan: NestPlan, extents: dict[str, int], shared: dict[str, int]) -> list[Loop]:
    """Shared loops, cache loops, point loops, reduction loops."""
    span = {d: extents[d] for d in nest.dims}
    loops: list[Loop] = []

    def split(dim: str, size: int) -> None:
        size = min(size, span[dim])
        if size < span[dim]:
            loops.append(Loop(dim, -(-span[dim] // size), size))
            span[dim] = size

    for dim, size in shared.items():
        if dim in span:
            split(dim, size)
    for dim in plan.order:
        if dim in span and dim in plan.cache:
            split(dim, plan.cache[dim])
    for dim in plan.order:
        if dim in nest.parallel:
            split(dim, plan.register.get(dim, 1))
    for dim in plan.order:
        if dim in nest.reduction and dim != plan.vector:
            split(dim, max(1, plan.unroll.get(dim, 1)))
    if plan.vector in nest.reduction:
        split(plan.vector or "", plan.register.get(plan.vector or "", 1))
    return loops


def footprint_bytes(access: FlatAccess, spans: dict[str, int], element_bytes: int, *, packed: bool) -> float:
    """Bytes of cache lines an access touches over a box of its dimensions (lines shared between rows counted once)."""
    if packed:
        total = element_bytes
        for d, _ in access.strides:
            total *= spans.get(d, 1)
        return float(max(total, LINE_BYTES))
    lines, run = 1.0, element_bytes
    for stride, extent in sorted((abs(s), spans.get(d, 1)) for d, s in access.strides):
        step = stride * element_bytes
        if step <= run:
            run = max(run, step * (extent - 1) + run) if extent > 1 else run
        elif step < LINE_BYTES:
            run = step * (extent - 1) + run
        else:
            lines *= extent
    return lines * max(run, LINE_BYTES)


def level_traffic(
    accesses: Sequence[tuple[FlatAccess, int, bool]],
    loops: list[Loop],
    spans: dict[str, int],
    capacities: Sequence[int],
) -> list[float]:
    """Bytes that cross into each level of the given capacities, for one run of the nest.

    `accesses` gives (access, element bytes, packed). For each level: the outermost loop inside which everything fits;
    an access then moves once for each iteration of the loops outside that it depends on, or that evict it.
    """
    boxes = [dict(spans)]
    for loop in loops:
        boxes.append({**boxes[-1], loop.dim: loop.inner})
    sizes = [[footprint_bytes(a, box, b, packed=p) for a, b, p in accesses] for box in boxes]
    totals = [sum(s) for s in sizes]
    result = []
    for capacity in capacities:
        fit = next((i for i, t in enumerate(totals) if t <= capacity), len(boxes) - 1)
        moved = 0.0
        for j, (access, _, _) in enumerate(accesses):
            at = fit
            while at > 0 and loops[at - 1].dim not in access.dims and totals[at] <= capacity:
                at -= 1  # the loop just outside reuses this access
            trips = 1.0
            for loop in loops[:at]:
                trips *= loop.trips
            moved += sizes[fit][j] * trips
        result.append(moved)
    return result
