"""Building a candidate, or a kernel's default lowering; runs inside workers only.

Owns the two ways from a kernel to an object with the same calling convention: bare pointers that alias nothing.
The default is the published pipeline `linalg-default-v1` and LLVM's -O3 with its vectorizers; sizes and strides are
constants in it, because the wrapper is inlined.
"""

from __future__ import annotations

import time

from costmodel.search.backends.mlir.backend import MlirBackend
from costmodel.search.backends.mlir.kernel import ENTRY, PREPACK, Argument
from costmodel.search.backends.protocol import Built
from costmodel.search.kernel.form import Buffer, Kernel
from costmodel.search.kernel.printing import print_kernel
from costmodel.search.measure.jit import compile_llvm
from costmodel.search.schedule.text import parse_schedule
from costmodel.toolchain.lower import compile_object
from costmodel.toolchain.pipelines import lower_to_llvm_ir

DEFAULT_PIPELINE = "linalg-default-v1"
_PAYLOAD = "payload"


def build(kernel: Kernel, schedule: str | None) -> Built:
    """Compile `kernel` under a schedule's text, or by default lowering where it is None.

    Raises:
        ParseError: The text is no schedule.
        UnsupportedError: It does not fit the kernel.
        ToolchainError: MLIR or LLVM refuses the code.
    """
    return build_default(kernel) if schedule is None else build_scheduled(kernel, schedule)


def build_scheduled(kernel: Kernel, schedule: str) -> Built:
    """Generate, lower, compile."""
    start_s = time.perf_counter()
    realised = MlirBackend().realise(kernel, parse_schedule(schedule))
    realise_s = time.perf_counter() - start_s
    code = compile_object(realised.text)
    return Built(
        data=code.data,
        entry=ENTRY,
        arguments=realised.arguments,
        prepack_arguments=realised.prepack_arguments,
        prepack=PREPACK,
        seconds={"realise": realise_s, **code.seconds},
        ir_bytes=len(realised.text),
    )


def build_default(kernel: Kernel) -> Built:
    """Compile the kernel's linalg text by the default pipeline."""
    start_s = time.perf_counter()
    text = print_kernel(kernel, _PAYLOAD)
    ir = lower_to_llvm_ir(text, DEFAULT_PIPELINE)
    lowered_s = time.perf_counter()
    arguments = tuple(
        Argument(name, role, max(1, kernel.by_name[name].elements), kernel.by_name[name].dtype)
        for role, names in (("input", kernel.inputs), ("output", kernel.outputs))
        for name in names
    )
    buffers = [kernel.by_name[a.name] for a in arguments]
    data = compile_llvm(ir + _wrapper(buffers), autovectorize=True, internal=(_PAYLOAD, f"_mlir_ciface_{_PAYLOAD}"))
    done_s = time.perf_counter()
    seconds = {"mlir": lowered_s - start_s, "llvm": done_s - lowered_s}
    return Built(data=data, entry=ENTRY, arguments=arguments, seconds=seconds, ir_bytes=len(text))


def _wrapper(buffers: list[Buffer]) -> str:
    """A function of bare pointers that calls the payload with whole memref descriptors as arguments."""
    parameters = ", ".join(f"ptr noalias %p{i}" for i in range(len(buffers)))
    passed = ", ".join(_descriptor(f"%p{i}", buffer.shape) for i, buffer in enumerate(buffers))
    return f"\ndefine void @{ENTRY}({parameters}) {{\n  call void @{_PAYLOAD}({passed})\n  ret void\n}}\n"


def _descriptor(pointer: str, shape: tuple[int, ...]) -> str:
    strides: list[int] = []
    for size in reversed(shape):
        strides.insert(0, strides[0] * shape[len(shape) - len(strides)] if strides else 1)
        assert size > 0
    numbers = [0, *shape, *strides]
    return ", ".join([f"ptr {pointer}", f"ptr {pointer}", *(f"i64 {n}" for n in numbers)])
