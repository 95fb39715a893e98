"""From a row of a data set to LLVM IR: the pipeline that its level asks for, or its schedule.

Owns the choice of the pipeline and the name that labels record. Runs inside workers, but for the choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.core.errors import CostModelError, UsageError
from costmodel.core.tables import FunctionRow
from costmodel.datasets.labellers.causes import cause_of
from costmodel.toolchain.retarget import CODEGEN, print_module
from costmodel.toolchain.retarget import PIPELINE as RETARGET

SCHEDULE = "schedule"
"""Pipeline of rows whose schedule text is the lowering."""

LLVM = (RETARGET, CODEGEN)
"""Pipelines of rows that are LLVM IR."""
AFTER = "after-optimisation"
REALISED = ("vector", "scf")
"""Levels at which a scheduled row is code that its schedule made."""

_LEVELS = {"linalg": "linalg-default-v1", "tensor": "linalg-default-v1", "llvm": "llvm-dialect-v1"}
_LOOPS = "loops-v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """LLVM IR with the name of the row's function in it; or the cause why there is none."""

    text: str = ""
    entry: str = ""
    cause: str | None = None


def pipeline_of(row: FunctionRow, pipeline: str | None = None) -> str:
    """The lowering that labels of `row` name; `pipeline` is what the user asked for: one of `LLVM`, or of MLIR's.

    LLVM IR goes through the middle end unless its stage says that it has been there.

    Raises:
        UsageError: the row is of a format that nothing lowers.
    """
    if row.format == "llvm":
        return pipeline if pipeline in LLVM else CODEGEN if row.stage == AFTER else RETARGET
    if row.format != "mlir":
        raise UsageError(f"rows of format {row.format!r} cannot be labelled; expected llvm or mlir")
    if row.schedule is not None:
        return SCHEDULE
    return (None if pipeline in LLVM else pipeline) or _LEVELS.get(row.level, _LOOPS)


def lower_row(row: FunctionRow, pipeline: str) -> Lowered:
    """Lower one row; never raises for what is in it."""
    try:
        if pipeline in LLVM:
            return Lowered(text=row.ir, entry=row.entry)
        if pipeline == SCHEDULE:
            return _scheduled(row)
        from costmodel.toolchain.pipelines import lower_to_llvm_ir

        return Lowered(text=print_module(lower_to_llvm_ir(row.ir, pipeline)), entry=row.entry)
    except CostModelError as error:
        return Lowered(cause=cause_of(error))


def _scheduled(row: FunctionRow) -> Lowered:
    """Linalg is realised by its schedule; below it the schedule is in the code already."""
    from costmodel.toolchain.lower import llvm_ir

    if row.level in REALISED:
        return Lowered(text=print_module(llvm_ir(row.ir)), entry=row.entry)
    from costmodel.datasets.labelling_kernels import kernel_of
    from costmodel.search.backends.mlir.backend import MlirBackend
    from costmodel.search.backends.mlir.kernel import ENTRY
    from costmodel.search.schedule.text import parse_schedule

    realised = MlirBackend().realise(kernel_of(row.ir, row.entry), parse_schedule(row.schedule or ""))
    return Lowered(text=print_module(llvm_ir(realised.text)), entry=ENTRY)
