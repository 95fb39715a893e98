"""What a schedule means for a kernel: fused nests, tiles, shared loops. Everything a backend needs to generate code.

Owns legality: a schedule that does not fit the kernel is an `UnsupportedError` that names the step.
Invariant: the plan of a schedule depends on the kernel and the schedule only.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import gcd

from costmodel.core.errors import UnsupportedError
from costmodel.search.backends.mlir.kernel import Group, KernelPlan
from costmodel.search.backends.mlir.plan import NestPlan
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.fusion import fuse_consumers, fuse_producers
from costmodel.search.kernel.nest import FlatAccess, LoopProgram, Nest, loop_program
from costmodel.search.schedule.text import OPERAND_NAMES, Schedule, Step

DEFAULT_VECTORS = 4


class Planner:
    """Plans schedules of one kernel; fused programs are kept, so that planning thousands of candidates is cheap."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._loops = loop_program(kernel)
        self._programs: dict[tuple[int, int], LoopProgram] = {}
        self._limits: tuple[int, int] | None = None

    def program(self, producers: int, consumers: int) -> LoopProgram:
        """The nests after fusing that many producers and consumers."""
        key = (producers, consumers)
        if key not in self._programs:
            fused = fuse_consumers(fuse_producers(self._loops, producers), consumers)
            self._programs[key] = reuse_outputs(fused)
        return self._programs[key]

    def fusable(self) -> tuple[int, int]:
        """How many producers, and then how many consumers, can be fused at most."""
        if self._limits is None:
            count = len(self._loops.nests)
            producers = count - len(fuse_producers(self._loops, count).nests)
            consumers = count - len(fuse_consumers(self._loops, count).nests)
            self._limits = (producers, consumers)
        return self._limits

    def max_depth(self) -> int:
        """How many dimensions nests can share as outer loops, at most two."""
        return min(2, len(sharable_dims(self.program(0, 0))))

    def default_vector(self, nest: Nest) -> str | None:
        """The vector dimension of a schedule that names none."""
        return default_vector(nest)

    def plan(self, schedule: Schedule) -> KernelPlan:
        """Turn a schedule into a plan; raises `UnsupportedError` where it does not fit the kernel."""
        sizes = (schedule.find("fuse") or Step("fuse")).sizes()
        program = self.program(sizes.get("producers", 0), sizes.get("consumers", 0))
        return _Plan(program, schedule, sizes.get("depth", 0)).plan()


def apply_schedule(kernel: Kernel, schedule: Schedule) -> KernelPlan:
    """The plan of one schedule; see `Planner.plan`."""
    return Planner(kernel).plan(schedule)


