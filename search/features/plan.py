"""Stage 1: features of a scheduled kernel without any IR, about a tenth of a millisecond each.

Owns `PLAN_FEATURES`, the names in order. Invariant: features depend on structure, sizes and the target's numbers only,
never on names, so one model serves all families. Logarithms are base 2 of 1 + x.
"""

from __future__ import annotations

from math import log2, prod

from costmodel.core.target import Target
from costmodel.search.backends.mlir.kernel import Group, KernelPlan
from costmodel.search.backends.mlir.plan import NestPlan
from costmodel.search.features.traffic import Loop, level_traffic, loops_of
from costmodel.search.kernel.form import ELEMENT_BYTES
from costmodel.search.kernel.nest import Nest

FEATURE_VERSION = 1
_EXPENSIVE = {
    "math.exp": 14, "math.tanh": 20, "math.erf": 24, "arith.divf": 8, "math.sqrt": 8, "math.rsqrt": 12, "math.log": 16,
    "math.powf": 40, "math.sin": 16, "math.cos": 16,
}  # fmt: skip
_NEST_FEATURES = (
    "log_points", "log_parallel", "log_reduction", "is_reduction", "num_reads", "num_ops", "op_weight",
    "lanes", "vector_is_reduction", "vector_utilisation", "vectors", "rows", "accumulators", "register_pressure",
    "contiguous_loads", "strided_loads", "scalar_loads", "loads_per_step", "ops_per_load", "contiguous_store",
    "scatter_store", "unroll", "body_size", "inner_trips", "log_tiles", "tail_share", "reduction_split",
    "log_split_passes", "packed_reads", "log_pack_bytes", "pack_gathers", "hoisted_packs", "num_loops",
    "innermost_is_vector",
    "log_l1_bytes", "log_l2_bytes", "log_l3_bytes", "l1_intensity", "l2_intensity", "l3_intensity",
    "log_register_box", "log_inner_box",
)  # fmt: skip
_KERNEL_FEATURES = (
    "log_flops", "log_bytes", "intensity", "num_nests", "shared_depth", "log_shared_tile", "log_scratch",
    "log_other_work", "log_other_l1", "log_other_l2", "other_scalar_share", "log_cycles_compute", "log_cycles_l1",
    "log_cycles_l2", "log_cycles_l3", "log_cycles_bound", "vector_bits", "vector_registers", "log_l1", "log_l2",
)  # fmt: skip
PLAN_FEATURES: tuple[str, ...] = (*_KERNEL_FEATURES, *_NEST_FEATURES)


def _log(x: float) -> float:
    return log2(1.0 + max(0.0, x))


