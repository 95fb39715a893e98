"""Units to object code. Runs inside workers: MLIR and LLVM may abort the process.

Owns the compiling of each kind of unit, of the weights, and the running of pack functions. Invariant: an object defines
exactly one visible symbol.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from costmodel.search.artifact.form import ALIGNMENT_BYTES, Array, PackFunction, Unit
from costmodel.search.kernel.reference import numpy_dtype

DEFAULT_PIPELINE = "linalg-default-v1"


def compile_unit(unit: Unit) -> bytes:
    """The object of a unit."""
    from costmodel.toolchain.lower import compile_object

    if unit.kind == "scheduled":
        return compile_object(unit.text).data
    return compile_default(unit)


def compile_text(text: str) -> bytes:
    """The object of generated MLIR over bare pointers."""
    from costmodel.toolchain.lower import compile_object

    return compile_object(text).data


def compile_default(unit: Unit) -> bytes:
    """Linalg on tensors by the default pipeline, LLVM's vectorizers on, behind a function over pointers."""
    from costmodel.toolchain.lower import host_target_machine, optimise, parse_llvm
    from costmodel.toolchain.pipelines import lower_to_llvm_ir

    module = parse_llvm(lower_to_llvm_ir(unit.text, DEFAULT_PIPELINE) + _pointer_function(unit))
    for function in module.functions:
        if not function.is_declaration and function.name != unit.symbol:
            function.linkage = "internal"
    optimise(module, autovectorize=True)
    return bytes(host_target_machine().emit_object(module))


def _pointer_function(unit: Unit) -> str:
    """LLVM IR of `symbol`, which calls `entry` with memrefs spread out: two pointers, offset, sizes, strides."""
    spread = []
    for i, shape in enumerate(unit.shapes):
        strides = [int(np.prod(shape[d + 1 :], dtype=np.int64)) for d in range(len(shape))]
        spread += [f"ptr %a{i}", f"ptr %a{i}", "i64 0", *(f"i64 {n}" for n in (*shape, *strides))]
    arguments = ", ".join(f"ptr noalias %a{i}" for i in range(len(unit.shapes)))
    entry = '"' + "".join(c if c.isalnum() or c in "_.$" else f"\\{ord(c):02X}" for c in unit.entry) + '"'
    return f"\ndefine void @{unit.symbol}({arguments}) {{\n  call void @{entry}({', '.join(spread)})\n  ret void\n}}\n"


def embed_file(path: str, symbol: str) -> bytes:
    """An object whose read-only section holds a file's bytes at `symbol`."""
    import llvmlite.binding as llvm

    from costmodel.toolchain.lower import host_target_machine, parse_llvm

    machine = host_target_machine()
    llvm.initialize_native_asmparser()
    quoted = "".join(c if c.isalnum() or c in "/._-" else f"\\{b:03o}" for c in path for b in c.encode())
    assembly = f'.section .rodata,"a"\n.balign {ALIGNMENT_BYTES}\n.globl {symbol}\n{symbol}:\n.incbin "{quoted}"\n'
    escaped = "".join(c if c.isalnum() or c == " " else f"\\{ord(c):02X}" for c in assembly)
    return bytes(machine.emit_object(parse_llvm(f'module asm "{escaped}"\n')))


def run_pack(pack: PackFunction, arrays: list[Array]) -> list[Array]:
    """Fill packed operands. `arrays` are the pack function's inputs in their order; packed ones come back in theirs."""
    from costmodel.toolchain.lower import LoadedObject, compile_object

    loaded = LoadedObject(compile_object(pack.text).data, ("prepack",))
    given = iter(arrays)
    results: dict[int, Array] = {}
    pointers = []
    for argument in pack.arguments:
        if argument.role == "input":
            array = np.ascontiguousarray(next(given))
        else:
            array = results[argument.position] = np.zeros(argument.elements, numpy_dtype(argument.dtype))
        pointers.append(array)
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(pointers))(loaded.address("prepack"))
    function(*[a.ctypes.data for a in pointers])
    return [results[i] for i in sorted(results)]


def link_here(objects: list[bytes], weights: str | None, exports: tuple[str, ...], output: str, symbol: str) -> str:
    """Link units and the weights file into a library; returns the linker's name and version."""
    from costmodel.toolchain.link import link_shared

    path = Path(output)
    files: list[bytes | Path] = list(objects)
    if weights is not None:
        files.append(embed_file(weights, symbol))
    result = link_shared(files, path, exports=exports, soname=path.name)
    return f"{result.linker.name} {result.linker.version}"
