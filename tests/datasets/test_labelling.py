"""Labels through `label_functions`: five architectures, causes instead of lost rows, the cache, reproducibility."""

import json
import subprocess
import sys

import pytest

from costmodel.core.errors import DatabaseError, MissingDependencyError, UnknownNameError, UsageError
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.labellers.compiled import Unit
from costmodel.datasets.labelling import label_functions
from costmodel.datasets.labelling_cache import LabelCache

TARGETS = ["x86-64/znver4", "aarch64/neoverse-v2", "riscv64/sifive-p670", "nvptx64/sm_90", "amdgcn/gfx942"]

SCALE = """
define void @scale(ptr noalias %a, ptr noalias %b) {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %p = getelementptr float, ptr %a, i64 %i
  %q = getelementptr float, ptr %b, i64 %i
  %v = load float, ptr %p
  %w = fmul float %v, 3.0
  store float %w, ptr %q
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 1024
  br i1 %more, label %loop, label %exit
exit:
  ret void
}
"""
PRESSURE = "\n".join(
    ["define void @pressure(ptr %p) {"]
    + [f"  %q{i} = getelementptr double, ptr %p, i64 {i}\n  %v{i} = load volatile double, ptr %q{i}" for i in range(80)]
    + [f"  store volatile double %v{i}, ptr %q{(i * 7) % 80}" for i in reversed(range(80))]
    + ["  ret void", "}"]
)
FRAME = """
declare void @use(ptr)
define void @frame() {
  %a = alloca [100 x i8]
  call void @use(ptr %a)
  ret void
}
"""
LINALG = """
func.func @mm(%a: tensor<16x16xf32>, %b: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16x16xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<16x16xf32>) -> tensor<16x16xf32>
  %r = linalg.matmul ins(%a, %b : tensor<16x16xf32>, tensor<16x16xf32>)
    outs(%f : tensor<16x16xf32>) -> tensor<16x16xf32>
  return %r : tensor<16x16xf32>
}
"""


def row(entry, ir, *, format="llvm", level="llvm", schedule=None):
    return FunctionRow(
        ir=ir, format=format, level=level, stage="source", entry=entry, schedule=schedule,
        project="test", family="test", license="MIT",
    )  # fmt: skip


def values(labels):
    return {(label.target, label.metric): label.value for label in labels}


def test_from_wheels_alone_all_targets_give_instructions_and_registers_or_spills():
    labels = label_functions([row("scale", SCALE)], TARGETS[:3] + TARGETS[4:], labellers=["llvmlite"], jobs=1)
    found = values(labels)
    for target in {label.target for label in labels}:
        assert found[target, "instructions"] > 5
        assert found[target, "spills"] == 0
        assert found[target, "registers_vector"] >= 1
        assert found[target, "code_bytes"] > 20
    assert {label.pipeline for label in labels} == {"O3-retarget-v1"}


def test_nvptx_registers_come_from_ptxas():
    pytest.importorskip("triton")
    found = values(label_functions([row("scale", SCALE)], ["nvptx64/sm_90"], jobs=1))
    assert 4 < found["nvptx64/sm_90", "registers_general"] < 128
    assert found["nvptx64/sm_90", "occupancy"] == 1.0


@pytest.mark.parametrize("target", TARGETS[:3])
def test_spills_and_frames_are_seen(target):
    rows = [row("pressure", PRESSURE), row("frame", FRAME)]
    labels = label_functions(rows, [target], metrics=["spills", "reloads", "stack_bytes"], jobs=1)
    pressure, frame = (
        {label.metric: label.value for label in labels if label.function_id == item.function_id} for item in rows
    )
    assert pressure["spills"] >= 40
    assert pressure["reloads"] >= 40
    assert frame["spills"] == 0, "saves of callee-saved registers are no spills"
    assert frame["reloads"] == 0
    assert 100 <= frame["stack_bytes"] <= 160


