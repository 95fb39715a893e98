"""Executed instructions, counted in emulators: exact where it is known, and causes for what cannot be driven."""

import pytest

from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.labellers import counted
from costmodel.datasets.labellers.compiled import Compiled, Unit
from costmodel.datasets.labelling import label_functions

pytestmark = pytest.mark.toolchain("llvm-mc")
TARGETS = ("x86-64/haswell", "aarch64/neoverse-v2", "riscv64/sifive-p670")


@pytest.fixture(params=TARGETS)
def target(request):
    target = Target.parse(request.param)
    if counted.CountedLabeller().version(target) is None:
        pytest.skip(f"needs {counted.CountedLabeller.needs}")
    return target


def count(text: str, name: str, target: Target) -> float | str | None:
    (answer,) = counted.CountedLabeller().label([Compiled(unit=Unit(text, target), name=name)], target)
    item = answer["instructions_executed"]
    return item.cause or item.value


def loop(steps: int) -> str:
    return f"""define void @f(ptr %p) {{
      br label %loop
    loop:
      %i = phi i64 [ 0, %0 ], [ %next, %loop ]
      store volatile i64 %i, ptr %p
      %next = add i64 %i, 1
      %more = icmp ult i64 %next, {steps}
      br i1 %more, label %loop, label %done, !llvm.loop !0
    done:
      ret void
    }}
    !0 = distinct !{{!0, !1}}
    !1 = !{{!"llvm.loop.unroll.disable"}}"""


def test_straight_code_counts_what_is_printed(target):
    text = "define i64 @f(i64 %x, ptr %p) {\n  %y = load volatile i64, ptr %p\n  %z = xor i64 %x, %y\n  ret i64 %z\n}"
    unit = Unit(text, target)
    printed = sum(1 for _ in unit.functions["f"].instructions)
    assert count(text, "f", target) == printed >= 3


def test_each_step_of_a_loop_counts(target):
    first, second, third = (count(loop(steps), "f", target) for steps in (500, 1000, 1500))
    assert third - second == second - first
    assert 1 <= (second - first) / 500 <= 6


def test_allocation_and_copies_need_no_library(target):
    text = """declare ptr @malloc(i64)
    declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
    define ptr @f(ptr %p) {
      %q = call ptr @malloc(i64 4096)
      call void @llvm.memcpy.p0.p0.i64(ptr %q, ptr %p, i64 4096, i1 false)
      ret ptr %q
    }"""
    assert 4096 / 32 * 3 < count(text, "f", target) < 4096


def test_what_cannot_be_driven_has_a_cause(target, monkeypatch):
    monkeypatch.setattr(counted, "RUN_TIMEOUT_S", 1.0)
    library = "declare double @cosh(double)\ndefine double @f(double %x) {\n  %y = call double @cosh(double %x)\n"
    assert count(f"{library}  ret double %y\n}}", "f", target) == "unsupported: cannot be driven: calls cosh"
    fault = "define void @f() {\n  store volatile i64 1, ptr inttoptr (i64 8 to ptr)\n  ret void\n}"
    assert "the run ended with status" in count(fault, "f", target)
    forever = loop(10).replace("%more, label %loop, label %done", "true, label %loop, label %done")
    assert "does not end within 1 s" in count(forever, "f", target)
    vector = "define <4 x float> @f(<4 x float> %x) {\n  ret <4 x float> %x\n}"
    assert "nothing stands for an argument of type <4 x float>" in count(vector, "f", target)


def test_avx512_is_refused_with_a_reason():
    text = "define void @f() {\n  ret void\n}"
    assert "valgrind knows no AVX-512" in str(count(text, "f", Target.parse("x86-64/znver4")))


def test_a_kernel_runs_with_its_own_shapes(target):
    kernel = """func.func @scale(%a: tensor<{n}x64xf32>) -> tensor<{n}x64xf32> {{
      %e = tensor.empty() : tensor<{n}x64xf32>
      %r = linalg.add ins(%a, %a : tensor<{n}x64xf32>, tensor<{n}x64xf32>) outs(%e : tensor<{n}x64xf32>)
        -> tensor<{n}x64xf32>
      return %r : tensor<{n}x64xf32>
    }}"""
    rows = [
        FunctionRow(
            ir=kernel.format(n=n), format="mlir", level="linalg", stage="source", entry="scale", schedule=schedule,
            project="test", family="test", license="MIT",
        )
        for schedule in (None, "v1; vectorize(8)")
        for n in (32, 64)
    ]  # fmt: skip
    labels = label_functions(rows, [target.name], metrics=["instructions_executed"], jobs=1)
    assert [label.cause for label in labels] == [None] * 4
    for small, large in (labels[:2], labels[2:]):
        assert 1.8 < large.value / small.value < 2.2
