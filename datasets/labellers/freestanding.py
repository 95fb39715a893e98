"""A program that calls one function once and needs no library: `_start`, and what compilers call unasked.

Owns the driver's arguments and the small library: `malloc` that only goes forward, `free` that does nothing, and
`memcpy`, `memmove`, `memset` by 32 bytes at a time. Kernels that LLVM IR of MLIR describes get what their types say:
sizes of static shapes are constants in their code, so that each pointer's buffer is all they need.
"""

from __future__ import annotations

import re
from typing import Any

from costmodel.core.errors import UnsupportedError
from costmodel.datasets.labellers.compiled import Compiled
from costmodel.ir.llvm.modules import llvm_module
from costmodel.toolchain.retarget import binding

BUFFER_BYTES = 64 << 20
HEAP_BYTES = 256 << 20
INTEGER = 64

_LIBRARY = f"""
@costmodel_heap = internal global [{HEAP_BYTES} x i8] zeroinitializer, align 64
@costmodel_top = internal global i64 0
define weak ptr @malloc(i64 %bytes) {{
  %old = load i64, ptr @costmodel_top
  %more = add i64 %bytes, 63
  %size = and i64 %more, -64
  %new = add i64 %old, %size
  store i64 %new, ptr @costmodel_top
  %p = getelementptr i8, ptr @costmodel_heap, i64 %old
  ret ptr %p
}}
define weak ptr @aligned_alloc(i64 %align, i64 %bytes) {{
  %p = call ptr @malloc(i64 %bytes)
  ret ptr %p
}}
define weak void @free(ptr %p) {{
  ret void
}}
define weak ptr @memcpy(ptr %to, ptr %from, i64 %bytes) {{
  %whole = and i64 %bytes, -32
  br label %wide
wide:
  %i = phi i64 [ 0, %0 ], [ %next, %copy ]
  %more = icmp ult i64 %i, %whole
  br i1 %more, label %copy, label %narrow
copy:
  %s = getelementptr i8, ptr %from, i64 %i
  %d = getelementptr i8, ptr %to, i64 %i
  %v = load <4 x i64>, ptr %s, align 1
  store <4 x i64> %v, ptr %d, align 1
  %next = add i64 %i, 32
  br label %wide
narrow:
  %j = phi i64 [ %whole, %wide ], [ %after, %byte ]
  %rest = icmp ult i64 %j, %bytes
  br i1 %rest, label %byte, label %done
byte:
  %t = getelementptr i8, ptr %from, i64 %j
  %e = getelementptr i8, ptr %to, i64 %j
  %w = load volatile i8, ptr %t
  store volatile i8 %w, ptr %e
  %after = add i64 %j, 1
  br label %narrow
done:
  ret ptr %to
}}
define weak ptr @memset(ptr %to, i32 %value, i64 %bytes) {{
  %narrow.value = trunc i32 %value to i8
  %one = insertelement <32 x i8> poison, i8 %narrow.value, i32 0
  %all = shufflevector <32 x i8> %one, <32 x i8> poison, <32 x i32> zeroinitializer
  %whole = and i64 %bytes, -32
  br label %wide
wide:
  %i = phi i64 [ 0, %0 ], [ %next, %fill ]
  %more = icmp ult i64 %i, %whole
  br i1 %more, label %fill, label %narrow
fill:
  %d = getelementptr i8, ptr %to, i64 %i
  store <32 x i8> %all, ptr %d, align 1
  %next = add i64 %i, 32
  br label %wide
narrow:
  %j = phi i64 [ %whole, %wide ], [ %after, %byte ]
  %rest = icmp ult i64 %j, %bytes
  br i1 %rest, label %byte, label %done
byte:
  %e = getelementptr i8, ptr %to, i64 %j
  store volatile i8 %narrow.value, ptr %e
  %after = add i64 %j, 1
  br label %narrow
done:
  ret ptr %to
}}
"""
"""Buffers of zeroes do not overlap, or only as a whole: `memmove` needs no other direction."""
_MEMMOVE = _LIBRARY[_LIBRARY.index("define weak ptr @memcpy") : _LIBRARY.index("define weak ptr @memset")].replace(
    "@memcpy", "@memmove"
)


def program(function: Compiled) -> Any:
    """LLVM's module with the function, its callees and `_start`.

    Raises:
        UnsupportedError: an argument that nothing stands for, or a signature that cannot be called.
    """
    llvm = binding()
    try:
        context = llvm.create_context()
        module = llvm_module(function.unit.optimised + _start(function), context)
        library = llvm_module(_LIBRARY + _MEMMOVE, context)
        library.triple, library.data_layout = module.triple, module.data_layout
        module.link_in(library)
        module.verify()
    except RuntimeError as error:
        raise UnsupportedError(f"no driver for its signature ({error})") from error
    return module


def _start(function: Compiled) -> str:
    """LLVM IR of `_start`; raises `UnsupportedError` for an argument that nothing stands for."""
    (found,) = [f for f in llvm_module(function.unit.optimised).functions if f.name == function.name]
    kinds = [str(argument.type) for argument in found.arguments]
    result = str(found.global_value_type).removesuffix(f" ({', '.join(kinds)})")
    globals_, passed = [], []
    for index, kind in enumerate(kinds):
        if kind == "ptr":
            globals_.append(f"@costmodel_b{index} = internal global [{BUFFER_BYTES} x i8] zeroinitializer, align 64")
        passed.append(f"{kind} {_argument(kind, index)}")
    body = [
        'define void @_start() noreturn nounwind noinline "stackrealign" {',
        f'  {"" if result == "void" else "%r = "}call {result} @"{function.name}"({", ".join(passed)})',
        "  call void @costmodel_exit() noreturn",
        "  unreachable",
        "}",
        "declare hidden void @costmodel_exit()",
    ]
    return "\n".join(["", *globals_, *body, ""])


def _argument(kind: str, index: int) -> str:
    if kind == "ptr":
        return f"@costmodel_b{index}"
    if re.fullmatch(r"i\d+", kind):
        return str(min(INTEGER, (1 << int(kind[1:])) - 1)) if kind != "i1" else "true"
    if kind in ("float", "double"):
        return "1.0"
    raise UnsupportedError(f"nothing stands for an argument of type {kind}")