def test_nothing_of_the_source_target_stays():
    source = (
        'target triple = "x86_64-pc-windows-msvc"\ntarget datalayout = "e-m:w-p270:32:32-i64:64-f80:128-S128"\n'
        + SCALE.replace("ptr noalias %b) {", "ptr noalias %b) #0 {")
        + 'attributes #0 = { noinline optnone "target-cpu"="pentium4" "target-features"="+sse2" "tune-cpu"="i386" }\n'
    )
    plain = values(label_functions([row("scale", SCALE)], TARGETS[:3], jobs=1))
    assert values(label_functions([row("scale", source)], TARGETS[:3], jobs=1)) == plain


def test_debug_information_changes_no_label():
    debug = SCALE.replace("ret void", "ret void, !dbg !3") + (
        "!llvm.dbg.cu = !{!0}\n!llvm.module.flags = !{!5}\n"
        "!0 = distinct !DICompileUnit(language: DW_LANG_C, file: !1, emissionKind: FullDebug)\n"
        '!1 = !DIFile(filename: "a.c", directory: "/")\n'
        '!2 = distinct !DISubprogram(name: "scale", file: !1, unit: !0, spFlags: DISPFlagDefinition, type: !4)\n'
        "!3 = !DILocation(line: 1, scope: !2)\n!4 = !DISubroutineType(types: !{null})\n"
        '!5 = !{i32 2, !"Debug Info Version", i32 3}\n'
    )
    debug = debug.replace("ptr noalias %b) {", "ptr noalias %b) !dbg !2 {")
    targets = ["x86-64/znver4", "amdgcn/gfx942"]
    assert values(label_functions([row("scale", debug)], targets, jobs=1)) == values(
        label_functions([row("scale", SCALE)], targets, jobs=1)
    )


def test_every_function_has_a_row_and_what_is_wrong_a_cause():
    rows = [
        row("scale", SCALE),
        row("absent", SCALE),
        row("f", "this is no IR"),
        row(
            "g",
            "define void @g() {\n  call void @llvm.x86.sse2.pause()\n  ret void\n}\n"
            "declare void @llvm.x86.sse2.pause()",
        ),
        row("h", 'define void @h() {\n  call void asm sideeffect "cpuid", ""()\n  ret void\n}'),
        row("v", "define i32 @v(i32 %n, ...) {\n  ret i32 %n\n}"),
        row("m", "garbage {", format="mlir", level="scf"),
    ]
    labels = label_functions(rows, ["amdgcn/gfx942"], metrics=["instructions"], jobs=1)
    causes = [label.cause for label in labels]
    assert [label.function_id for label in labels] == [item.function_id for item in rows]
    assert causes[0] is None
    assert causes[1] == "compile_error: the module defines no function 'absent'"
    assert causes[2].startswith("compile_error: LLVM 22")
    assert causes[3] == "unsupported: @llvm.x86.sse2.pause exists on x86 only"
    assert causes[4].startswith("unsupported: inline assembly")
    assert causes[5] == "unsupported: v takes a variable number of arguments; no kernel can"
    assert causes[6].startswith("compile_error:")


def test_code_bytes_are_the_symbols_size_in_the_object():
    rows = [row("scale", SCALE), row("pressure", PRESSURE)]
    for name in (TARGETS[0], TARGETS[4]):
        labels = label_functions(rows, [name], metrics=["code_bytes"], jobs=1)
        sizes = [Unit(one.ir, Target.parse(name)).code_bytes[one.entry] for one in rows]
        assert [label.value for label in labels] == sizes


def test_a_function_that_one_processor_refuses_spares_the_others_of_its_module():
    module = (
        SCALE
        + "declare void @llvm.x86.sse2.pause()\ndefine void @g() {\n  call void @llvm.x86.sse2.pause()\n  ret void\n}\n"
    )
    labels = label_functions(
        [row("g", module), row("scale", module)], ["aarch64/neoverse-v2"], metrics=["spills"], jobs=1
    )
    assert [label.value for label in labels] == [None, 0.0]