class _Plan:
    def __init__(self, program: LoopProgram, schedule: Schedule, depth: int) -> None:
        self.program = program
        self.extents = program.extents
        self.anchor = program.anchor
        self.depth = depth
        self.cache = self._tile(schedule, "cache")
        self.register = self._tile(schedule, "register")
        self.unroll = self._dims((schedule.find("unroll") or Step("unroll")).sizes(), "unroll")
        order = [str(d) for d in (schedule.find("order") or Step("order")).args]
        self._dims(dict.fromkeys(order, 1), "order")
        self.order = (*order, *(d for d in self.extents if d not in order))
        vectorize = schedule.find("vectorize") or Step("vectorize", (1,))
        self.lanes = int(vectorize.args[0])
        dim = vectorize.get("dim")
        self.vector = str(dim) if dim is not None else default_vector(self.anchor)
        if dim is not None:
            self._dims({str(dim): 1}, "vectorize")
        self.packed = tuple(self._operand(str(a)) for a in (schedule.find("pack") or Step("pack")).args)

    def _tile(self, schedule: Schedule, level: str) -> dict[str, int]:
        step = schedule.find("tile", level)
        return self._dims(step.sizes() if step else {}, f"tile(level={level})")

    def _dims(self, sizes: dict[str, int], step: str) -> dict[str, int]:
        for dim in sizes:
            if dim not in self.extents:
                raise UnsupportedError(
                    f"{step} names dimension {dim!r}; this kernel has {', '.join(self.extents) or 'none'}"
                )
        return sizes

    def _operand(self, name: str) -> int:
        index = OPERAND_NAMES.find(name)
        if len(name) != 1 or not 0 <= index < len(self.anchor.reads):
            known = ", ".join(OPERAND_NAMES[: len(self.anchor.reads)])
            raise UnsupportedError(f"pack names operand {name!r}; this kernel has {known}")
        if not packable(self.anchor, index, self.vector if self.lanes > 1 else None):
            raise UnsupportedError(
                f"operand {name!r} of this kernel cannot be packed: its accesses overlap or are vectors of a reduction"
            )
        return index

    def plan(self) -> KernelPlan:
        groups: list[Group] = []
        shared = self._shared_dims()
        run: list[tuple[Nest, NestPlan]] = []
        for nest in self.program.nests:
            member = (nest, self._nest_plan(nest, shared if self._joins(nest, shared) else ()))
            if shared and self._joins(nest, shared):
                run.append(member)
                continue
            if run:
                groups.append(self._group(shared, run))
                run = []
            groups.append(Group(dims=(), tiles={}, members=(member,)))
        if run:
            groups.append(self._group(shared, run))
        return KernelPlan(kernel=self.program.kernel, extents=self.extents, groups=tuple(groups))

    def _group(self, dims: tuple[str, ...], members: list[tuple[Nest, NestPlan]]) -> Group:
        return Group(dims=dims, tiles={d: self._cache_size(d) for d in dims}, members=tuple(members))

    def _shared_dims(self) -> tuple[str, ...]:
        """The first `depth` dimensions of the order that nests can share as outer loops."""
        if self.depth == 0 or len(self.program.nests) < 2:
            return ()
        sharable = sharable_dims(self.program)
        dims = [d for d in self.order if d in sharable]
        return tuple(dims[: self.depth])

    def _joins(self, nest: Nest, shared: tuple[str, ...]) -> bool:
        return bool(shared) and nest.prefill is None and set(shared) <= set(nest.parallel)

    def _cache_size(self, dim: str) -> int:
        register = self._register_size(dim)
        size = self.cache.get(dim, register)
        return max(register, size - size % register)

    # -- one nest ----------------------------------------------------------------------------------------------

    def _register_size(self, dim: str) -> int:
        extent = self.extents[dim]
        size = self.register.get(dim, 1)
        if dim == self.vector and self.lanes > 1:
            return max(self.lanes, size - size % self.lanes)
        return min(size, extent)

    def _nest_plan(self, nest: Nest, shared: tuple[str, ...]) -> NestPlan:
        order = tuple(d for d in self.order if d in nest.dims)
        if nest is self.anchor or (self.vector in nest.dims and self._suits(nest)):
            return self._scheduled(nest, order, shared)
        vector = default_vector(nest)
        lanes = self._lanes_for(nest, vector)
        register = dict.fromkeys(nest.dims, 1)
        if vector is not None and lanes > 1:
            limit = self._cache_size(vector) if vector in shared else self.extents[vector]
            lanes, register[vector] = vector_tile(lanes, limit, exact=vector in shared)
        return NestPlan(order=order, register=register, vector=vector if lanes > 1 else None, lanes=lanes)

    def _suits(self, nest: Nest) -> bool:
        """Whether the schedule's vector dimension walks this nest's memory contiguously."""
        accesses = [a for a in nest.accesses if a.stride(self.vector or "")]
        return bool(accesses) and all(a.stride(self.vector or "") == 1 for a in accesses)

    def _lanes_for(self, nest: Nest, vector: str | None) -> int:
        if vector is None or self.lanes == 1:
            return 1
        lanes = self.lanes
        while lanes > 1 and lanes >= 2 * self.extents[vector]:
            lanes //= 2
        return lanes

    def _scheduled(self, nest: Nest, order: tuple[str, ...], shared: tuple[str, ...]) -> NestPlan:
        vector = self.vector if self.lanes > 1 and self.vector in nest.dims else None
        register = {d: self._register_size(d) for d in nest.parallel}
        if vector in nest.reduction:
            register[vector or ""] = self._register_size(vector or "")
        cache = {}
        for d, size in self.cache.items():
            if d not in nest.dims or d in shared or (d in nest.reduction and d == vector):
                continue
            if d in nest.reduction and nest is not self.anchor:
                continue
            unit = register.get(d, 1)
            cache[d] = max(unit, size - size % unit)
        unroll = {d: u for d, u in self.unroll.items() if d in nest.reduction}
        pack = self.packed if nest is self.anchor else ()
        if vector in nest.reduction:
            pack = ()
        return NestPlan(
            order=order,
            register=register,
            cache=cache,
            unroll=unroll,
            vector=vector,
            lanes=self.lanes if vector else 1,
            pack=pack,
        )


