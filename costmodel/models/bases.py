"""What each metric that grows with the program starts from: the estimate that a learned model corrects.

Owns one table: metric to architecture to the static feature that is already in the metric's unit, times a factor; and
to the column that says the same of blocks.
Invariant: a metric or architecture without a line starts from counts alone; a new estimate is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.models.base import Array
from costmodel.models.kinds import AS_IT_STANDS

ESTIMATED = "static:machine_"
"""Names of features that machine code is estimated by begin so."""
STANDING = "static:frame_"
"""The same where every `alloca` stays in memory."""
PROMOTED = ("static:machine_body_", "static:machine_instructions_", "static:machine_variables")
"""Sizes with variables as values: those of `STANDING` take their place where IR goes to code generation as it stands.

Where no function of the training keeps variables in memory the two are one column, and one that does would mislead.
"""
_TIMED = ("static:machine_cycles_", "static:machine_executed_")
_LEVELS = (
    "static:machine_live_", "static:machine_hot", "static:machine_excess_", "static:machine_across_general",
    "static:machine_core_", "static:machine_taken_", "static:machine_kept_", "static:machine_lost_",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Features by architecture, `factor` units of the metric each; `timed` where executions count.

    `block` is the column that says the same of the blocks of loops, as a base-2 logarithm of one plus it.
    """

    features: dict[str, str]
    block: str
    factor: float = 1.0
    timed: bool = False


_SIZES = {
    "x86-64": "static:machine_instructions_x86_256",
    "aarch64": "static:machine_instructions_a64",
    "riscv64": "static:machine_instructions_rvv",
}
_EXECUTED = {
    "x86-64": "static:machine_executed_x86",
    "aarch64": "static:machine_executed_a64",
    "riscv64": "static:machine_executed_rv",
}
_CYCLES = {
    "x86-64": "static:machine_cycles_x86_6",
    "aarch64": "static:machine_cycles_a64_6",
    "riscv64": "static:machine_cycles_rv_4",
}
_BLOCK_SIZES = "schedule:bound_log_instructions_32"
BASES: dict[str, Base] = {
    "instructions": Base(features=_SIZES, block=_BLOCK_SIZES),
    "code_bytes": Base(features=_SIZES, block=_BLOCK_SIZES, factor=4.0),
    "instructions_executed": Base(features=_EXECUTED, block="schedule:bound_log_executed", timed=True),
    "cycles": Base(features=_CYCLES, block="schedule:bound_log_cycles", timed=True),
}
"""By metric."""
DIRECT = {"shared_bytes": "static:gpu_shared_peak"}
"""Metrics that a feature states outright, mostly exactly: trees correct its logarithm, no weight is learned."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockColumns:
    """Where blocks say something of some `metrics`: of which `places[k]`, by what `columns[k]`, times `factors[k]`."""

    metrics: int
    places: Array
    columns: Array
    factors: Array

    @classmethod
    def of(cls, metrics: Sequence[str], names: Sequence[str]) -> BlockColumns:
        """`names` are those of the columns."""
        found = [(i, BASES[metric]) for i, metric in enumerate(metrics) if metric in BASES]
        said = [(i, names.index(base.block), base.factor) for i, base in found if base.block in names]
        return cls(
            metrics=len(metrics), places=np.array([i for i, _, _ in said], np.int64),
            columns=np.array([column for _, column, _ in said], np.int64),
            factors=np.array([factor for _, _, factor in said], np.float64),
        )  # fmt: skip

    def numbers(self, x: Array) -> Array:
        """What blocks say of each row of `x[n, F]`, `[n, metrics]` in their units."""
        found = np.zeros((len(x), self.metrics))
        found[:, self.places] = self.factors * np.maximum(np.exp2(x[:, self.columns].astype(np.float64)) - 1.0, 0.0)
        return found


def first_weight(metric: str, arch: str, name: str) -> float:
    """What one unit of a column is worth before any data."""
    if name.startswith("count:"):
        return float(not name.startswith("count:llvm."))
    base = BASES.get(metric)
    if base is None:
        return 0.0
    wanted = base.features.get(arch.removesuffix(AS_IT_STANDS))
    if arch.endswith(AS_IT_STANDS) and not base.timed and wanted is not None:
        wanted = wanted.replace("static:machine_", STANDING)
    return base.factor if wanted == name else 0.0


def grows(metric: str, name: str) -> bool:
    """Whether a column may take part in the metric's weighted sum; operations of LLVM IR do so by their estimates."""
    if metric in DIRECT:
        return name == DIRECT[metric]
    if name.startswith("count:"):
        return not name.startswith("count:llvm.")
    if name.startswith(STANDING):
        return not BASES[metric].timed
    if not name.startswith(ESTIMATED):
        return name == "static:ops"
    timed = metric in BASES and BASES[metric].timed
    return name.startswith(_TIMED) if timed else not name.startswith((*_TIMED, *_LEVELS))