def test_what_kills_the_compiler_costs_only_itself():
    fatal = (
        "define double @fatal(double %x) {\n  %y = call double @llvm.exp.f64(double %x)\n  ret double %y\n}\n"
        "declare double @llvm.exp.f64(double)\n"
    )
    rows = [row("scale", SCALE), row("fatal", fatal), row("pressure", PRESSURE)]
    labels = label_functions(rows, ["nvptx64/sm_90"], labellers=["llvmlite"], jobs=1)
    assert [label.value is None for label in labels] == [False, True, False]
    assert labels[1].cause.startswith("crash: ")


def test_a_fatal_error_of_the_compiler_is_told_in_its_words():
    large = "declare void @use(ptr)\ndefine void @large() {\n  %a = alloca [200000 x i8]\n  call void @use(ptr %a)\n"
    labels = label_functions(
        [row("large", f"{large}  ret void\n}}"), row("scale", SCALE)], [TARGETS[4]], metrics=["spills"], jobs=1
    )
    assert "stack frame size (200" in labels[0].cause
    assert labels[1].value == 0


def test_what_kills_the_compiler_is_left_out_where_only_its_neighbour_is_asked():
    fatal = "declare double @llvm.exp.f64(double)\ndefine double @fatal(double %x) {\n"
    fatal += "  %y = call double @llvm.exp.f64(double %x)\n  ret double %y\n}\n"
    module = SCALE + fatal
    both = label_functions(
        [row("scale", module), row("fatal", module)], ["nvptx64/sm_90"], labellers=["llvmlite"], jobs=1
    )
    one = label_functions([row("scale", module)], ["nvptx64/sm_90"], labellers=["llvmlite"], jobs=1)
    assert both[:1] == one
    assert one[0].value is not None


def test_mlir_goes_through_the_pipeline_of_its_level_or_its_schedule():
    schedule = "v1; tile(level=register, m=4, n=16, k=1); vectorize(16)"
    affine = """func.func @aff(%a: memref<64xf32>) {
      affine.for %i = 0 to 64 { %x = affine.load %a[%i] : memref<64xf32> affine.store %x, %a[%i] : memref<64xf32> }
      return
    }"""
    rows = [
        row("mm", LINALG, format="mlir", level="linalg"),
        row("mm", LINALG, format="mlir", level="linalg", schedule=schedule),
        row("aff", affine, format="mlir", level="affine"),
        row("l", "llvm.func @l(%a: i64) -> i64 { llvm.return %a : i64 }", format="mlir", level="llvm"),
    ]
    labels = label_functions(rows, ["aarch64/neoverse-v2"], metrics=["instructions"], jobs=1)
    assert [label.pipeline for label in labels] == ["linalg-default-v1", "schedule", "loops-v1", "llvm-dialect-v1"]
    assert [label.cause for label in labels] == [None] * 4
    assert labels[0].value != labels[1].value


def test_equal_input_gives_equal_rows_however_many_workers(tmp_path):
    rows = [row("scale", SCALE), row("pressure", PRESSURE), row("frame", FRAME)]
    cache = LabelCache(tmp_path / "labels.db")
    first = label_functions(rows, TARGETS[:3], jobs=2, cache=cache)
    assert label_functions(rows, TARGETS[:3], jobs=1) == first
    assert label_functions(rows, TARGETS[:3], jobs=1, cache=cache) == first
    assert label_functions(rows[1:2], TARGETS[1:2], jobs=1) == [
        label for label in first if label.function_id == rows[1].function_id and label.target == TARGETS[1]
    ]


