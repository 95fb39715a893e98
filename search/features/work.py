"""What one scheduled nest makes the core do: vector operations, loads by kind, stores, loop overhead, in cycles.

Owns the counting; memory below the first level is `boxes.py`'s. Arrays are `[n]`, one number a schedule. Rates are
those of a wide out-of-order core (two vector units, two loads and one store a cycle), the same on every target, so
that they scale features rather than claim a time. Source: port counting as in llvm-mca and uiCA (Abel 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from costmodel.models.base import Array
from costmodel.search.features.boxes import Boxes
from costmodel.search.features.columns import NestColumns
from costmodel.search.kernel.form import ELEMENT_BYTES, Kernel, Ref
from costmodel.search.kernel.nest import FlatAccess, Nest

EXPENSIVE = {
    "math.exp": 14, "math.tanh": 20, "math.erf": 24, "arith.divf": 8, "math.sqrt": 8, "math.rsqrt": 12, "math.log": 16,
    "math.powf": 40, "math.sin": 16, "math.cos": 16, "arith.maximumf": 4, "arith.minimumf": 4,
}  # fmt: skip
LATENCY = 4.0
CHAIN = {"arith.maximumf": 2.5, "arith.minimumf": 2.5}
"""Latency over that of an addition: comparisons that propagate NaN take several instructions."""
ISSUE = 5.0
MISPREDICT = 18.0
LINE_ELEMENTS_BYTES = 64
OVERLAP = 4
"""Strides within this factor may touch the same elements in one tile, as windows do."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loads:
    """Of one access: instructions a step by kind, cycles of the whole nest."""

    contiguous: Array
    scalar: Array
    strided: Array
    cycles: Array
    each: Array
    """Instructions a step, before hoisting."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """The register tile and how often it runs."""

    lanes: Array
    is_vector: Array
    """`[D, n]` bool."""
    sizes: Array
    """`[D, n]`: elements of a step in each dimension."""
    vectors: Array
    """Vectors along the vector dimension in a tile."""
    rows: Array
    unroll: Array
    tile: Array
    """Accumulators: vectors of a tile."""
    utilisation: Array
    horizontal: Array
    vector_points: Array
    """Vectors of points in the whole nest, tails rounded up."""
    tiles: Array
    steps: Array
    points: float
    parallel: float


def shape_of(c: NestColumns) -> Shape:
    """Sizes and counts."""
    nest, count = c.nest, len(c.nest.dims)
    dims = np.arange(count)[:, None]
    is_vector, reduced = dims == c.vector, dims >= len(nest.parallel)
    extents = c.extents[:, None]
    chunks = np.where(is_vector, np.ceil(extents / c.lanes), 1.0).prod(axis=0)
    span = np.where(is_vector, extents, 1.0).prod(axis=0)
    has = c.vector >= 0
    utilisation = np.where(has, span / (c.lanes * chunks), 1.0)
    sizes = np.where(reduced & ~is_vector, np.minimum(c.unroll, extents), c.register)
    sizes = np.where(is_vector, np.minimum(sizes, c.lanes * chunks), np.minimum(sizes, extents))
    vectors = np.where(is_vector, np.maximum(1.0, np.floor(sizes / c.lanes)), 1.0).prod(axis=0)
    rows = np.where(~reduced & ~is_vector, sizes, 1.0).prod(axis=0)
    unroll = np.where(reduced & ~is_vector, sizes, 1.0).prod(axis=0)
    points, parallel = float(c.extents.prod()), float(c.extents[: len(nest.parallel)].prod())
    steps = np.where(is_vector, np.maximum(extents / sizes, 1.0), extents / sizes)
    return Shape(
        lanes=c.lanes, is_vector=is_vector, sizes=sizes, vectors=vectors, rows=rows, unroll=unroll,
        tile=vectors * rows, utilisation=utilisation, horizontal=(is_vector & reduced).any(axis=0),
        vector_points=points / np.where(has, span, 1.0) * chunks, tiles=np.where(reduced, 1.0, steps).prod(axis=0),
        steps=steps.prod(axis=0), points=points, parallel=parallel,
    )  # fmt: skip


def operation_weights(nest: Nest) -> tuple[float, float]:
    """Vector operations at every point, and after a reduction at every parallel point; a multiply-add is one."""
    before = sum(EXPENSIVE.get(op.name, 1) for op in nest.ops[: nest.pre])
    after = sum(EXPENSIVE.get(op.name, 1) for op in nest.ops[nest.pre :])
    if nest.combine is None:
        return float(before), 0.0
    fused = nest.combine == "arith.addf" and nest.pre > 0 and nest.ops[nest.pre - 1].name == "arith.mulf"
    fused = fused and nest.combined == Ref("op", nest.pre - 1)
    return float(before if fused else before + EXPENSIVE.get(nest.combine, 1)), float(after)


def stride_along(access: FlatAccess, c: NestColumns) -> Array:
    """Elements `[n]` between lanes."""
    table = np.array([abs(access.stride(d)) for d in c.nest.dims] + [0.0])
    return np.asarray(table[c.vector])


def distinct(access: FlatAccess, c: NestColumns, shape: Shape) -> Array:
    """Different places `[n]` of an access in one step, without its vector dimension: windows overlap."""
    sizes = np.where(shape.is_vector, 1.0, shape.sizes)
    total: Array | float = 1.0
    base, run = 0, np.ones(c.rows)
    for stride, d in sorted((abs(s), c.nest.dims.index(d)) for d, s in access.strides):
        factor = stride // base if base and stride % base == 0 else OVERLAP + 1
        if factor <= OVERLAP:
            run = np.where(factor <= run, (sizes[d] - 1) * factor + run, run * sizes[d])
            continue
        total, base, run = total * run, stride, sizes[d]
    return np.asarray(total * run)


def aligned(access: FlatAccess, c: NestColumns, element_bytes: int) -> Array:
    """Whether `[n]` every vector of an access starts at a multiple of its size, buffers starting at lines."""
    found = np.zeros(len(c.nest.dims) + 1)
    for number, dim in enumerate(c.nest.dims):
        step = gcd(access.offset, *(s for d, s in access.strides if d != dim))
        found[number] = step * element_bytes if step else 1 << 20
    bytes_ = c.lanes * element_bytes
    return np.asarray(np.fmod(found[c.vector], bytes_) == 0)


def loads_of(
    access: FlatAccess, c: NestColumns, shape: Shape, boxes: Boxes, packed: Array, element_bytes: int
) -> Loads:
    """Loads of a read; one that the innermost loop does not move is taken out of it."""
    stride = stride_along(access, c)
    each = distinct(access, c, shape) * np.where(stride > 0, shape.vectors, 1.0)
    whole = (stride == 1) | (packed & (stride > 0))
    scalar = (stride == 0) | (shape.lanes == 1)
    whole, other = whole & ~scalar, ~whole & ~scalar
    in_place = aligned(access, c, element_bytes) | packed
    split = np.where(in_place, 0.0, np.minimum(1.0, shape.lanes * element_bytes / LINE_ELEMENTS_BYTES))
    pairs = 2 * (1 + split) / 2 + 1
    gathered = 0.4 * shape.lanes + 1
    cost = np.where(whole, (1 + split) / 2, np.where(scalar, 0.5, np.where(stride == 2, pairs, gathered)))
    moves = np.array([d in access.dims for d in c.nest.dims] + [True])[boxes.inner_dim]
    times = shape.steps / np.where(moves, 1.0, boxes.inner_trips)
    return Loads(
        contiguous=np.where(whole, each, 0.0), scalar=np.where(scalar, each, 0.0), strided=np.where(other, each, 0.0),
        cycles=each * cost * times, each=each,
    )  # fmt: skip


def store_cycles(c: NestColumns, shape: Shape, kernel: Kernel) -> tuple[Array, Array]:
    """Cycles `[n]` of the results' stores, and whether `[n]` any of them scatters."""
    cycles, scatters = np.zeros(c.rows), np.zeros(c.rows, bool)
    for write in c.nest.writes:
        stride, size = stride_along(write.access, c), ELEMENT_BYTES[kernel.by_name[write.access.buffer].dtype]
        count = (shape.points if write.inside else shape.parallel) / shape.lanes / shape.utilisation
        alone = (shape.lanes == 1) | (stride == 0)
        count = np.where(alone, shape.points if write.inside else shape.parallel, count)
        split = np.where(aligned(write.access, c, size), 0.0, np.minimum(1.0, shape.lanes * size / 64))
        scatter = ~alone & (stride > 1)
        cycles = cycles + count * np.where(alone, 1.0, np.where(scatter, 0.9 * shape.lanes + 2, 1 + split))
        scatters |= scatter
    return cycles, scatters


