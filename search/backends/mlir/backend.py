"""The `mlir` backend: what `backends.protocol` asks for. Building happens in `tasks.py`, inside workers."""

from __future__ import annotations

from costmodel.search.backends.mlir.kernel import KernelEmitter
from costmodel.search.backends.protocol import Realised
from costmodel.search.kernel.form import Kernel
from costmodel.search.schedule.plan import apply_schedule
from costmodel.search.schedule.text import Schedule
from costmodel.toolchain.tools import toolchain_id

CODEGEN_VERSION = 2
"""Of the code generated for a schedule and of its lowering; a change of either bumps it, and old records are misses."""


class MlirBackend:
    """Schedules become loops and vectors in MLIR, lowered and compiled by LLVM in process."""

    name = "mlir"
    build_task = "costmodel.search.backends.mlir.tasks:build"
    measure_task = "costmodel.search.measure.runner:measure"
    preload = ("costmodel.search.backends.mlir.tasks",)

    def toolchain(self) -> str:
        """Versions of our code generator and of the wheels; raises `MissingDependencyError` where one is absent."""
        return f"codegen-{CODEGEN_VERSION}+{toolchain_id()}"

    def realise(self, kernel: Kernel, schedule: Schedule) -> Realised:
        """MLIR text of the scheduled kernel; raises `UnsupportedError` for a schedule that does not fit."""
        code = KernelEmitter(apply_schedule(kernel, schedule)).emit()
        return Realised(text=code.text, arguments=code.arguments, prepack_arguments=code.prepack_arguments)