class _NestView:
    """Derived numbers of one nest of a plan."""

    def __init__(self, plan: KernelPlan, group: Group, nest: Nest, sched: NestPlan, target: Target) -> None:
        self.plan, self.nest, self.sched, self.target = plan, nest, sched, target
        self.extents = plan.extents
        self.by_name = plan.kernel.by_name
        self.shared = {d: group.tiles[d] for d in group.dims}
        self.loops: list[Loop] = loops_of(nest, sched, self.extents, self.shared)
        self.points = prod((self.extents[d] for d in nest.dims), start=1)
        self.lanes = sched.lanes if sched.vector else 1
        self.op_weight = sum(_EXPENSIVE.get(op.name, 1) for op in nest.ops) + (nest.combine is not None)
        accesses = [
            (a, ELEMENT_BYTES[self.by_name[a.buffer].dtype], i in sched.pack) for i, a in enumerate(nest.accesses)
        ]
        spans = {d: self.extents[d] for d in nest.dims}
        capacities = (target.l1d_bytes or 32768, target.l2_bytes or 1 << 20, target.l3_bytes or 1 << 25)
        self.traffic = level_traffic(accesses, self.loops, spans, capacities)

    @property
    def utilisation(self) -> float:
        """Share of lanes that do work."""
        if self.sched.vector is None:
            return 1.0
        extent = self.extents[self.sched.vector]
        return extent / (-(-extent // self.lanes) * self.lanes)

    @property
    def cycles_compute(self) -> float:
        """Vector operations, two a cycle."""
        return self.points * self.op_weight / (self.lanes * self.utilisation) / 2

    def features(self) -> list[float]:
        """Values of `_NEST_FEATURES`."""
        nest, sched, ext = self.nest, self.sched, self.extents
        parallel = prod((ext[d] for d in nest.parallel), start=1)
        reduction = prod((ext[d] for d in nest.reduction), start=1)
        horizontal = sched.vector in nest.reduction
        vector_size = sched.register.get(sched.vector or "", 1)
        vectors = max(1, vector_size // max(1, self.lanes)) if sched.vector else 1
        rows = prod((sched.register.get(d, 1) for d in nest.parallel if d != sched.vector), start=1)
        unroll = prod((min(ext[d], sched.unroll.get(d, 1)) for d in nest.reduction if d != sched.vector), start=1)
        loads = self._loads(vectors)
        steps = rows * vectors
        total_loads = sum(loads)
        store_contiguous = [w.access.stride(sched.vector or "") == 1 for w in nest.writes]
        scatter = [abs(w.access.stride(sched.vector or "")) > 1 for w in nest.writes]
        inner = self.loops[-1].trips if self.loops else 1
        tiles = prod((loop.trips for loop in self.loops), start=1)
        split = [d for d in nest.reduction if sched.cache.get(d, ext[d]) < ext[d]]
        passes = prod((-(-ext[d] // sched.cache[d]) for d in split), start=1)
        work = self.points * self.op_weight
        num_ops = max(1, len(nest.ops))
        return [
            _log(self.points), _log(parallel), _log(reduction), float(nest.combine is not None), len(nest.reads),
            len(nest.ops), _log(self.op_weight), log2(self.lanes), float(horizontal), self.utilisation, vectors, rows,
            steps, steps + loads[0] + loads[2], *loads, total_loads, steps * num_ops / max(1, total_loads),
            float(any(store_contiguous)), float(any(scatter)), unroll, _log(steps * unroll * num_ops), _log(inner),
            _log(tiles), self._tail_share(), float(bool(split)), _log(passes - 1), *self._packing(), len(self.loops),
            float(bool(self.loops) and self.loops[-1].dim == sched.vector),
            *map(_log, self.traffic), *(_log(work / max(1.0, moved)) for moved in self.traffic),
            _log(self._box(len(self.loops))), _log(self._box(max(0, len(self.loops) - 1))),
        ]  # fmt: skip

    def _loads(self, vectors: int) -> tuple[float, float, float]:
        """Contiguous vector, strided vector and scalar loads of one register tile."""
        contiguous = strided = scalar = 0.0
        nest, sched = self.nest, self.sched
        for i, access in enumerate(nest.reads):
            rows = prod(
                (sched.register.get(d, 1) for d in nest.parallel if d != sched.vector and access.stride(d)), start=1
            )
            stride = access.stride(sched.vector or "")
            if sched.vector is None or stride == 0:
                scalar += rows
            elif abs(stride) == 1 or i in sched.pack:
                contiguous += rows * vectors
            else:
                strided += rows * vectors
        return contiguous, strided, scalar

    def _tail_share(self) -> float:
        """Share of points outside whole register tiles."""
        whole = 1.0
        for d in self.nest.parallel:
            step = self.sched.register.get(d, 1)
            extent = self.extents[d]
            whole *= (extent - extent % step) / extent
        return 1.0 - whole

    def _packing(self) -> list[float]:
        nest, sched = self.nest, self.sched
        size, gathers, hoisted = 0.0, 0, 0
        for i in sched.pack:
            access = nest.reads[i]
            if self.by_name[access.buffer].constant:
                hoisted += 1
                continue
            size += (
                prod((self.extents[d] for d in access.dims), start=1) * ELEMENT_BYTES[self.by_name[access.buffer].dtype]
            )
            lane = [d for d in nest.parallel if access.stride(d) and sched.register.get(d, 1) > 1]
            gathers += any(access.stride(d) != 1 for d in lane)
        return [len(sched.pack), _log(size), gathers, hoisted]

    def _box(self, depth: int) -> float:
        """Elements touched by what is inside loop `depth`."""
        spans = {d: self.extents[d] for d in self.nest.dims}
        for loop in self.loops[:depth]:
            spans[loop.dim] = loop.inner
        return float(sum(prod((spans[d] for d in a.dims), start=1) for a in self.nest.accesses))


def plan_features(plan: KernelPlan, target: Target) -> list[float]:
    """Values of `PLAN_FEATURES`: the whole kernel, then the nest with the most work."""
    views = [_NestView(plan, g, n, s, target) for g in plan.groups for n, s in g.members]
    anchor = max(views, key=lambda v: (v.points * v.op_weight, v.nest.combine is not None))
    others = [v for v in views if v is not anchor]
    kernel = plan.kernel
    shared = [g for g in plan.groups if g.dims]
    scratch = sum(
        b.bytes for b in kernel.buffers if b.alias_of is None and b.name not in (*kernel.inputs, *kernel.outputs)
    )
    compute = sum(v.cycles_compute for v in views)
    cycles = [sum(v.traffic[i] for v in views) / rate for i, rate in enumerate((64.0, 32.0, 8.0))]
    return [
        _log(kernel.flops), _log(kernel.bytes), _log(kernel.flops / max(1, kernel.bytes)), len(views),
        float(max((len(g.dims) for g in shared), default=0)),
        _log(prod((t for g in shared for t in g.tiles.values()), start=1)),
        _log(scratch), _log(sum(v.points * v.op_weight for v in others)), _log(sum(v.traffic[0] for v in others)),
        _log(sum(v.traffic[1] for v in others)),
        sum(v.points for v in others if v.lanes == 1) / max(1, sum(v.points for v in views)),
        _log(compute), *map(_log, cycles), _log(max(compute, *cycles)),
        target.vector_bits / 128, target.vector_registers, _log(target.l1d_bytes or 0), _log(target.l2_bytes or 0),
        *anchor.features(),
    ]  # fmt: skip
