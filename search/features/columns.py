"""Plans of many candidates as arrays: one column of each knob's meaning for every nest.

Owns the layout that stage 1's features are computed from. Invariant: a row says exactly what the candidate's
`KernelPlan` says; `encoding.py` fills the same arrays from knobs without making plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.models.base import Array
from costmodel.search.backends.mlir.kernel import KernelPlan
from costmodel.search.backends.mlir.plan import NestPlan
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.nest import Nest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NestColumns:
    """n schedules of one nest; D is the number of its dimensions, in the order of `nest.dims`."""

    nest: Nest
    extents: Array
    """`[D]`."""
    shared: Array
    """`[D, n]`: step of the loop shared with other nests, the extent where there is none."""
    cache: Array
    """`[D, n]`: step of the cache loop, the extent where there is none."""
    register: Array
    """`[D, n]`."""
    unroll: Array
    """`[D, n]`."""
    place: Array
    """`[D, n]`: place in the loop order, the outermost is 0."""
    vector: Array
    """`[n]`: number of the vector dimension, -1 where there is none."""
    lanes: Array
    """`[n]`."""
    pack: Array
    """`[R, n]` bool: reads that go through a packed copy."""

    @property
    def rows(self) -> int:
        """Number of schedules."""
        return len(self.lanes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanColumns:
    """Schedules that plan the same nests; `index[n]` says which rows of the batch they are."""

    kernel: Kernel
    nests: tuple[NestColumns, ...]
    index: Array


def columns_of_plans(plans: Sequence[KernelPlan]) -> list[PlanColumns]:
    """The columns of plans, those of equal nests together; the slow way, one plan at a time."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, plan in enumerate(plans):
        groups.setdefault(tuple(id(n) for g in plan.groups for n, _ in g.members), []).append(i)
    return [_group([plans[i] for i in rows], np.array(rows)) for rows in groups.values()]


def _group(plans: Sequence[KernelPlan], index: Array) -> PlanColumns:
    first = plans[0]
    found = []
    for number, nest in enumerate(n for g in first.groups for n, _ in g.members):
        members = [[(s, g.tiles) for g in plan.groups for _, s in g.members][number] for plan in plans]
        found.append(_nest(nest, members, first.extents))
    return PlanColumns(kernel=first.kernel, nests=tuple(found), index=index)


def _nest(nest: Nest, members: Sequence[tuple[NestPlan, dict[str, int]]], extents: dict[str, int]) -> NestColumns:
    dims = nest.dims

    def table(rows: list[list[int]]) -> Array:
        return np.array(rows, np.float64).reshape(len(members), len(dims)).T

    return NestColumns(
        nest=nest,
        extents=np.array([extents[d] for d in dims], np.float64),
        shared=table([[min(tiles.get(d, extents[d]), extents[d]) for d in dims] for _, tiles in members]),
        cache=table([[min(s.cache.get(d, extents[d]), extents[d]) for d in dims] for s, _ in members]),
        register=table([[s.register.get(d, 1) for d in dims] for s, _ in members]),
        unroll=table([[s.unroll.get(d, 1) for d in dims] for s, _ in members]),
        place=table([[s.order.index(d) for d in dims] for s, _ in members]),
        vector=np.array([dims.index(s.vector) if s.vector is not None else -1 for s, _ in members]),
        lanes=np.array([s.lanes if s.vector is not None else 1 for s, _ in members], np.float64),
        pack=np.array([[i in s.pack for i in range(len(nest.reads))] for s, _ in members], bool)
        .reshape(len(members), len(nest.reads)).T,
    )  # fmt: skip
