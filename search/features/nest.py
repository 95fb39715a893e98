"""All numbers of one nest: its cycles by cause, and what its register tile and its loops look like.

Owns the estimate of time; `work.py` counts, `boxes.py` follows memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.core.target import Target
from costmodel.models.base import Array
from costmodel.search.features.boxes import (
    LINE_BYTES,
    PAGE_BYTES,
    Boxes,
    footprint,
    packed_size,
    rows_in_one_set,
    traffic,
)
from costmodel.search.features.columns import NestColumns
from costmodel.search.features.work import (
    CHAIN,
    EXPENSIVE,
    ISSUE,
    LATENCY,
    MISPREDICT,
    Loads,
    Shape,
    loads_of,
    operation_weights,
    pack_cycles,
    passes_of,
    shape_of,
    store_cycles,
    stride_along,
)
from costmodel.search.kernel.form import ELEMENT_BYTES, Kernel
from costmodel.search.kernel.nest import FlatAccess

BYTES_PER_CYCLE = (48.0, 16.0, 4.0)
"""From the second level, the third, and memory."""
WINDOW = 512.0
JUMPS = {"l1": 8.0, "l2": 40.0}
PAGES = (64, 1024)
PAGE_CYCLES = (2.0, 4.0)
CAUSES = (
    "compute", "latency", "loads", "stores", "issue", "spills", "overhead", "partials", "packing", "l1", "l2", "l3",
    "tlb1", "tlb2", "math", "jumps1", "jumps2",
)  # fmt: skip
OVERLAPPING = 5
"""So many of `CAUSES`, from the first on, run side by side in the core."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NestNumbers:
    """Of n schedules."""

    cycles: dict[str, Array]
    """By cause, see `CAUSES`; `[n]` each."""
    total: Array
    shape: dict[str, Array]
    """Numbers of the tile and the loops; counts, not logarithms."""


def nest_numbers(c: NestColumns, kernel: Kernel, target: Target) -> NestNumbers:
    """Everything about one nest."""
    shape, boxes = shape_of(c), Boxes.of(c)
    sizes = [ELEMENT_BYTES[kernel.by_name[a.buffer].dtype] for a in c.nest.accesses]
    loads = [loads_of(a, c, shape, boxes, c.pack[i], sizes[i]) for i, a in enumerate(c.nest.reads)]
    cycles, extra = _core_cycles(c, kernel, target, shape, boxes, loads)
    memory, places = _memory_cycles(c, target, boxes, sizes)
    cycles |= memory
    total = _total(cycles)
    return NestNumbers(cycles=cycles, total=total, shape=_numbers(c, shape, boxes, loads) | extra | places)


def _total(cycles: dict[str, Array]) -> Array:
    core = np.maximum.reduce([cycles[n] for n in CAUSES[:OVERLAPPING]])
    added = sum(cycles[n] for n in ("math", "spills", "overhead", "partials", "packing"))
    slow = np.maximum.reduce([cycles[n] for n in ("l1", "l2", "l3")]) + cycles["jumps1"] + cycles["jumps2"]
    return np.asarray(np.maximum(core + added, slow) + 0.3 * np.minimum(core + added, slow))


def _core_cycles(
    c: NestColumns, kernel: Kernel, target: Target, shape: Shape, boxes: Boxes, loads: list[Loads]
) -> tuple[dict[str, Array], dict[str, Array]]:
    before, after = operation_weights(c.nest)
    reduces = c.nest.combine is not None
    compute = (shape.vector_points * before + shape.parallel / shape.lanes / shape.utilisation * after) / 2
    lane_steps = np.where(shape.horizontal, np.log2(shape.lanes) * 3 + shape.vectors, 0.0) * shape.parallel
    compute = compute + lane_steps
    chain = shape.steps * shape.unroll * LATENCY * CHAIN.get(c.nest.combine or "", 1.0) * reduces
    heavy = sum(EXPENSIVE[op.name] for op in c.nest.ops if EXPENSIVE.get(op.name, 1) > 4)
    math = shape.vector_points * heavy / 2
    stores, scatters = store_cycles(c, shape, kernel)
    count = sum((x.each for x in loads), np.zeros(c.rows))
    issue = (shape.vector_points * before + shape.steps * (count + 2 + len(c.nest.accesses) / 2)) / ISSUE
    in_flight = np.maximum(1.0, WINDOW / np.maximum(1.0, issue * ISSUE / np.maximum(1.0, shape.tiles)))
    chain = chain / in_flight
    held = shape.tile * (1.0 if reduces else 0.0) + min(1, len(loads)) * shape.vectors + 1
    over = np.maximum(0.0, held - target.vector_registers)
    passes = passes_of(c)
    partial = (passes - 1) * shape.parallel / np.where(shape.horizontal, 1.0, shape.lanes * shape.utilisation) * 1.5
    exits = np.array([(c.extents[d] > shape.sizes[d]) for d in range(len(c.nest.parallel), len(c.nest.dims))])
    loops = exits.sum(axis=0) if len(exits) else np.zeros(c.rows)
    packing, packed_bytes, hoisted = pack_cycles(c, shape, kernel)
    cycles = {
        "compute": compute - math, "math": math, "latency": chain,
        "loads": sum((x.cycles for x in loads), np.zeros(c.rows)),
        "stores": stores, "issue": issue, "spills": over * shape.steps * shape.unroll,
        "overhead": shape.tiles * passes * (4.0 + MISPREDICT / 2 * loops), "partials": partial, "packing": packing,
    }  # fmt: skip
    return cycles, {"passes": passes, "packed_bytes": packed_bytes, "hoisted": hoisted, "scatters": scatters,
                    "registers_over": over, "reduction_loops": loops}  # fmt: skip