def vector_tile(lanes: int, limit: int, *, exact: bool) -> tuple[int, int]:
    """Lanes and elements of a register tile; with `exact` the tile divides `limit`, a shared loop's step."""
    if not exact:
        return lanes, lanes * (DEFAULT_VECTORS if limit >= lanes * DEFAULT_VECTORS else 1)
    while lanes > 1 and limit % lanes:
        lanes //= 2
    vectors = next(v for v in (4, 3, 2, 1) if limit % (v * lanes) == 0)
    return lanes, vectors * lanes


def default_vector(nest: Nest) -> str | None:
    """The dimension of a schedule that names none: contiguous in every access; else a reduced one; else in writes.

    A reduced dimension is passed over where packing makes the written one contiguous and the packed operand is reused.
    """
    written = [w.access for w in nest.writes if not w.inside]

    def votes(dim: str) -> tuple[int, int]:
        return sum(a.stride(dim) == 1 for a in written), sum(a.stride(dim) == 1 for a in nest.reads)

    stored = [d for d in nest.parallel if votes(d)[0]]
    ideal = [d for d in stored if all(a.stride(d) in (0, 1) for a in nest.accesses)]
    if ideal:
        return max(ideal, key=votes)
    moving = {d: [a.stride(d) for a in nest.reads if a.stride(d)] for d in nest.reduction}
    reduced = [d for d, strides in moving.items() if strides and all(s == 1 for s in strides)]
    if reduced and not any(reused(nest, d) for d in stored):
        return max(reduced, key=votes)
    if stored:
        return max(stored, key=votes)
    return max(reduced, key=votes) if reduced else (nest.parallel[-1] if nest.parallel else None)


def reused(nest: Nest, dim: str) -> bool:
    """Whether what is read along `dim` serves several points of another parallel dimension."""
    moving = [a for a in nest.reads if a.stride(dim)]
    return any(d != dim and d not in a.dims for a in moving for d in nest.parallel)


def packable(nest: Nest, read: int, vector: str | None) -> bool:
    """Whether a packed copy of a read has one element for each element.

    That excludes sliding windows and a reduced vector dimension.
    """
    access = nest.reads[read]
    if nest.combine is None or vector in nest.reduction or not access.dims & set(nest.reduction):
        return False
    strides = sorted((abs(s), n) for n, s in access.strides)
    return all(a != b for (a, _), (b, _) in pairwise(strides))


def sharable_dims(program: LoopProgram) -> frozenset[str]:
    """Parallel dimensions over which at least two nests can run tile by tile without needing another tile's results."""
    nests = [n for n in program.nests if n.prefill is None]
    found = set()
    for dim in program.extents:
        members = [n for n in nests if dim in n.parallel]
        if len(members) < 2:
            continue
        indices = [program.nests.index(n) for n in members]
        if indices != list(range(indices[0], indices[0] + len(indices))):
            continue
        if _tiles_agree(members, dim, program.extents):
            found.add(dim)
    return frozenset(found)


