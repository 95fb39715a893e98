"""LLVM IR of many ages and corners of its syntax, read as it stands."""

# ruff: noqa: E501

import pytest

from costmodel import ir
from costmodel.core.errors import ParseError
from costmodel.ir.llvm import parse_module
from costmodel.ir.llvm.constants import constant_operation
from costmodel.ir.llvm.legacy import opaque, upgrade
from costmodel.ir.llvm.shapes import names_of_types


def function_of(body, head="define void @f(ptr %p, ptr %q, i32 %n, float %x, <4 x i32> %v, token %t)", before=""):
    (function,) = parse_module(f"{before}{head} {{\n{body}\n}}\n").operations
    return function


def first(body, **more):
    return function_of(body, **more).regions[0].blocks[0].operations[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("i32*", "ptr"),
        ("i8** %x", "ptr %x"),
        ("%struct.a* %x, i32 0", "ptr %x, i32 0"),
        ('%"class.std::a"* @x', "ptr @x"),
        ("[4 x i8]* @s", "ptr @s"),
        ("{ i32, i8* }* %x", "ptr %x"),
        ("<{ i32, i8* }>* %x", "ptr %x"),
        ("<4 x float*> %x", "<4 x ptr> %x"),
        ("i32 addrspace(3)* %x", "ptr addrspace(3) %x"),
        ("i32 addrspace(3)* addrspace(1)* %x", "ptr addrspace(1) %x"),
        ("void (i8*, ...)* %x", "ptr %x"),
        ("i32 (i8*)* (i64*)* %x", "ptr %x"),
        ('c"a*b"', 'c"a*b"'),
    ],
)
def test_typed_pointers_become_opaque(old, new):
    assert opaque(old) == new


@pytest.mark.parametrize(
    ("opcode", "old", "new"),
    [
        ("load", "i32* %p, align 4", "i32, ptr %p, align 4"),
        ("load", "volatile %s** %p", "volatile ptr, ptr %p"),
        ("load", "i32, i32* %p", "i32, ptr %p"),
        ("getelementptr", "inbounds [2 x i32]* %p, i64 0", "inbounds [2 x i32], ptr %p, i64 0"),
        ("call", "i32 (i8*, ...)* @printf(i8* %p)", "i32 (ptr, ...) @printf(ptr %p)"),
        ("call", "i32 (i8*, ...) @printf(i8* %p)", "i32 (ptr, ...) @printf(ptr %p)"),
    ],
)
def test_old_instructions_take_todays_form(opcode, old, new):
    assert upgrade(opcode, old) == new


@pytest.mark.parametrize(
    ("line", "name", "operands", "result"),
    [
        ("fence syncscope(\"agent\") seq_cst", "llvm.fence", [], None),
        ("%r = load atomic i32, ptr %p syncscope(\"one\") acquire, align 4", "llvm.load", ["%p"], "i32"),
        ("store atomic volatile i32 %n, ptr %p monotonic, align 4", "llvm.store", ["%n", "%p"], None),
        ("%r = atomicrmw uinc_wrap ptr %p, i32 %n acq_rel", "llvm.atomicrmw", ["%p", "%n"], "i32"),
        (
            "%r = cmpxchg weak ptr %p, i32 %n, i32 1 acq_rel monotonic, align 4",
            "llvm.cmpxchg",
            ["%p", "%n", ""],
            "!llvm.struct<(i32, i1)>",
        ),
        ("%r = freeze i32 %n", "llvm.freeze", ["%n"], "i32"),
        ("%r = va_arg ptr %p, i32", "llvm.va_arg", ["%p"], "i32"),
        ("%r = zext nneg i32 %n to i64", "llvm.zext", ["%n"], "i64"),
        ("%r = or disjoint i32 %n, 1", "llvm.or", ["%n", ""], "i32"),
        ("%r = icmp samesign ult i32 %n, 5", "llvm.icmp", ["%n", ""], "i1"),
        ("%r = trunc nuw nsw i32 %n to i8", "llvm.trunc", ["%n"], "i8"),
        ("%r = getelementptr nusw nuw i8, ptr %p, i32 %n", "llvm.getelementptr", ["%p", "%n"], "!llvm.ptr"),
        ("%r = getelementptr i8, <2 x ptr> %w, i64 1", "llvm.getelementptr", ["%w"], "vector<2x!llvm.ptr>"),
        ("%r = add <4 x i32> %v, splat (i32 3)", "llvm.add", ["%v", ""], "vector<4xi32>"),
        ("%r = add <vscale x 4 x i32> %s, %s", "llvm.add", ["%s", "%s"], "vector<[4]xi32>"),
        ("%r = fneg reassoc nnan float %x", "llvm.fneg", ["%x"], "f32"),
        ("%r = select i1 poison, i32 %n, i32 undef", "llvm.select", ["", "%n", ""], "i32"),
        ("%r = call target(\"spirv.Image\", void, 1) @g(i32 %n)", "llvm.call", ["%n"], None),
        ('%r = call i32 asm sideeffect "movl %eax, $0; #*", "=r,r"(i32 %n) #3, !srcloc !4', "llvm.inline_asm", ["%n"], "i32"),
        ("%r = tail call fastcc i32 %p(i32 signext %n)", "llvm.call", ["%p", "%n"], "i32"),
        (
            '%r = call i32 @g(ptr byval({ i8, i32 }) captures(none) dereferenceable(8) %p, i32 range(i32 0, 5) %n) [ "deopt"(i32 1) ]',
            "llvm.call",
            ["%p", "%n"],
            "i32",
        ),
        ("call void @llvm.assume(i1 true) [ \"align\"(ptr %p, i64 8) ]", "llvm.intr.assume", [""], None),
    ],
)  # fmt: skip
def test_instructions(line, name, operands, result):
    head = "define void @f(ptr %p, i32 %n, float %x, <4 x i32> %v, <2 x ptr> %w, <vscale x 4 x i32> %s)"
    operation = first(f"  {line}\n  unreachable", head=head)
    assert operation.name == name
    assert [value.name for value in operation.operands] == operands
    if result is not None or not operation.results:
        assert [value.type_text for value in operation.results] == ([result] if result else [])


