import pytest

from costmodel import ir
from costmodel.core.errors import ParseError
from costmodel.ir.llvm import parse_module
from costmodel.ir.llvm.types import mlir_type


def only_block(body, head="define void @f(ptr %p, float %x, i32 %n, <4 x float> %v)"):
    module = parse_module(f"{head} {{\n{body}\n}}\n")
    return module.operations[0].regions[0].blocks[0].operations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("float", "f32"),
        ("bfloat", "bf16"),
        ("i17", "i17"),
        ("ptr addrspace(3)", "!llvm.ptr<3>"),
        ("<4 x float>", "vector<4xf32>"),
        ("<vscale x 2 x i64>", "vector<[2]xi64>"),
        ("[3 x [2 x double]]", "!llvm.array<3 x !llvm.array<2 x f64>>"),
        ("{ i32, <2 x ptr> }", "!llvm.struct<(i32, vector<2x!llvm.ptr>)>"),
        ("<{ i8, i32 }>", "!llvm.struct<packed (i8, i32)>"),
    ],
)
def test_types_take_mlir_spelling(text, expected):
    assert mlir_type(text) == expected


def test_phis_become_block_arguments(sample):
    function = parse_module(sample("dot.ll")).operations[0]
    entry, loop, exit_block = function.regions[0].blocks
    assert [value.name for value in loop.args] == ["%i", "%sum"]
    assert [value.type_text for value in loop.args] == ["i64", "f32"]
    forward, back = entry.operations[-1], loop.operations[-1]
    assert [value.owner.name for value in forward.operands] == ["llvm.mlir.constant"] * 2
    assert [value.name for value in back.operands] == ["%done", "%next", "%sum2"]
    assert back.successors == [exit_block, loop]


@pytest.mark.parametrize(
    ("line", "name", "operands", "result", "properties"),
    [
        ("%r = fadd fast float %x, 1.0", "llvm.fadd", ["%x", ""], "f32", {"fastmathFlags": "#llvm.fastmath<fast>"}),
        ("%r = icmp slt i32 %n, 5", "llvm.icmp", ["%n", ""], "i1", {"predicate": "2 : i64"}),
        ("%r = fcmp olt <4 x float> %v, %v", "llvm.fcmp", ["%v", "%v"], "vector<4xi1>", {"predicate": "4 : i64"}),
        (
            "%r = load volatile i64, ptr %p, align 8, !tbaa !3",
            "llvm.load",
            ["%p"],
            "i64",
            {"alignment": "8 : i64", "volatile_": "unit"},
        ),
        ("store float %x, ptr %p, align 4", "llvm.store", ["%x", "%p"], None, {"alignment": "4 : i64"}),
        ("%r = sext i32 %n to i64", "llvm.sext", ["%n"], "i64", {}),
        (
            "%r = getelementptr inbounds [4 x float], ptr %p, i32 %n, i64 3",
            "llvm.getelementptr",
            ["%p", "%n"],
            "!llvm.ptr",
            {"elem_type": "!llvm.array<4 x f32>", "rawConstantIndices": "array<i32: -2147483648, 3>"},
        ),
        ("%r = extractelement <4 x float> %v, i64 0", "llvm.extractelement", ["%v", ""], "f32", {}),
        (
            "%r = shufflevector <4 x float> %v, <4 x float> %v, <2 x i32> <i32 1, i32 0>",
            "llvm.shufflevector",
            ["%v", "%v"],
            "vector<2xf32>",
            {"mask": "array<i32: 1, 0>"},
        ),
        ("%r = call float @llvm.fma.f32(float %x, float %x, float %x)", "llvm.intr.fma", ["%x"] * 3, "f32", {}),
        ("%r = tail call noundef i32 @g(ptr noundef %p, ...) #4", "llvm.call", ["%p", ""], "i32", {"callee": "@g"}),
        ("call void (ptr, ...) @h(ptr byval({ i8, i32 }) align 4 %p)", "llvm.call", ["%p"], None, {"callee": "@h"}),
        (
            "%r = atomicrmw volatile add ptr %p, i32 1 seq_cst, align 4",
            "llvm.atomicrmw",
            ["%p", ""],
            "i32",
            {"alignment": "4 : i64"},
        ),
        ("resume { ptr, i32 } %v", "llvm.resume", ["%v"], None, {}),
    ],
)
def test_instructions(line, name, operands, result, properties):
    operation = only_block(f"  {line}")[0]
    assert operation.name == name
    assert [value.name for value in operation.operands] == operands
    assert [value.type_text for value in operation.results] == ([result] if result else [])
    assert dict(operation.properties) == properties


def test_constants_are_values_of_constant_operations():
    operations = only_block(
        "  %a = fadd float %x, 0x3FB99999A0000000\n  %b = fadd <4 x float> %v, splat (float 2.0)\n"
        "  store ptr null, ptr @g\n  %c = fadd float 0x3FB99999A0000000, %a"
    )
    values = [value for operation in operations for value in operation.operands if not value.name]
    assert [value.owner.name.rpartition(".")[2] for value in values] == [
        "constant",
        "constant",
        "zero",
        "addressof",
        "constant",
    ]
    assert values[0] is values[4]
    assert values[0].owner.attribute("value").as_float() == pytest.approx(0.1, rel=1e-7)
    assert values[1].owner.attribute("value").as_dense().tolist() == [2.0] * 4