def pack_cycles(c: NestColumns, shape: Shape, kernel: Kernel) -> tuple[Array, Array, Array]:
    """Cycles `[n]` of packing while the kernel runs, bytes `[n]` copied, and how many reads are packed beforehand."""
    cycles, size, hoisted = np.zeros(c.rows), np.zeros(c.rows), np.zeros(c.rows)
    again = c.extents[:, None] / c.shared
    for read, access in enumerate(c.nest.reads):
        packed = c.pack[read]
        if not packed.any():
            continue
        buffer = kernel.by_name[access.buffer]
        if buffer.constant:
            hoisted += packed
            continue
        used = [c.nest.dims.index(d) for d in access.dims]
        elements = float(np.prod(c.extents[used]))
        times = np.delete(again, used, axis=0).prod(axis=0)
        stride = stride_along(access, c)
        rows = [d for d in used if d < len(c.nest.parallel)]
        tiled = (shape.sizes[rows] > 1).any(axis=0) if rows else np.zeros(c.rows, bool)
        cost = np.where(stride == 1, 0.2, np.where(tiled, 0.9, 1.5))
        cycles += packed * elements * times * cost
        size += packed * elements * times * ELEMENT_BYTES[buffer.dtype]
    return cycles, size, hoisted


def passes_of(c: NestColumns) -> Array:
    """Over partial sums in memory `[n]`: 1 where the reduction is not tiled."""
    reduced = np.arange(len(c.nest.dims)) >= len(c.nest.parallel)
    return np.asarray(np.where(reduced[:, None], np.ceil(c.extents[:, None] / c.cache), 1.0).prod(axis=0))
