"""Rewrites keep modules valid, keep their meaning, and say when they do not apply."""

import ctypes

import numpy as np
import pytest

from costmodel.core.errors import UnknownNameError
from costmodel.ir import rewrites
from costmodel.ir.features import feature_names
from costmodel.ir.llvm import parse_module
from costmodel.ir.llvm.verify import print_module as llvm_print
from costmodel.ir.mlir import parse_generic
from costmodel.ir.mlir.bindings import to_generic
from costmodel.ir.program import functions_of
from costmodel.ir.rewrites.printing import print_generic, print_module

SEEDS = range(4)
LLVM_SAMPLES = ("dot.ll", "kernels.ll")
MLIR_SAMPLES = ("loops.mlir", "matmul.mlir", "branches.mlir")


def apply(text, kind, seed, form):
    return rewrites.rewrite(text, kind, np.random.default_rng(seed), form=form)


def llvm_functions(text):
    printed, error = llvm_print(text.encode())
    assert error is None, error
    return functions_of(parse_module(printed))


def mlir_functions(text):
    return functions_of(parse_generic(text))


@pytest.mark.parametrize("kind", rewrites.KINDS)
@pytest.mark.parametrize("name", LLVM_SAMPLES)
def test_llvm_verifies_what_comes_out(sample, name, kind):
    text = apply(sample(name), "split", 0, "llvm") if kind == "merge" else sample(name)
    outputs = [out for seed in SEEDS if (out := apply(text, kind, seed, "llvm")) is not None]
    assert outputs
    assert all(llvm_print(out.encode())[1] is None for out in outputs)


def test_mlir_accepts_what_comes_out(sample):
    pytest.importorskip("mlir.ir", reason="the MLIR bindings are not installed")
    outputs = []
    for name in MLIR_SAMPLES:
        for kind in rewrites.KINDS:
            text = apply(sample(name), "split", 0, "mlir") if kind == "merge" else sample(name)
            outputs += [out for seed in SEEDS if (out := apply(text, kind, seed, "mlir")) is not None]
    printed, diagnostic = to_generic("\n// -----\n".join(outputs), "outputs.mlir")
    assert printed is not None, diagnostic
    assert len(outputs) > 60
    assert printed.count("// -----") == len(outputs) - 1


@pytest.mark.parametrize("kind", ["rename", "reformat", "locations"])
@pytest.mark.parametrize(("name", "form"), [*((n, "llvm") for n in LLVM_SAMPLES), *((n, "mlir") for n in MLIR_SAMPLES)])
def test_names_layout_and_locations_change_nothing_that_is_read(sample, name, form, kind):
    read = llvm_functions if form == "llvm" else mlir_functions
    before = read(sample(name))
    for seed in SEEDS:
        text = apply(sample(name), kind, seed, form)
        assert text is not None
        assert text != sample(name)
        for left, right in zip(before, read(text), strict=True):
            assert left.graph().equals(right.graph())
            assert left.tokens("anonymized") == right.tokens("anonymized")
            assert left.features() == right.features()


LIVE = (
    "machine_live_",
    "machine_hot_",
    "machine_excess_",
    "frame_live_",
    "frame_excess_",
    "machine_spilled_",
    "frame_spilled_",
    "machine_kept_",
    "machine_lost_",
)
SAVING = tuple(
    f"{view}_{what}_"
    for view in ("machine", "frame")
    for what in ("instructions", "executed", "cycles", "core", "taken")
)
"""Registers that are wanted at once are saved before."""
ORDER = {
    "live_values_max",
    "live_vector_values_max",
    *(name for name in feature_names() if "pressure" in name),
    *(name for name in feature_names() if name.startswith((*LIVE, *SAVING))),
}
"""What the order of independent operations may change."""


@pytest.mark.parametrize(("kind", "may_change"), [("commute", set()), ("reorder", ORDER)])
@pytest.mark.parametrize(("name", "form"), [("kernels.ll", "llvm"), ("loops.mlir", "mlir")])
def test_features_that_order_may_not_change(sample, name, form, kind, may_change):
    read = llvm_functions if form == "llvm" else mlir_functions
    before = read(sample(name))
    outputs = [out for seed in range(8) if (out := apply(sample(name), kind, seed, form)) is not None]
    assert outputs
    for text in outputs:
        for left, right in zip(before, read(text), strict=True):
            first, second = left.features().to_dict(), right.features().to_dict()
            assert {key for key in first if first[key] != second[key]} <= may_change


def test_splitting_and_merging_are_inverse(sample):
    for form, name, read in (("llvm", "kernels.ll", llvm_functions), ("mlir", "loops.mlir", mlir_functions)):
        text = apply(sample(name), "split", 1, form)
        for seed in range(6):
            text = apply(text, "merge", seed, form) or text
        for left, right in zip(read(sample(name)), read(text), strict=True):
            assert left.graph().equals(right.graph())