def test_the_cache_answers_without_a_compiler_and_can_be_shared(tmp_path):
    path = tmp_path / "labels.db"
    rows = [row("scale", SCALE)]
    expected = label_functions(rows, ["x86-64/znver4"], metrics=["spills"], jobs=1, cache=LabelCache(path))
    fields = {name: getattr(rows[0], name) for name in rows[0].__slots__}
    code = (
        "import json, pathlib, sys\nimport costmodel.datasets.labelling as labelling\n"
        "from costmodel.core.tables import FunctionRow\nfrom costmodel.datasets.labelling_cache import LabelCache\n"
        "labelling.WorkerPool = None\nrow = FunctionRow(**json.loads(sys.argv[1]))\n"
        "cache = LabelCache(pathlib.Path(sys.argv[2]))\n"
        "print(labelling.label_functions([row], ['x86-64/znver4'], metrics=['spills'], cache=cache)[0].value)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(fields), str(path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == expected[0].value


def test_a_file_that_is_no_cache_is_an_error(tmp_path):
    path = tmp_path / "labels.db"
    path.write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(DatabaseError, match=r"labels\.db: not a usable label cache"):
        LabelCache(path)


def test_misuse_is_an_exception():
    rows = [row("scale", SCALE)]
    with pytest.raises(UnknownNameError, match="did you mean 'x86-64/znver4'"):
        label_functions(rows, ["x86-64/znver44"])
    with pytest.raises(UnknownNameError, match="unknown labeller 'llcc'"):
        label_functions(rows, ["x86-64/znver4"], labellers=["llcc"])
    with pytest.raises(UsageError, match="no labeller gives shared_bytes on x86-64/znver4; on x86-64 there are: "):
        label_functions(rows, ["x86-64/znver4"], metrics=["shared_bytes"])
    with pytest.raises(UsageError, match="rows of format 'ttir' cannot be labelled"):
        label_functions([row("scale", SCALE, format="ttir")], ["x86-64/znver4"])


def test_a_labeller_whose_tool_is_absent_says_which_package_has_it(monkeypatch):
    monkeypatch.setattr("costmodel.datasets.labellers.llc.find_llc", lambda arch: None)
    with pytest.raises(MissingDependencyError, match="apt-get install .*llvm-22"):
        label_functions([row("scale", SCALE)], ["riscv64/sifive-p670"], labellers=["llc"])


def test_cycles_follow_trip_counts():
    twice = SCALE.replace("1024", "2048")
    labels = label_functions([row("scale", SCALE), row("scale", twice)], ["x86-64/znver4"], metrics=["cycles"], jobs=1)
    assert labels[1].value == pytest.approx(2 * labels[0].value, rel=0.05)


@pytest.mark.toolchain("llc")
@pytest.mark.parametrize("target", TARGETS[:3])
def test_the_wheel_and_llc_agree(target):
    rows = [row("scale", SCALE), row("pressure", PRESSURE), row("frame", FRAME)]
    metrics = ["instructions", "stack_bytes"]
    ours = label_functions(rows, [target], labellers=["llvmlite"], metrics=metrics, jobs=1)
    llc = label_functions(rows, [target], labellers=["llc"], metrics=metrics, jobs=1)
    key = lambda label: (label.function_id, label.metric)  # noqa: E731
    assert {key(label): label.value for label in ours} == {key(label): label.value for label in llc}


SHARED = """
$both = comdat any
$"odd name" = comdat any
@table = linkonce_odr global [64 x i32] zeroinitializer, comdat($both), align 4
@text = linkonce_odr constant [9 x i8] c"a comdat\\00", comdat($"odd name")
define linkonce_odr i32 @both(i64 %i) comdat {
  %p = getelementptr [64 x i32], ptr @table, i64 0, i64 %i
  %v = load volatile i32, ptr %p
  %t = load volatile i8, ptr @text
  %w = zext i8 %t to i32
  %s = add i32 %v, %w
  ret i32 %s
}
"""


@pytest.mark.toolchain("llc")
@pytest.mark.parametrize("target", TARGETS[:3])
def test_functions_that_share_a_comdat_are_all_labelled_and_address_globals_as_the_wheel_does(target):
    rows = [row("both", SHARED), row("both", SHARED + "declare void @other()\n")]
    found = [
        label_functions(rows, [target], labellers=[name], metrics=["instructions"], jobs=1)
        for name in ("llvmlite", "llc")
    ]
    assert [label.value for label in found[0]] == [label.value for label in found[1]]


def test_a_label_does_not_depend_on_the_functions_beside():
    rows = [row("both", SHARED), row("both", SHARED.replace("volatile i32", "i32"))]
    together = label_functions(rows, ["x86-64/znver4"], metrics=["cycles"], jobs=1)
    alone = [label_functions([one], ["x86-64/znver4"], metrics=["cycles"], jobs=1)[0] for one in rows]
    assert together == alone