def _once(c: NestColumns) -> list[tuple[int, FlatAccess]]:
    """Accesses that touch memory of their own: equal ones, but for a constant offset, count once."""
    found: dict[object, tuple[int, FlatAccess]] = {}
    for i, access in enumerate(c.nest.accesses):
        found.setdefault((access.buffer, access.strides), (i, access))
    return list(found.values())


def _memory_cycles(
    c: NestColumns, target: Target, boxes: Boxes, sizes: list[int]
) -> tuple[dict[str, Array], dict[str, Array]]:
    dims, kept = c.nest.dims, _once(c)
    accesses = [a for _, a in kept]
    lines, pages, runs = [], [], []
    for i, access in kept:
        found = footprint(access, boxes, dims, sizes[i], LINE_BYTES)
        line, run = found.size, found.run
        page = footprint(access, boxes, dims, sizes[i], PAGE_BYTES).size
        if i < len(c.pack) and c.pack[i].any():
            line = np.where(c.pack[i], packed_size(access, boxes, dims, sizes[i]), line)
            run = np.where(c.pack[i], PAGE_BYTES, run)
            page = np.where(c.pack[i], np.maximum(line, PAGE_BYTES), page)
        lines.append(line)
        pages.append(page)
        runs.append(np.minimum(run, PAGE_BYTES))
    capacities = (target.l1d_bytes or 32768, target.l2_bytes or 1 << 20, target.l3_bytes or 1 << 25)
    cycles, shape = {}, {}
    for name, capacity, rate in zip(("l1", "l2", "l3"), capacities, BYTES_PER_CYCLE, strict=True):
        moved, fit = traffic(accesses, lines, boxes, dims, 0.75 * capacity)
        cycles[name] = np.sum(moved, axis=0) / rate
        if name != "l3":
            cycles[f"jumps{name[1]}"] = np.sum([m / r for m, r in zip(moved, runs, strict=True)], axis=0) * JUMPS[name]
        if name == "l1":
            rows = [rows_in_one_set(a, boxes, dims, sizes[i], fit) for i, a in kept]
            shape["rows_in_one_set"] = np.max(rows, axis=0)
            shape["shortest_run"] = np.min(runs, axis=0)
        shape[f"{name}_fit"] = np.take_along_axis(boxes.trips, fit[None], 0)[0]
    for name, capacity, cost in zip(("tlb1", "tlb2"), PAGES, PAGE_CYCLES, strict=True):
        moved, _ = traffic(accesses, pages, boxes, dims, float(capacity * PAGE_BYTES))
        cycles[name] = np.sum(moved, axis=0) / PAGE_BYTES * cost
    last = len(boxes.trips) - 1
    shape["step_bytes"] = np.sum([size[last] for size in lines], axis=0)
    shape["step_pages"] = np.sum([size[last] for size in pages], axis=0) / PAGE_BYTES
    return cycles, shape


def _numbers(c: NestColumns, shape: Shape, boxes: Boxes, loads: list[Loads]) -> dict[str, Array]:
    zero = np.zeros(c.rows)
    parts = {n: sum((getattr(x, n) for x in loads), zero) for n in ("contiguous", "scalar", "strided")}
    count = np.maximum(1.0, sum(parts.values(), zero))
    tail = 1 - np.where(
        np.arange(len(c.nest.dims))[:, None] < len(c.nest.parallel),
        np.floor(c.extents[:, None] / c.register) * c.register / c.extents[:, None],
        1.0,
    ).prod(axis=0)
    written = [stride_along(w.access, c) for w in c.nest.writes if not w.inside]
    strides = [stride_along(a, c) for a in c.nest.reads]
    dim = np.maximum(boxes.inner_dim, 0)
    inner = [np.array([abs(a.stride(d)) for d in c.nest.dims] + [0])[dim] for a in c.nest.accesses]
    return {
        "lanes": shape.lanes, "vectors": shape.vectors, "rows": shape.rows, "tile": shape.tile, "unroll": shape.unroll,
        "horizontal": shape.horizontal, "utilisation": shape.utilisation, "tail_share": tail, **parts,
        "operations_per_load": shape.tile * shape.unroll / count, "body": shape.tile * shape.unroll + count,
        "inner_trips": boxes.inner_trips, "inner_is_reduction": boxes.inner_dim >= len(c.nest.parallel),
        "inner_is_vector": boxes.inner_dim == c.vector, "tiles": shape.tiles,
        "inner_stride": np.max(inner, axis=0) if inner else zero,
        "inner_streams": np.sum([s > 0 for s in inner], axis=0) if inner else zero,
        "vector_extent": np.append(c.extents, 1.0)[c.vector],
        "packed_reads": c.pack.sum(axis=0) if len(c.pack) else zero,
        "contiguous_stores": np.sum([s == 1 for s in written], axis=0) if written else zero,
        "read_stride": np.max(strides, axis=0) if strides else zero,
    }  # fmt: skip