@pytest.mark.parametrize("kind", rewrites.KINDS)
def test_a_seed_decides(sample, kind):
    for form, name in (("llvm", "kernels.ll"), ("mlir", "loops.mlir")):
        text = apply(sample(name), "split", 0, form) if kind == "merge" else sample(name)
        assert apply(text, kind, 3, form) == apply(text, kind, 3, form)


def test_what_does_not_apply_says_so():
    empty = 'target triple = "x86_64-pc-linux-gnu"\n'
    assert [apply(empty, kind, 0, "llvm") for kind in rewrites.KINDS] == [None] * len(rewrites.KINDS)
    straight = '"func.func"() <{sym_name = "f"}> ({\n"func.return"() : () -> ()\n}) : () -> ()\n'
    assert [apply(straight, kind, 0, "mlir") for kind in ("reorder", "dead", "commute", "merge")] == [None] * 4
    located = apply("define void @f() {\n  ret void\n}\n", "locations", 0, "llvm")
    assert "!DILocation" in located
    assert apply(located, "locations", 0, "llvm") is None


def test_an_unknown_rewrite_lists_the_known():
    with pytest.raises(UnknownNameError, match="llvm-rename"):
        apply("", "renam", 0, "llvm")


@pytest.mark.parametrize("name", MLIR_SAMPLES)
def test_printing_and_parsing_are_inverse(sample, name):
    module = parse_generic(sample(name))
    again = parse_generic(print_module(module))
    assert print_module(again) == print_module(module)
    for left, right in zip(functions_of(module), functions_of(again), strict=True):
        assert left.graph().equals(right.graph())
        assert left.tokens("ops-operands") == right.tokens("ops-operands")


def test_printing_of_what_is_rare():
    text = (
        '#m = affine_map<(d0) -> (d0)>\n%0:2 = "a.b"() <{"odd name" = #m, unit}> {s = "x // y"} '
        ": () -> (i32, () -> ())\n"
        '"a.c"(%0#1, %0#0) ({\n^bb0(%x: f32):\n  "a.d"(%x)[^bb1] : (f32) -> ()\n^bb1:\n  "a.e"() : () -> ()\n}, {\n})'
        " : (() -> (), i32) -> ()\n"
    )
    printed = print_generic(parse_generic(text).operations)
    assert '%0:2 = "a.b"() <{"odd name" = affine_map<(d0) -> (d0)>, unit}> {s = "x // y"}' in printed
    assert '"a.c"(%0#1, %0#0) ({' in printed
    assert print_generic(parse_generic(printed).operations) == printed


KERNEL = """
define i64 @kernel(ptr %p, i64 %n) {
  %start = icmp sgt i64 %n, 0
  br i1 %start, label %5, label %3

3:
  %4 = phi i64 [ 7, %2 ], [ %12, %5 ]
  ret i64 %4

5:
  %6 = phi i64 [ 0, %2 ], [ %13, %5 ]
  %7 = phi i64 [ 1, %2 ], [ %12, %5 ]
  %8 = getelementptr i64, ptr %p, i64 %6
  %9 = load i64, ptr %8
  %10 = mul i64 %9, %7
  %11 = sub i64 %10, %6
  store i64 %11, ptr %8
  %12 = xor i64 %11, %9
  %13 = add i64 %6, 1
  %14 = icmp eq i64 %13, %n
  br i1 %14, label %3, label %5
}
"""


def run(text):
    """What the machine computes: the result, and the memory afterwards."""
    llvm = pytest.importorskip("llvmlite.binding", reason="llvmlite is not installed")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    machine = llvm.Target.from_default_triple().create_target_machine()
    name = next(function.name for function in module.functions if not function.is_declaration)
    with llvm.create_mcjit_compiler(module, machine) as engine:
        engine.finalize_object()
        memory = (ctypes.c_int64 * 8)(*range(3, 11))
        call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)(engine.get_function_address(name))
        return call(ctypes.addressof(memory), 8), list(memory)


def test_rewritten_kernels_compute_the_same():
    kernel = KERNEL.replace("ptr %p, i64 %n", "ptr %0, i64 %1").replace("%p", "%0").replace("%n", "%1")
    kernel = kernel.replace("%start", "%s")
    expected = run(kernel)
    for kind in rewrites.KINDS:
        text = apply(kernel, "split", 5, "llvm") if kind == "merge" else kernel
        for seed in SEEDS:
            out = apply(text, kind, seed, "llvm")
            assert out is None or run(out) == expected
    text = kernel
    for seed, kind in enumerate(rewrites.KINDS * 2):
        text = apply(text, kind, seed, "llvm") or text
    assert run(text) == expected


def test_tail_calls_are_seen_whatever_the_indentation():
    text = "declare void @g(ptr)\ndefine void @f(ptr %p) {\n  tail call void @g(ptr %p)\n  ret void\n}\n"
    before = llvm_functions(text)[0].features()
    assert before.to_dict()["machine_tail_calls"] == 1
    for seed in range(8):
        again = rewrites.rewrite(text, "reformat", np.random.default_rng(seed), form="llvm")
        assert again is not None
        assert functions_of(parse_module(again))[0].features() == before
