"""The kernel behind a row of linalg with a schedule: one function that is one workload.

Owns the check that it is one. Runs inside workers.
"""

from __future__ import annotations

from costmodel.core.errors import UnsupportedError
from costmodel.ir.mlir import parse_generic
from costmodel.search.artifact import function_source
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.partition import KernelCall
from costmodel.toolchain.normalize import normalize_linalg


def kernel_of(text: str, entry: str) -> Kernel:
    """The one kernel that the function `entry` of linalg `text` is.

    Raises:
        CostModelError: `text` is no linalg on tensors.
        UnsupportedError: there is no such function, or it is more than one kernel.
    """
    module = parse_generic(normalize_linalg(text, "<row>"), file="<row>")
    operations = [op for op in module.body if op.name == "func.func" and op.regions[0].blocks]
    sources = [source for source in map(function_source, operations) if source.name == entry]
    if not sources:
        raise UnsupportedError(f"the module has no function {entry!r} that can be scheduled")
    steps = sources[0].partition.steps
    if len(steps) != 1 or not isinstance(steps[0], KernelCall):
        raise UnsupportedError(f"{entry!r} is {len(steps)} kernels and islands; a schedule is for one kernel: split it")
    return steps[0].kernel