@pytest.mark.parametrize("tail", ["", ", !dbg !0"])
def test_a_clause_on_its_own_line_belongs_to_the_landing_pad(tail):
    function = parse_module(
        "define void @f() personality ptr @p {\n  invoke void @g()\n          to label %ok unwind label %lp\n\n"
        f"ok:\n  ret void\n\nlp:\n  %l = landingpad {{ ptr, i32 }}\n          cleanup{tail}\n  unreachable\n}}\n"
    ).operations[0]
    names = [operation.name for operation in function.regions[0].blocks[-1].operations]
    assert names == ["llvm.landingpad", "llvm.unreachable"]


def test_invoke_and_switch_over_several_lines():
    function = parse_module(
        "define i32 @f(i32 %0) personality ptr @p {\n  switch i32 %0, label %2 [\n    i32 1, label %3\n"
        "    i32 2, label %2\n  ]\n\n2:\n  %r = invoke i32 @g(i32 %0)\n          to label %3 unwind label %lp\n\n"
        "3:\n  ret i32 0\n\nlp:\n  %l = landingpad { ptr, i32 }\n          cleanup\n  unreachable\n}\n"
    ).operations[0]
    entry, two, three, pad = function.regions[0].blocks
    assert entry.operations[0].successors == [two, three, two]
    assert two.operations[0].successors == [three, pad]
    assert pad.operations[0].results[0].type_text == "!llvm.struct<(!llvm.ptr, i32)>"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("  %r = fadd float %x, %y", r"2:8: use of undefined value %y"),
        ("  br label %nowhere", r"2:3: block %nowhere is never defined"),
        ("  %r = load float", r"2:8: cannot read this load"),
        ("  )", r"2:1: expected an instruction"),
    ],
)
def test_errors_carry_positions(body, message):
    with pytest.raises(ParseError, match=message):
        only_block(body)


def test_text_and_bitcode_of_one_module_agree(sample, sample_path, tmp_path):
    import llvmlite.binding as llvm

    bitcode = tmp_path / "dot.bc"
    bitcode.write_bytes(llvm.parse_assembly(sample("dot.ll")).as_bitcode())
    text, binary = ir.read(sample_path("dot.ll")), ir.read(bitcode)
    assert (text.format, text.level, binary.level) == ("llvm", "graph", "graph")
    assert text.functions[0].graph().equals(binary.functions[0].graph())
    assert text.functions[0].ops == 11


def test_ir_that_llvm_refuses_but_we_can_read_is_a_graph_with_the_complaint():
    program = ir.read("define i32 @f() {\n  ret i33 0\n}\n")
    assert program.level == "graph"
    assert str(program.diagnostics[0]).startswith("<string>:2:7: value doesn't match function result type")
    assert program.functions[0].ops == 1


def test_ir_that_nobody_can_read_is_tokens_with_both_complaints():
    program = ir.read("define i32 @f() {\n  %x = add i32 %y, 1\n  ret i32 %x\n}\n")
    assert program.level == "tokens"
    assert [str(item).rpartition("<string>:")[2] for item in program.diagnostics] == [
        "2:16: use of undefined value '%y'",
        "2:8: use of undefined value %y",
    ]
    assert "ret" in program.functions[0].tokens("anonymized")


def test_format_that_only_llvm_reads_is_read_as_llvm_prints_it():
    program = ir.read("define i32 @f(i32 %x) { entry: %y = add i32 %x, 1 ret i32 %y }\n")
    assert (program.level, program.diagnostics) == ("graph", ())
    plain = ir.read("define i32 @f(i32 %x) {\nentry:\n  %y = add i32 %x, 1\n  ret i32 %y\n}\n")
    assert program.functions[0].graph().equals(plain.functions[0].graph())


def test_mlirs_llvm_dialect_and_llvm_ir_give_the_same_graph():
    mlir = (
        '"llvm.func"() <{sym_name = "f"}> ({\n^bb0(%x: f32, %y: f32, %c: i1):\n'
        '  "llvm.cond_br"(%c, %x)[^bb1, ^bb2] : (i1, f32) -> ()\n'
        '^bb1(%z: f32):\n  %w = "llvm.fmul"(%z, %y) : (f32, f32) -> f32\n  "llvm.return"(%w) : (f32) -> ()\n'
        '^bb2:\n  %k = "llvm.mlir.constant"() <{value = 2.5 : f32}> : () -> f32\n'
        '  "llvm.return"(%k) : (f32) -> ()\n}) : () -> ()\n'
    )
    llvm = (
        "define float @g(float %0, float %1, i1 %2) {\n  br i1 %2, label %a, label %b\n"
        "a:\n  %z = phi float [ %0, %3 ]\n  %w = fmul float %z, %1\n  ret float %w\n"
        "b:\n  ret float 2.500000e+00\n}\n"
    )
    first = ir.read(mlir).functions[0].graph()
    second = ir.read(llvm).functions[0].graph()
    assert first.equals(second)


def test_llvm_is_asked_only_by_those_who_look_at_diagnostics(monkeypatch):
    asked = []
    monkeypatch.setattr("costmodel.ir.llvm.reader.verified", lambda data, file: asked.append(file) or ())
    program = ir.read("define i32 @f() {\n  ret i32 0\n}\n")
    assert program.functions[0].features()["ops"] == 1
    assert asked == []
    assert (program.diagnostics, program.diagnostics, asked) == ((), (), ["<string>"])
    assert not hasattr(program, "unheard_of")
