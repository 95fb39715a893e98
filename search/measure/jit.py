"""LLVM IR text to an object for this CPU, and a driver that calls a function many times without Python in between.

Runs inside workers. Owns nothing that lives on but the compiled drivers, one for each number of arguments.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache

import llvmlite.binding as llvm

from costmodel.toolchain.lower import LoadedObject, host_target_machine, optimise, parse_llvm


def compile_llvm(ir: str, *, level: int = 3, autovectorize: bool = False, internal: Sequence[str] = ()) -> bytes:
    """Optimise LLVM IR for this CPU and return the object.

    Args:
        ir: The module's text.
        level: As in `-O3`.
        autovectorize: Whether LLVM's loop and SLP vectorizers run.
        internal: Functions that nobody outside the module calls.

    Raises:
        ToolchainError: LLVM refuses the text.
    """
    module = parse_llvm(ir, level)
    for function in module.functions:
        if function.name in internal and not function.is_declaration:
            function.linkage = llvm.Linkage.internal
    optimise(module, level, autovectorize=autovectorize)
    return bytes(host_target_machine(level).emit_object(module))


class Call:
    """A function at an address with its arguments; calling it runs it `count` times in a row."""

    def __init__(self, address: int, pointers: Sequence[int]) -> None:
        self._driver = _driver(len(pointers))
        self._address = address
        self._pointers = (ctypes.c_void_p * max(1, len(pointers)))(*pointers)

    def __call__(self, count: int = 1) -> None:
        """Run it."""
        self._driver(self._address, self._pointers, count)


@cache
def _loaded_driver(arity: int) -> LoadedObject:
    loads = "\n".join(
        f"  %q{i} = getelementptr ptr, ptr %args, i64 {i}\n  %a{i} = load ptr, ptr %q{i}" for i in range(arity)
    )
    passed = ", ".join(f"ptr %a{i}" for i in range(arity))
    text = f"""define void @repeat(ptr %function, ptr %args, i64 %count) {{
entry:
{loads}
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void %function({passed})
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""
    return LoadedObject(compile_llvm(text, level=1), ("repeat",))


@cache
def _driver(arity: int) -> Callable[[int, object, int], None]:
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return signature(_loaded_driver(arity).address("repeat"))
