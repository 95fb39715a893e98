"""Memory that loops touch, for many schedules of a nest at once: boxes, footprints, traffic between levels.

Owns the footprint model. Arrays end in the schedules' axis n; P places lie before, between and after the loops.
Source: the working-set argument of Halide's autoscheduler (Adams et al. 2019) and of analytical tile models (Low et
al. 2016): data stay in a level while the loops inside touch no more than it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.models.base import Array
from costmodel.search.features.columns import NestColumns
from costmodel.search.kernel.nest import FlatAccess

LINE_BYTES = 64
PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """The loops of a nest, outermost first: shared, cache, point and reduction loops; those of one trip included."""

    spans: tuple[Array, ...]
    """For each dimension `[P, n]`: extent of the box inside the loops before the place."""
    trips: Array
    """`[P, n]`: product of the trips of the loops before the place; a fraction where a tail is short."""
    depend: tuple[Array, ...]
    """For each dimension `[P, n]` i64: place just inside its last loop of several trips, 0 where there is none."""
    inner_dim: Array
    """`[n]` dimension of the innermost loop of several trips, -1 where there is none."""
    inner_trips: Array
    """`[n]`."""

    @classmethod
    def of(cls, c: NestColumns) -> Boxes:
        """The loops that the code generator makes."""
        count = len(c.nest.dims)
        levels = _levels(c)
        places = count * len(levels) + 1
        at, all_rows = np.arange(places)[:, None], np.arange(c.rows)
        trips = np.ones((places, c.rows))
        spans, depend = [], []
        innermost, inner_dim, inner_trips = (np.zeros(c.rows) for _ in range(3))
        for d in range(count):
            span = np.full((places, c.rows), float(c.extents[d]))
            last = np.zeros((places, c.rows), np.int64)
            before = np.full(c.rows, float(c.extents[d]))
            for order, size in levels:
                after = np.minimum(size[d], before)
                place = order[d] + 1
                ratio = before / after
                trips[place, all_rows] = ratio
                several = ratio > 1
                last[place, all_rows] = np.where(several, place, 0)
                np.copyto(span, after, where=(at >= place) & several)
                deeper = several & (place > innermost)
                innermost[deeper], inner_dim[deeper], inner_trips[deeper] = place[deeper], d, ratio[deeper]
                before = after
            spans.append(span)
            depend.append(np.maximum.accumulate(last, axis=0))
        return cls(
            spans=tuple(spans), trips=np.cumprod(trips, axis=0), depend=tuple(depend),
            inner_dim=np.where(innermost > 0, inner_dim, -1).astype(np.int64), inner_trips=np.maximum(inner_trips, 1),
        )  # fmt: skip


def _levels(c: NestColumns) -> list[tuple[Array, Array]]:
    """Of each level: places of the dimensions' loops `[D, n]`, and the steps `[D, n]`."""
    count = len(c.nest.dims)
    dims = np.arange(count)[:, None]
    reduced = dims >= len(c.nest.parallel)
    key = c.place + count * reduced + count * (reduced & (dims == c.vector))
    inner = (key[None] < key[:, None]).sum(axis=1)
    step = np.where(reduced & (dims != c.vector), c.unroll, c.register)
    place = c.place.astype(np.int64)
    levels = [(place, c.shared)] if (c.shared < c.extents[:, None]).any() else []
    levels.append((place + count * len(levels), c.cache))
    levels.append((inner + count * len(levels), np.maximum(step, 1.0)))
    return levels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Footprint:
    """What an access touches in each box, `[P, n]` bytes of whole lines, and how it walks through memory."""

    size: Array
    run: Array
    """`[n]` bytes it walks in order of addresses before the loops make it jump; a line at least."""


def footprint(access: FlatAccess, boxes: Boxes, dims: tuple[str, ...], element_bytes: int, line: int) -> Footprint:
    """Lines shared between rows count once."""
    lines: Array | float = 1.0
    run: Array | float = float(element_bytes)
    for stride, d in sorted((abs(s), dims.index(d)) for d, s in access.strides):
        step, span = stride * element_bytes, boxes.spans[d]
        longer = run + step * (span - 1)
        if step < line:
            run = longer
            continue
        joins = step <= run
        lines = np.where(joins, lines, lines * span)
        run = np.where(joins, longer, run)
    run = np.asarray(np.maximum(run, line)) * np.ones(boxes.trips.shape)
    return Footprint(size=lines * run, run=np.where(np.asarray(lines) == 1, run, line).max(axis=0))


def packed_size(access: FlatAccess, boxes: Boxes, dims: tuple[str, ...], element_bytes: int) -> Array:
    """Bytes `[P, n]` of a packed copy: no gaps."""
    total = np.full(boxes.trips.shape, float(element_bytes))
    for d, _ in access.strides:
        total = total * boxes.spans[dims.index(d)]
    return np.asarray(np.maximum(total, LINE_BYTES))


def traffic(
    accesses: Sequence[FlatAccess], sizes: Sequence[Array], boxes: Boxes, dims: tuple[str, ...], capacity: float
) -> tuple[list[Array], Array]:
    """Bytes `[n]` that each access moves into a level of some capacity, and the place `[n]` where everything fits.

    The place is the outermost inside which all accesses fit. What an access touches there moves once for each
    iteration of the loops outside, down to the last one it depends on: those in between find it still there. What fits
    as a whole does not move: kernels are measured, and mostly run, on warm caches.
    """
    total = np.sum(sizes, axis=0)
    rows = np.arange(total.shape[1])
    fit = np.minimum((total > capacity).sum(axis=0), len(total) - 1)
    moved = []
    for access, size in zip(accesses, sizes, strict=True):
        used = [boxes.depend[dims.index(d)][fit, rows] for d, _ in access.strides]
        last = np.max(used, axis=0) if used else np.zeros(len(rows), np.int64)
        moved.append(np.where(fit > 0, size[fit, rows] * boxes.trips[last, rows], 0.0))
    return moved, fit


def rows_in_one_set(access: FlatAccess, boxes: Boxes, dims: tuple[str, ...], element_bytes: int, at: Array) -> Array:
    """Rows `[n]` of the box at a place `[n]` that lie whole pages apart, and so in the same lines of a cache."""
    rows, found = np.arange(boxes.trips.shape[1]), np.ones(boxes.trips.shape[1])
    for d, stride in access.strides:
        step = abs(stride) * element_bytes
        share = next((part for part, period in ((1, 4096), (2, 2048), (4, 1024)) if step % period == 0), 0)
        if share:
            found = found * np.maximum(1.0, boxes.spans[dims.index(d)][at, rows] / share)
    return found
