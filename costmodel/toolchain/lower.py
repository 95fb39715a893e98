"""From MLIR text to object code in process: MLIR passes, translation, LLVM's own optimiser and code generator.

Owns compilation. Runs inside workers: the bindings are an assertions build and may abort the process.
Invariant: the object needs nothing but the C library and its mathematics.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from costmodel.core.errors import ToolchainError
from costmodel.ir.llvm.modules import llvm_module
from costmodel.toolchain.halves import computes_halves, through_single

KERNEL_PASSES = (
    "builtin.module(canonicalize,cse,convert-vector-to-scf,convert-scf-to-cf,expand-strided-metadata,lower-affine,"
    "convert-vector-to-llvm,convert-math-to-llvm,finalize-memref-to-llvm,convert-arith-to-llvm,convert-index-to-llvm,"
    "convert-func-to-llvm{use-bare-ptr-memref-call-conv=1},convert-cf-to-llvm,convert-ub-to-llvm,"
    "reconcile-unrealized-casts)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectCode:
    """A relocatable object and how long each step took (`seconds` by step name)."""

    data: bytes
    seconds: dict[str, float]


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm


@cache
def host_target_machine(level: int = 3) -> Any:
    """LLVM's target machine for this CPU, position-independent."""
    llvm = _llvm()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_host_features(), opt=level, reloc="pic", codemodel="default"
    )


@cache
def _host_features() -> str:
    return str(_llvm().get_host_cpu_features().flatten())


def llvm_ir(text: str, passes: str = KERNEL_PASSES) -> str:
    """LLVM IR of an MLIR module after `passes`; raises `ToolchainError` with MLIR's diagnostic."""
    from mlir.dialects import llvm as dialect
    from mlir.ir import Context, MLIRError, Module
    from mlir.passmanager import PassManager

    with Context():
        try:
            module = Module.parse(text)
            PassManager.parse(passes).run(module.operation)
        except (MLIRError, ValueError) as error:
            raise ToolchainError(f"MLIR refused a generated kernel: {error}") from error
        return str(dialect.translate_module_to_llvmir(module.operation))


def parse_llvm(ir: str, level: int = 3) -> Any:
    """LLVM's module for IR text, made out for this CPU; raises `ToolchainError` where LLVM refuses it."""
    try:
        module = llvm_module(ir if computes_halves(_host_features()) else through_single(ir))
    except RuntimeError as error:
        raise ToolchainError(f"LLVM refused a module: {error}") from error
    module.triple = host_target_machine(level).triple
    return module


def optimise(module: Any, level: int = 3, *, autovectorize: bool = False) -> None:
    """Run LLVM's own pipeline for this CPU on a module, in place."""
    llvm = _llvm()
    tuning = llvm.create_pipeline_tuning_options(speed_level=level)
    tuning.loop_vectorization = tuning.slp_vectorization = autovectorize
    builder = llvm.create_pass_builder(host_target_machine(level), tuning)
    builder.getModulePassManager().run(module, builder)


def compile_object(
    text: str, passes: str = KERNEL_PASSES, level: int = 3, *, autovectorize: bool = False
) -> ObjectCode:
    """Compile MLIR text for this CPU.

    `autovectorize` turns on LLVM's loop and SLP vectorizers, for code not vectorized yet.
    """
    start = time.perf_counter()
    ir = llvm_ir(text, passes)
    lowered = time.perf_counter()
    machine, module = host_target_machine(level), parse_llvm(ir, level)
    optimise(module, level, autovectorize=autovectorize)
    optimised = time.perf_counter()
    data = machine.emit_object(module)
    done = time.perf_counter()
    return ObjectCode(
        data=data, seconds={"mlir": lowered - start, "llvm": optimised - lowered, "emit": done - optimised}
    )


class LoadedObject:
    """An object linked into this process by LLVM's ORC; functions are called through ctypes.

    Keep it alive while calling.
    """

    def __init__(self, data: bytes, exports: tuple[str, ...]) -> None:
        llvm = _llvm()
        self._jit = llvm.create_lljit_compiler(host_target_machine())
        builder = llvm.JITLibraryBuilder().add_object_img(data).add_current_process()
        for name in exports:
            builder.export_symbol(name)
        self._library = builder.link(self._jit, f"object{id(self)}")

    def address(self, name: str) -> int:
        """Address of an exported function."""
        return int(self._library[name])