def test_exception_pads_and_their_returns():
    body = """entry:
  invoke void @g()
          to label %done unwind label %dispatch
dispatch:
  %s = catchswitch within none [label %handler] unwind to caller
handler:
  %c = catchpad within %s [ptr null, i32 64, ptr null]
  catchret from %c to label %done
cleanup:
  %k = cleanuppad within none []
  cleanupret from %k unwind to caller
done:
  ret void"""
    entry, dispatch, handler, cleanup, done = function_of(body).regions[0].blocks
    assert entry.operations[0].successors == [done, dispatch]
    assert dispatch.operations[0].successors == [handler]
    assert [value.name for value in handler.operations[0].operands] == ["%s", "", "", ""]
    assert handler.operations[1].successors == [done]
    assert [value.type_text for value in cleanup.operations[0].results] == ["!llvm.token"]


def test_callbr_and_indirectbr_have_successors():
    body = """entry:
  callbr void asm sideeffect "jmp ${0:l}", "!i"()
          to label %a [label %b]
a:
  indirectbr ptr %p, [label %a, label %b]
b:
  ret void"""
    entry, a, b = function_of(body).regions[0].blocks
    assert entry.operations[0].successors == [a, b]
    assert a.operations[0].successors == [a, b]


def test_debug_records_intrinsics_and_metadata_leave_no_trace():
    plain = "  %a = add i32 %n, 1\n  ret void"
    noisy = (
        "    #dbg_value(i32 %n, !1, !DIExpression(DW_OP_plus_uconst, 1), !2)\n  %a = add i32 %n, 1, !dbg !3, !range !{i32 0}\n"
        "  call void @llvm.dbg.value(metadata i32 %a, metadata !1, metadata !DIExpression()), !dbg !3 ; a comment\n"
        "  ret void, !dbg !4"
    )
    graphs = [
        ir.program.functions_of(parse_module(f"define void @f(i32 %n) {{\n{body}\n}}\n")) for body in (plain, noisy)
    ]
    assert graphs[0][0].graph().equals(graphs[1][0].graph())


def test_a_type_and_a_value_may_share_their_name():
    before = "%x = type { i32, float }\n%0 = type { i32 }\n"
    operations = function_of(
        "  %x = getelementptr %x, ptr %0, i32 0, i32 1\n  %1 = load %x, ptr %x\n  ret void",
        head="define void @f(ptr %0)",
        before=before,
    ).regions[0].blocks[0].operations  # fmt: skip
    assert [value.name for value in operations[0].operands] == ["%0"]
    assert operations[1].operands[0] is operations[0].results[0]


