"""Fused multiply-adds of halves on CPUs without arithmetic on halves."""

import ctypes
import re

import llvmlite.binding as llvm
import numpy as np
import pytest

from costmodel.toolchain.halves import computes_halves, through_single
from costmodel.toolchain.lower import LoadedObject, host_target_machine, optimise, parse_llvm

KERNEL = """
define void @kernel(ptr %a, ptr %b, ptr %c, ptr %wide) {
  %1 = load <4 x half>, ptr %a, align 8
  %2 = load <4 x half>, ptr %b, align 8
  %"the third" = load <4 x half>, ptr %c, align 8
  %3 = call <4 x half> @llvm.fma.v4f16(<4 x half> %1, <4 x half> %2, <4 x half> %"the third")
  %s = tail call contract <4 x half> @llvm.fma.v4f16(<4 x half> %3, <4 x half> splat (half 1.0), <4 x half> %1)
  store <4 x half> %s, ptr %c, align 8
  %4 = load half, ptr %a, align 2
  %5 = call half @llvm.fma.f16(half %4, half 0xH4000, half %4)
  %6 = load double, ptr %wide, align 8
  %7 = fptrunc double %6 to half
  %8 = fadd half %5, %7
  store half %8, ptr %a, align 2
  ret void
}

declare <4 x half> @llvm.fma.v4f16(<4 x half>, <4 x half>, <4 x half>)
declare half @llvm.fma.f16(half, half, half)
"""


def helpers(cpu: str, text: str) -> set[str]:
    """Functions of the compiler's runtime library that the code for a CPU calls."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("x86_64-unknown-linux-gnu").create_target_machine(cpu=cpu, opt=3, reloc="pic")
    return set(re.findall(r"\b__\w+", machine.emit_assembly(llvm.parse_assembly(text))))


@pytest.mark.parametrize("cpu", ["znver3", "skylake-avx512", "haswell"])
def test_objects_want_nothing_of_the_compilers_runtime_library(cpu):
    assert helpers(cpu, KERNEL) == {"__truncdfhf2"}
    assert helpers(cpu, through_single(KERNEL)) == set()


def test_it_computes_what_numpy_does():
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(4).astype("f2") for _ in range(3))
    wide = np.array([0.1])
    inner = (a.astype("f4") * b.astype("f4") + c.astype("f4")).astype("f2")
    expected = (inner.astype("f4") + a.astype("f4")).astype("f2")
    first = (3 * a[0].astype("f4")).astype("f2") + np.float16(0.1)
    module = parse_llvm(through_single(KERNEL))
    optimise(module)
    library = LoadedObject(bytes(host_target_machine().emit_object(module)), ("kernel",))
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (a, b, c, wide)]
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(library.address("kernel"))(*pointers)
    np.testing.assert_array_equal(c, expected)
    np.testing.assert_allclose(a[0], first, rtol=2**-10)


def test_other_text_stays_as_it_is():
    text = KERNEL.replace("f16", "f32").replace("half", "float")
    text = text.replace("  %7 = fptrunc double %6 to float\n", "  %7 = fptrunc double %6 to bfloat\n")
    assert through_single(text) == text


def test_a_cpu_that_computes_halves_is_told_by_its_features():
    assert computes_halves("+f16c,+avx512fp16,-amx-fp16")
    assert not computes_halves("+f16c,-avx512fp16,+fma")
    assert computes_halves("+neon,+fullfp16")
