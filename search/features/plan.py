"""Stage 1: what a schedule does, from its plan alone: an estimate of cycles by cause, tile shapes, loop structure.

Owns `PLAN_FEATURES`, the names in order, and which of them are the cycles. Invariant: features depend on structure,
sizes and the target's numbers only, never on names. Cycles are logarithms base 2 over what peak rates allow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from costmodel.core.target import Target
from costmodel.models.base import Array
from costmodel.search.backends.mlir.kernel import KernelPlan
from costmodel.search.features.columns import NestColumns, PlanColumns, columns_of_plans
from costmodel.search.features.encoding import columns_of_candidates
from costmodel.search.features.nest import CAUSES, OVERLAPPING, NestNumbers, nest_numbers
from costmodel.search.features.work import operation_weights
from costmodel.search.space import Candidate, SearchSpace

FEATURE_VERSION = 2
_KERNEL = (
    "log_flops", "log_bytes", "log_ideal_cycles", "num_nests", "log_points", "log_parallel", "log_reduction",
    "is_reduction", "num_reads", "num_ops", "op_weight", "vector_bits", "vector_registers", "log_l1", "log_l2",
)  # fmt: skip
_COUNTS = (
    "vectors", "rows", "tile", "unroll", "contiguous", "scalar", "strided", "operations_per_load", "body",
    "inner_trips", "inner_stride", "vector_extent", "read_stride", "tiles", "passes", "l1_fit", "l2_fit", "l3_fit",
    "step_bytes", "step_pages", "rows_in_one_set", "shortest_run", "registers_over", "packed_bytes",
)  # fmt: skip
_PLAIN = (
    "lanes", "horizontal", "utilisation", "tail_share", "inner_is_reduction", "inner_is_vector", "inner_streams",
    "packed_reads", "contiguous_stores", "hoisted", "scatters", "reduction_loops",
)  # fmt: skip
PLAN_FEATURES: tuple[str, ...] = (
    *_KERNEL, "log_cycles_bound", *(f"log_cycles_{c}" for c in CAUSES), *(f"share_{c}" for c in CAUSES),
    "log_cycles_others", "others_share", "log_shared_tile", "shared_depth",
    *(f"log_anchor_{c}" for c in CAUSES), *(f"log_{n}" for n in _COUNTS), *_PLAIN,
)  # fmt: skip
CYCLE_COLUMNS: tuple[int, ...] = tuple(PLAN_FEATURES.index(f"log_cycles_{c}") for c in CAUSES)
"""Columns of the cycles by cause; the first `OVERLAPPING` of them run side by side, the rest add up."""
_LEAST_IDEAL, _LEAST = 50.0, 1e-3


def plan_features(plan: KernelPlan, target: Target) -> list[float]:
    """Values of `PLAN_FEATURES` for one plan."""
    return [float(x) for x in features_of_columns(columns_of_plans([plan]), target, 1)[0]]


def features_of_plans(plans: Sequence[KernelPlan], target: Target) -> Array:
    """`PLAN_FEATURES` of plans of one kernel, `[n, F]` f32."""
    return features_of_columns(columns_of_plans(plans), target, len(plans))


def features_of_candidates(space: SearchSpace, candidates: Sequence[Candidate]) -> Array:
    """The same for candidates `[n, F]` f32, without making their schedules and plans: some 10 µs each in a batch."""
    return features_of_columns(columns_of_candidates(space, candidates), space.target, len(candidates))


def features_of_columns(groups: Sequence[PlanColumns], target: Target, rows: int) -> Array:
    """Features `[rows, F]` f32 of all groups."""
    found = np.zeros((rows, len(PLAN_FEATURES)), np.float32)
    for group in groups:
        found[group.index] = _features(group, target)
    return found


def _anchor(group: PlanColumns) -> int:
    """The nest with the most work; a reduction wins a tie, then the first."""

    def work(c: NestColumns) -> tuple[float, bool]:
        return float(c.extents.prod()) * max(1.0, operation_weights(c.nest)[0]), c.nest.combine is not None

    return max(range(len(group.nests)), key=lambda i: work(group.nests[i]))


def _features(group: PlanColumns, target: Target) -> Array:
    numbers = [nest_numbers(c, group.kernel, target) for c in group.nests]
    at = _anchor(group)
    c, own = group.nests[at], numbers[at]
    lanes, kernel = target.vector_bits / 32, group.kernel
    ideal = max(kernel.flops / lanes / 4, kernel.bytes / 48, _LEAST_IDEAL)
    total = np.sum([x.total for x in numbers], axis=0)
    causes = {name: np.sum([x.cycles[name] for x in numbers], axis=0) for name in CAUSES}
    columns = [
        *_kernel_numbers(group, c, target, ideal), _relative(total, ideal),
        *(_relative(causes[n], ideal) for n in CAUSES), *(causes[n] / total for n in CAUSES),
        _relative(total - own.total, ideal), (total - own.total) / total,
        np.log2(c.shared / c.extents[:, None]).sum(axis=0), (c.shared < c.extents[:, None]).sum(axis=0),
        *(_relative(own.cycles[n], ideal) for n in CAUSES), *_shape_numbers(own),
    ]  # fmt: skip
    found = np.empty((c.rows, len(columns)), np.float32)
    for i, column in enumerate(columns):
        found[:, i] = column
    return found


def _kernel_numbers(group: PlanColumns, c: NestColumns, target: Target, ideal: float) -> list[float]:
    parallel = float(c.extents[: len(c.nest.parallel)].prod())
    reduction = float(c.extents[len(c.nest.parallel) :].prod())
    logarithms = (1 + group.kernel.flops, 1 + group.kernel.bytes, ideal)
    return [
        *(float(np.log2(x)) for x in logarithms), len(group.nests),
        *(float(np.log2(x)) for x in (parallel * reduction, parallel, reduction)), float(c.nest.combine is not None),
        len(c.nest.reads), len(c.nest.ops), sum(operation_weights(c.nest)), target.vector_bits / 128,
        target.vector_registers, float(np.log2(1 + target.l1d_bytes)), float(np.log2(1 + target.l2_bytes)),
    ]  # fmt: skip


def _shape_numbers(own: NestNumbers) -> list[Array]:
    logs = [np.log2(1 + np.maximum(own.shape[n], 0)) for n in _COUNTS]
    return [*logs, *(own.shape[n] for n in _PLAIN)]


def _relative(cycles: Array, ideal: float) -> Array:
    return np.asarray(np.log2(np.maximum(cycles, 0) / ideal + _LEAST))


__all__ = [
    "CYCLE_COLUMNS", "FEATURE_VERSION", "OVERLAPPING", "PLAN_FEATURES", "features_of_candidates",
    "features_of_columns", "features_of_plans", "plan_features",
]  # fmt: skip