OLD = """%struct.node = type { i32, %struct.node* }
@table = internal global [4 x i32] zeroinitializer, align 16
define i32 @walk(%struct.node* nocapture %list, i32 (i32)* %f) #0 {
entry:
  %0 = getelementptr inbounds %struct.node, %struct.node* %list, i64 0, i32 0
  %1 = load i32, i32* %0, align 4
  %2 = call i32 %f(i32 %1)
  %3 = call i32 (i8*, ...) @printf(i8* getelementptr inbounds ([4 x i8], [4 x i8]* @.s, i32 0, i32 0), i32 %2)
  store i32 %2, i32* getelementptr inbounds ([4 x i32], [4 x i32]* @table, i64 0, i64 1), align 4
  %4 = bitcast %struct.node* %list to i8*
  ret i32 %2
}
"""
NEW = """@table = internal global [4 x i32] zeroinitializer, align 16
%struct.node = type { i32, ptr }
@.s = external global [4 x i8]
declare i32 @printf(ptr, ...)
define i32 @walk(ptr nocapture %list, ptr %f) {
entry:
  %0 = getelementptr inbounds %struct.node, ptr %list, i64 0, i32 0
  %1 = load i32, ptr %0, align 4
  %2 = call i32 %f(i32 %1)
  %3 = call i32 (ptr, ...) @printf(ptr @.s, i32 %2)
  store i32 %2, ptr @table, align 4
  %4 = bitcast ptr %list to ptr
  ret i32 %2
}
"""


def test_typed_pointers_give_the_nodes_that_todays_text_gives():
    old, new = ir.read(OLD), ir.read(NEW)
    assert (old.level, new.level) == ("graph", "graph")
    assert str(old.diagnostics[0]).startswith("<string>:3:")
    assert "typed pointers" in old.diagnostics[0].message
    names = [[op.name for op in program.functions[0].operation.walk()] for program in (old, new)]
    assert names[0] == names[1]
    types = [
        [value.type_text for op in program.functions[0].operation.walk() for value in op.results]
        for program in (old, new)
    ]
    assert types[0] == types[1]


def test_broken_bitcode_says_what_to_do():
    with pytest.raises(ParseError, match="bitcode that LLVM 22 cannot read.*llvm-dis"):
        ir.read(b"BC\xc0\xde" + b"\x35\x14\x00\x00" * 8)


def test_indentation_does_not_matter():
    text = "define i32 @f(i32 %x) {\n  %y = add i32 %x, 1\n  switch i32 %y, label %a [\n    i32 1, label %a\n  ]\na:\n  ret i32 %y\n}\n"
    tabs = text.replace("\n  ", "\n\t")
    graphs = [ir.program.functions_of(parse_module(one))[0].graph() for one in (text, tabs)]
    assert graphs[0].equals(graphs[1])


def test_a_block_is_the_same_with_and_without_quotes():
    module = parse_module(
        'define i64 @f(i64 %"n") {\nentry:\n  br label %"loop"\nloop:\n  %"i" = phi i64 [0, %"entry"], [%"j", %"loop"]\n'
        '  %"j" = add i64 %"i", 1\n  br label %loop\n}\n'
    )
    entry, loop = module.operations[0].regions[0].blocks
    assert entry.operations[-1].successors == loop.operations[-1].successors == [loop]


def test_an_opcode_may_be_followed_by_several_spaces():
    module = parse_module(
        "define i64 @f(i64 %n) {\nentry:\n  br label %loop\nloop:\n  %i = phi  i64 [0, %entry], [%j, %loop]\n"
        "  %j = add  i64 %i, 1\n  %c = icmp slt i64 %j, %n\n  br i1 %c, label %loop, label %done\n"
        "done:\n  ret i64 %i\n}\n"
    )
    assert [operation.name for operation in module.walk()].count("llvm.add") == 1


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("f16", "0xHFC00", "0xFC00 : f16"),
        ("bf16", "0xRFF80", "0xFF80 : bf16"),
        ("f32", "0xFFF0000000000000", "0xFF800000 : f32"),
        ("f64", "0xFFF0000000000000", "0xFFF0000000000000 : f64"),
        ("bf16", "-inf", "0xFF80 : bf16"),
        ("f16", "+inf", "0x7C00 : f16"),
        ("f32", "+qnan", "0x7FC00000 : f32"),
        ("f32", "0x3FF8000000000000", "1.50000000000000000e+00 : f32"),
    ],
)
def test_numbers_that_are_not_finite_are_bits_of_their_own_type(kind, text, value):
    assert constant_operation(kind, text) == ("llvm.mlir.constant", f"value = {value}")


def test_named_types_are_found_on_every_line():
    assert names_of_types('%a = type i32\n%b = type { %a }\n@x = global i32 0\n%"c d" = type opaque\n') == {
        "%a", "%b", '%"c d"'
    }  # fmt: skip