def _tiles_agree(nests: list[Nest], dim: str, extents: dict[str, int]) -> bool:
    """Whether nests that touch one buffer, one of them writing, meet only at equal values of `dim`."""
    earlier: dict[str, list[tuple[FlatAccess, bool]]] = {}
    for nest in nests:
        writes = [w.access for w in nest.writes]
        if any(w.stride(dim) == 0 for w in writes):
            return False
        mine = [(a, a in writes) for a in dict.fromkeys(nest.accesses)]
        for new, writing in mine:
            for old, wrote in earlier.get(new.buffer, ()):
                if (writing or wrote) and not _meet_in_tile(old, new, dim, extents):
                    return False
        for new, writing in mine:
            earlier.setdefault(new.buffer, []).append((new, writing))
    return True


def _meet_in_tile(a: FlatAccess, b: FlatAccess, dim: str, extents: dict[str, int]) -> bool:
    """Whether both touch an element at equal values of `dim` only.

    An address is written as digits: inner dimensions below the stride of `dim`, then `dim`, then outer dimensions,
    which step by multiples of a period; digits must not carry.
    """
    step, extent = a.stride(dim), extents[dim]
    if step <= 0 or b.stride(dim) != step:
        return False
    others = [(s, extents[d]) for access in (a, b) for d, s in access.strides if d != dim]
    outer = [s for s, _ in others if s >= step]
    if any(s < 0 for s, _ in others) or any(s % step for s in outer):
        return False
    for access in (a, b):
        inner = sum(s * (extents[d] - 1) for d, s in access.strides if s < step)
        if access.offset % step + inner >= step:
            return False
    period = gcd(*(s // step for s in outer))
    starts = [access.offset // step % period if period else access.offset // step for access in (a, b)]
    if period and any(start + extent > period for start in starts):
        return False
    return starts[0] == starts[1] or abs(starts[0] - starts[1]) >= extent


def reuse_outputs(program: LoopProgram) -> LoopProgram:
    """Keep a temporary in the output that is computed from it element by element, instead of in scratch memory."""
    for output in program.kernel.outputs:
        source = _same_place(program, output)
        if source is not None:
            program = replace(program, nests=tuple(_renamed(n, source, output) for n in program.nests))
    return program


def _same_place(program: LoopProgram, output: str) -> str | None:
    by_name = program.kernel.by_name
    touching = [n for n in program.nests if any(a.buffer == output for a in n.accesses)]
    if len(touching) != 1:
        return None
    nest = touching[0]
    if nest.combine is not None or nest.prefill is not None:
        return None
    write = next(w.access for w in nest.writes if w.access.buffer == output)
    after = program.nests[program.nests.index(nest) + 1 :]
    for read in nest.reads:
        name = read.buffer
        if name in program.kernel.inputs or name in program.kernel.outputs:
            continue
        same = set(read.strides) == set(write.strides) and read.offset == write.offset
        alone = all(r == read for r in nest.reads if r.buffer == name)
        sizes = by_name[name].elements == by_name[output].elements and by_name[name].dtype == by_name[output].dtype
        if same and alone and sizes and not any(a.buffer == name for n in after for a in n.accesses):
            return name
    return None


def _renamed(nest: Nest, old: str, new: str) -> Nest:
    def change(a: FlatAccess) -> FlatAccess:
        return replace(a, buffer=new) if a.buffer == old else a

    return replace(
        nest,
        reads=tuple(change(a) for a in nest.reads),
        writes=tuple(replace(w, access=change(w.access)) for w in nest.writes),
        init=change(nest.init) if isinstance(nest.init, FlatAccess) else nest.init,
    )


__all__ = ["Planner", "apply_schedule", "default_vector", "packable", "reuse_outputs", "reused", "sharable_dims"]
