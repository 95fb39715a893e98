"""Columns of thousands of candidates straight from their knobs, without making schedules and plans.

Owns the vectorised reading of what `SearchSpace.schedule` prints and `Planner.plan` makes of it.
Invariant: `columns_of_candidates(space, cs)` equals `columns_of_plans` of the planned schedules (a property test).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np

from costmodel.models.base import Array
from costmodel.search.features.columns import NestColumns, PlanColumns
from costmodel.search.kernel.nest import LoopProgram, Nest
from costmodel.search.schedule.plan import default_vector, packable, sharable_dims, vector_tile
from costmodel.search.space.knobs import KnobValue, Micro
from costmodel.search.space.space import FULL, MAX_BODY, Candidate, SearchSpace

_Columns = dict[str, Array]


def columns_of_candidates(space: SearchSpace, candidates: Sequence[Candidate]) -> list[PlanColumns]:
    """The columns of candidates, those of equal nests together."""
    names = [k.name for k in space.knobs]
    values = dict(zip(names, zip(*candidates, strict=True), strict=True)) if candidates else {}
    fused = [values.get(key) for key in ("producers", "consumers")]
    keys = list(zip(*(f if f is not None else (0,) * len(candidates) for f in fused), strict=True))
    groups: dict[tuple[KnobValue, ...], list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return [_Batch(space, values, key, np.array(rows)).columns() for key, rows in groups.items()]


@lru_cache(maxsize=256)
def _sharable(space: SearchSpace, producers: int, consumers: int) -> frozenset[str]:
    return sharable_dims(space.planner.program(producers, consumers))


class _Batch:
    """Candidates that fuse alike. Numbers are `[n]` arrays; dimensions of the vector are positions in `dims`."""

    def __init__(
        self, space: SearchSpace, values: dict[str, tuple[KnobValue, ...]], key: tuple[KnobValue, ...], index: Array
    ) -> None:
        producers, consumers = cast(tuple[int, int], key)
        self.program: LoopProgram = space.planner.program(producers, consumers)
        self.anchor = self.program.anchor
        self.extents = self.program.extents
        self.dims = tuple(self.extents)
        self.index, self.n = index, len(index)
        self.values = {k: [v[i] for i in index.tolist()] for k, v in values.items()}
        micros = cast(list[Micro], self.values["micro"])
        found, row = _numbered(micros)
        table = cast(list[Micro], found)
        self.lanes = np.array([m.lanes if m.vector is not None else 1 for m in table])[row]
        own = default_vector(self.anchor)
        named = [m.vector if m.vector is not None else own for m in table]
        self.vector = np.array([self.dims.index(v) if v is not None else -1 for v in named])[row]
        self.micro = {d: np.array([m.size(d) for m in table])[row] for d in self.dims}
        self.printed_vector = np.array([self.dims.index(m.vector) if m.vector is not None else -1 for m in table])[row]
        self.wide = self.lanes > 1
        self.register = {d: self._register(d) for d in self.dims}
        self.cache = {d: self._cache(d) for d in self.dims}
        self.unroll = self._unroll()
        self.place = self._place()
        self.shared = self._shared(_sharable(space, producers, consumers))
        self.tile = {d: self._tile(d) for d in self.dims}

    def _numbers(self, name: str, default: int) -> Array:
        found = self.values.get(name)
        return np.full(self.n, default) if found is None else np.array(found, np.int64)

    def _is(self, dim: str) -> Array:
        return np.asarray(self.vector == self.dims.index(dim))

    def _register(self, dim: str) -> Array:
        size, lanes = self.micro[dim], self.lanes
        whole = np.maximum(lanes, size - size % lanes)
        return np.asarray(np.where(self._is(dim) & self.wide, whole, np.minimum(size, self.extents[dim])))

    def _cache(self, dim: str) -> Array:
        """Step of the printed cache tile, 0 where there is none."""
        value = self._numbers(f"cache.{dim}", FULL)
        reduced = dim in self.anchor.reduction
        size = value if reduced else value * self.micro[dim]
        gone = (value == FULL) | (size >= self.extents[dim])
        if reduced:
            gone = gone | (self.printed_vector == self.dims.index(dim))
        return np.asarray(np.where(gone, 0, size))

    def _unroll(self) -> _Columns:
        body = np.maximum(1, np.prod([self.micro[d] for d in self.dims], axis=0) // np.maximum(1, self.lanes))
        found = {}
        for dim in self.anchor.reduction:
            factor = np.minimum(self._numbers(f"unroll.{dim}", 1), self.extents[dim])
            factor = np.where(self.printed_vector == self.dims.index(dim), 1, factor)
            while ((factor > 1) & (body * factor > MAX_BODY)).any():
                factor = np.where((factor > 1) & (body * factor > MAX_BODY), factor // 2, factor)
            body = body * factor
            found[dim] = factor
        return found

    def _place(self) -> _Columns:
        """Where each dimension stands in the loop order."""
        table, row = _numbered(self.values.get("order", [()] * self.n))
        full = []
        for value in table:
            order = [d for d in cast(tuple[str, ...], value) if d in self.anchor.dims]
            full.append([*order, *(d for d in self.dims if d not in order)])
            if order == [d for d in self.dims if d in order]:
                full[-1] = list(self.dims)
        return {d: np.array([order.index(d) for order in full])[row] for d in self.dims}

    def _shared(self, sharable: frozenset[str]) -> _Columns:
        """Whether nests share a loop over a dimension: the first `depth` sharable ones of the order."""
        none = np.zeros(self.n, bool)
        depth = self._numbers("depth", 0)
        found = dict.fromkeys(self.dims, none)
        if len(self.program.nests) < 2 or not sharable:
            return found
        for d in sharable:
            before = sum((self.place[e] < self.place[d]).astype(np.int64) for e in sharable)
            found[d] = np.asarray(before < depth)
        return found

    def _tile(self, dim: str) -> Array:
        """Step of a shared loop."""
        register = self.register[dim]
        size = np.where(self.cache[dim] > 0, self.cache[dim], register)
        return np.asarray(np.maximum(register, size - size % register))

    # -- nests -----------------------------------------------------------------------------------------------------

    def columns(self) -> PlanColumns:
        """All nests."""
        nests = tuple(self._nest(nest) for nest in self.program.nests)
        return PlanColumns(kernel=self.program.kernel, nests=nests, index=self.index)

    def _joins(self, nest: Nest) -> Array:
        found = np.any([self.shared[d] for d in self.dims], axis=0) if self.dims else np.zeros(self.n, bool)
        if nest.prefill is not None:
            return np.zeros(self.n, bool)
        for d in self.dims:
            if d not in nest.parallel:
                found = found & ~self.shared[d]
        return np.asarray(found)

    def _nest(self, nest: Nest) -> NestColumns:
        joins = self._joins(nest)
        shared = {d: self.shared[d] & joins for d in nest.dims}
        inside = np.zeros(self.n, bool)
        for d in nest.dims:
            moving = [a.stride(d) for a in nest.accesses if a.stride(d)]
            if nest is self.anchor or (moving and all(s == 1 for s in moving)):
                inside |= self._is(d)
        scheduled = np.ones(self.n, bool) if nest is self.anchor else inside
        vector, lanes, register = self._plain(nest, shared)
        mine = scheduled & self.wide & np.isin(self.vector, [self.dims.index(d) for d in nest.dims])
        numbers = np.array([nest.dims.index(d) if d in nest.dims else -1 for d in self.dims] + [-1])
        vector = np.where(scheduled, np.where(mine, numbers[self.vector], -1), vector)
        extents = np.array([self.extents[d] for d in nest.dims], np.float64)
        tile, cache, steps, unroll = [], [], [], []
        for i, d in enumerate(nest.dims):
            own = self.register[d] if d in nest.parallel else np.where(mine & self._is(d), self.register[d], 1)
            size = np.where(scheduled, own, register[d])
            steps.append(size)
            tile.append(np.where(shared[d], np.minimum(self.tile[d], extents[i]), extents[i]))
            cache.append(self._nest_cache(nest, d, scheduled & ~shared[d], mine, own))
            unroll.append(np.where(scheduled, self.unroll.get(d, 1), 1) if d in nest.reduction else np.ones(self.n))
        places = np.array([self.place[d] for d in nest.dims]).reshape(len(nest.dims), self.n)

        def table(rows: list[Array]) -> Array:
            return np.array(rows, np.float64).reshape(len(nest.dims), self.n)

        return NestColumns(
            nest=nest, extents=extents, shared=table(tile), cache=table(cache), register=table(steps),
            unroll=table(unroll), place=(places[None] < places[:, None]).sum(axis=1).astype(np.float64), vector=vector,
            lanes=np.where(vector >= 0, np.where(scheduled, self.lanes, lanes), 1).astype(np.float64),
            pack=self._pack(nest, vector),
        )  # fmt: skip

    def _nest_cache(self, nest: Nest, dim: str, where: Array, mine: Array, unit: Array) -> Array:
        extent = self.extents[dim]
        size = self.cache[dim]
        used = where & (size > 0)
        if dim in nest.reduction:
            used = used & ~(mine & self._is(dim)) & (nest is self.anchor)
        return np.asarray(np.where(used, np.minimum(np.maximum(unit, size - size % unit), extent), extent))

    def _plain(self, nest: Nest, shared: _Columns) -> tuple[Array, Array, _Columns]:
        """Vector, lanes and register tile of a nest that the schedule says nothing about."""
        vector = default_vector(nest)
        register = {d: np.ones(self.n, np.int64) for d in nest.dims}
        if vector is None or vector not in nest.dims:
            return np.full(self.n, -1), np.ones(self.n, np.int64), register
        extent, lanes = self.extents[vector], self.lanes.copy()
        while ((lanes > 1) & (lanes >= 2 * extent)).any():
            lanes = np.where((lanes > 1) & (lanes >= 2 * extent), lanes // 2, lanes)
        limit = np.where(shared[vector], self.tile[vector], extent)
        cases, row = np.unique(np.stack([lanes, limit, shared[vector]]), axis=1, return_inverse=True)
        found = np.array([_vector_tile(*case) for case in cases.T.tolist()]).reshape(-1, 2)[row.ravel()]
        register[vector] = np.where(lanes > 1, found[:, 1], 1)
        lanes = np.where(lanes > 1, found[:, 0], 1)
        return np.where(lanes > 1, nest.dims.index(vector), -1), lanes, register

    def _pack(self, nest: Nest, vector: Array) -> Array:
        found = np.zeros((len(nest.reads), self.n), bool)
        if nest is not self.anchor or "pack" not in self.values:
            return found
        table, row = _numbered(self.values["pack"])
        across = vector >= len(nest.parallel)
        for i, access in enumerate(nest.reads):
            wanted = np.array([access.buffer in cast(tuple[str, ...], value) for value in table])[row]
            if packable(nest, i, None):
                found[i] = wanted & ~across
        return found


def _vector_tile(lanes: int, limit: int, exact: int) -> tuple[int, int]:
    return vector_tile(lanes, limit, exact=bool(exact)) if lanes > 1 else (1, 1)


def _numbered(values: Sequence[KnobValue]) -> tuple[list[KnobValue], Array]:
    """Different values, and for each value its number."""
    numbers: dict[KnobValue, int] = {}
    row = np.array([numbers.setdefault(v, len(numbers)) for v in values], np.int64)
    return list(numbers), row
