"""A backend whose schedules are faults: each builds real machine code that goes wrong in its own way.

The schedule's text is the fault's name, which is no schedule of the project's language.
"""

from __future__ import annotations

import ctypes
import os
import time

from costmodel.core.errors import ToolchainError
from costmodel.search.backends.mlir.kernel import Argument
from costmodel.search.backends.protocol import Built, Realised
from costmodel.search.measure.jit import compile_llvm

ELEMENTS = 1000
"""Of the kernel that the faults stand for: `out0[i] = in0[i] + in1[i]`."""

LOOP = """
define void @kernel(ptr %a, ptr %b, ptr %out) {{
entry:
{prologue}
  br label %loop
loop:
  %i = phi i64 [ {first}, %entry ], [ %next, %loop ]
  %pa = getelementptr float, ptr %a, i64 %i
  %pb = getelementptr float, ptr %b, i64 %i
  %po = getelementptr float, ptr %out, i64 %i
  %x = load float, ptr %pa
  %y = load float, ptr %pb
  %right = fadd float %x, %y
{change}
  store float %{stored}, ptr %po
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, {end}
  br i1 %more, label %loop, label %done
done:
{epilogue}
  ret void
}}
declare ptr @malloc(i64)
declare ptr @memset(ptr, i32, i64)
"""

SPIN = """
define void @kernel(ptr %a, ptr %b, ptr %out) {
entry:
  br label %loop
loop:
  %x = load volatile float, ptr %a
  br label %loop
}
"""

HOG = """
define void @kernel(ptr %a, ptr %b, ptr %out) {
entry:
  br label %loop
loop:
  %p = call ptr @malloc(i64 16777216)
  %q = call ptr @memset(ptr %p, i32 1, i64 16777216)
  store volatile ptr %q, ptr %out
  br label %loop
}
declare ptr @malloc(i64)
declare ptr @memset(ptr, i32, i64)
"""


def loop(*, prologue="", change="", stored="right", first="0", end=str(ELEMENTS), epilogue=""):
    return LOOP.format(prologue=prologue, change=change, stored=stored, first=first, end=end, epilogue=epilogue)


AT_700 = "  %here = icmp eq i64 %i, 700\n  %bad = select i1 %here, float {value}, float %right"

DELAY = """  br label %spin
spin:
  %s = phi i64 [ 0, %entry ], [ %t, %spin ]
  %v = load volatile float, ptr %a
  %t = add i64 %s, 1
  %u = icmp ult i64 %t, 400000
  br i1 %u, label %spin, label %ready
ready:"""

CODE = {
    "right": loop(),
    "slow": loop(prologue=DELAY).replace("[ 0, %entry ], [ %next", "[ 0, %ready ], [ %next"),
    "one_wrong": loop(change=AT_700.format(value="1.0e1"), stored="bad"),
    "one_nan": loop(change=AT_700.format(value="0x7FF8000000000000"), stored="bad"),
    "no_tail": loop(end=str(ELEMENTS - 8)),
    "one_more": loop(end=str(ELEMENTS + 1)),
    "one_before": loop(epilogue="  %z = getelementptr float, ptr %out, i64 -1\n  store float 1.0, ptr %z"),
    "changes_input": loop(epilogue="  %z = getelementptr float, ptr %b, i64 3\n  store float 1.0, ptr %z"),
    "spins": SPIN,
    "null": loop(prologue="  store volatile float 1.0, ptr null"),
    "hog": HOG,
}  # fmt: skip


def build(kernel, schedule):
    """The worker's task."""
    fault = "right" if schedule is None else schedule
    if fault == "compile_spins":
        while True:
            time.sleep(0.001)
    if fault == "compile_aborts":
        os.write(2, b"LLVM ERROR: cannot select\n")
        os.abort()
    if fault == "compile_hogs":
        blocks = []
        while True:
            blocks.append(bytes(16 << 20))  # zeros that nobody touches: filling pages takes a slow machine a second
    if fault == "refused":
        raise ToolchainError("LLVM refused a module")
    arguments = (
        Argument("in0", "input", ELEMENTS, "f32"),
        Argument("in1", "input", ELEMENTS, "f32"),
        Argument("out0", "output", ELEMENTS, "f32"),
    )
    code = compile_llvm(CODE[fault])
    return Built(data=code, entry="kernel", arguments=arguments, seconds={"llvm": 0.0}, ir_bytes=len(CODE[fault]))


def worker_pid():
    return os.getpid()


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * ctypes.CDLL(None).getpagesize()


class FaultyBackend:
    name = "faulty"
    build_task = "costmodel_measure_faults:build"
    measure_task = "costmodel.search.measure.runner:measure"
    preload = ("costmodel_measure_faults",)

    def toolchain(self):
        return "faults-1"

    def realise(self, kernel, schedule):
        return Realised(text=CODE[str(schedule)], arguments=())
