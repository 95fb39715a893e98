"""The fast paths over text give what the tree gives."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel import ir
from costmodel.core.errors import ParseError
from costmodel.ir.llvm import parse_module
from costmodel.ir.mlir import parse_generic
from costmodel.ir.program import functions_of
from costmodel.ir.tokens import generic_text, llvm_text
from costmodel.ir.tokens.source import tokenize_source

WORDS = ("ops", "ops-operands", "anonymized")
MODULE = """
#map = affine_map<(d0) -> (d0)>
"builtin.module"() <{sym_name = "outer"}> ({
  "llvm.mlir.global"() <{sym_name = "g"}> ({
  }) : () -> ()
  "func.func"() <{sym_name = "declared", function_type = () -> ()}> ({
  }) : () -> ()
  "func.func"() <{sym_name = "f"}> ({
  ^bb0(%a: f32, %b: memref<4xf32, #map>):
    %0:2 = "test.pair"(%a) <{callee = @g, maps = [#map]}> : (f32) -> (f32, i32)
    %1 = "arith.constant"() <{value = 1000 : index}> : () -> index
    %2 = "scf.if"(%0#1) ({
      %3 = "math.exp"(%0#0) : (f32) -> f32
      "scf.yield"(%3) : (f32) -> ()
    }, {
      %3 = "math.sin"(%0#0) {x = "a b", y} : (f32) -> f32
      "scf.yield"(%3) : (f32) -> ()
    }) {kind = 3 : i64} : (i32) -> f32
    "memref.store"(%2, %b, %1) : (f32, memref<4xf32, #map>, index) -> ()
    "test.unused"(%a) : (f32) -> i8
    "cf.cond_br"(%0#1)[^bb2, ^bb1] : (i32) -> ()
  ^bb1:
    "cf.br"(%2)[^bb2] : (f32) -> ()
  ^bb2:
    "func.return"() : () -> ()
  }) : () -> ()
  "builtin.module"() ({
    "func.func"() <{sym_name = "inner"}> ({
      "func.call"() <{callee = @f}> : () -> ()
      "func.return"() : () -> ()
    }) : () -> ()
  }) : () -> ()
}) : () -> ()
"""
LLVM = """
%struct.S = type { i32, [4 x float] }
declare float @ext(float)
define i32 @loop(ptr %p, i64 %n, <4 x float> %v) {
entry:
  %c = icmp sgt i64 %n, 0
  br i1 %c, label %body, label %exit

body:                                             ; preds = %body, %entry
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %s = phi float [ 0.000000e+00, %entry ], [ %t, %body ]
  %q = getelementptr inbounds %struct.S, ptr %p, i64 %i, i32 1, i64 2
  %x = load float, ptr %q, align 4, !tbaa !3
  %y = call fast float @ext(float %x) #2
  %t = fadd float %s, %y
  %j = add nuw nsw i64 %i, 1
  %d = icmp eq i64 %j, %n
  br i1 %d, label %exit, label %body

exit:                                             ; preds = %body, %entry
  %r = phi float [ 1.000000e+00, %entry ], [ %t, %body ]
  store <4 x float> %v, ptr %p, align 16
  switch i64 %n, label %last [
    i64 1, label %one
    i64 2, label %last
  ]

one:                                              ; preds = %exit
  %w = call i32 @loop(ptr null, i64 7, <4 x float> zeroinitializer)
  ret i32 %w

last:                                             ; preds = %exit, %exit
  %k = fptosi float %r to i32
  ret i32 %k
}

define void @empty() {
  ret void
}
"""


def tree(module, scheme, seed):
    return [(function.name, function.tokens(scheme, seed=seed)) for function in functions_of(module)]


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("scheme", WORDS)
def test_generic_text_agrees_with_the_tree(scheme, seed):
    found = generic_text.function_tokens(MODULE, scheme, seed)
    assert [name for name, _ in found] == ["f", "inner"]
    assert found == tree(parse_generic(MODULE), scheme, seed)


@pytest.mark.parametrize("scheme", WORDS)
@pytest.mark.parametrize("name", ["matmul.mlir", "branches.mlir", "loops.mlir"])
def test_samples_agree_with_the_tree(sample, name, scheme):
    text = sample(name)
    assert tokenize_source(text, scheme, format="mlir") == tree(parse_generic(text), scheme, None)


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("scheme", WORDS)
def test_llvm_text_agrees_with_the_tree(sample, scheme, seed):
    for text in (LLVM, sample("dot.ll")):
        assert llvm_text.function_tokens(text, scheme, seed) == tree(parse_module(text), scheme, seed)


def test_forwarded_values_and_struct_names():
    (_, tokens), _ = llvm_text.function_tokens(LLVM, "anonymized")
    text = " ".join(tokens)
    assert "llvm.cond_br %var0 c:0 c:0 c:1 ^block1 ^block2" in text
    assert "struct.S" not in text


@pytest.mark.parametrize(
    "text",
    [
        '"func.func"() <{sym_name = "f"}> ({\n"a.b"(%x) : (i1) -> ()\n%x = "c.d"() : () -> i1\n}) : () -> ()\n',
        '"func.func"() ({\n"a.b"() : () -> ()\n}) {sym_name = "f"} : () -> ()\n',
        '"a.b"() : () -> ()\n',
        '%0 = "a.b"() : () -> i1\n"c.d"(%0) ({\n"e.f"(%0) : (i1) -> ()\n}) : (i1) -> ()\n',
    ],
)
def test_what_the_fast_path_does_not_know_goes_to_the_tree(text):
    for scheme in WORDS:
        assert tokenize_source(text, scheme, format="mlir") == tree(parse_generic(text), scheme, None)


def test_errors_are_the_readers():
    with pytest.raises(ParseError, match=r":2:"):
        tokenize_source('"a.b"() : () -> ()\n"c.d"(', "ops", format="mlir")
    with pytest.raises(ParseError):
        tokenize_source("nothing of LLVM", "ops", format="llvm")


def test_parts_have_aliases_of_their_own():
    part = '#m = affine_map<(d0) -> (d0{})>\n"func.func"() <{{sym_name = "f"}}> ({{\n"a.b"() <{{m = #m}}> : () -> ()\n'
    part += "}}) : () -> ()\n"
    text = part.format("") + "// -----\n" + part.format(" + 1")
    found = tokenize_source(text, "anonymized", format="mlir")
    assert found == tree(parse_generic(text), "anonymized", None)
    assert found[0] != found[1]


NAMES = st.from_regex(r"[a-z_][a-z0-9_.$\-]{0,6}", fullmatch=True)


@settings(max_examples=12)
@given(
    names=st.lists(NAMES, min_size=24, max_size=24, unique=True), gap=st.sampled_from([" ", "  ", "\n", " // c %x\n"])
)
def test_names_format_and_locations_do_not_matter(names, gap):
    plain = tokenize_source(MODULE, "anonymized", format="mlir")
    old = sorted(set(re.findall(r"[%^](\w+)", MODULE)))
    renamed = dict(zip(old, names, strict=False))
    text = re.sub(r"([%^])(\w+)", lambda match: match[1] + renamed[match[2]], MODULE)
    text = text.replace("#map", "#other").replace("@f", "@gg").replace('"f"', '"gg"').replace(" = ", f"{gap}= ")
    text = re.sub(r"(\) -> \w+)$", r"\1 loc(unknown)", text, flags=re.MULTILINE)
    found = tokenize_source(text, "anonymized", format="mlir")
    assert [tokens for _, tokens in found] == [tokens for _, tokens in plain]


@settings(max_examples=8)
@given(names=st.lists(NAMES, min_size=24, max_size=24, unique=True))
def test_names_in_llvm_ir_do_not_matter(names):
    plain = tokenize_source(LLVM, "anonymized", format="llvm")
    old = sorted(set(re.findall(r"%([\w.]+)", LLVM)) - {"struct.S"}, key=len, reverse=True)
    renamed = {**dict(zip(old, (f"{name}.x" for name in names), strict=False)), "struct.S": "struct.T"}
    text = re.sub(r"%([\w.]+)", lambda match: f"%{renamed[match[1]]}", LLVM)
    text = re.sub(r"^(\w+):", lambda match: f"{renamed[match[1]]}:", text, flags=re.MULTILINE)
    found = tokenize_source(text.replace("@loop", "@again"), "anonymized", format="llvm")
    assert [tokens for _, tokens in found] == [tokens for _, tokens in plain]


def test_reading_and_tokenizing_give_the_same():
    assert tokenize_source(LLVM, "anonymized", format="llvm") == [
        (function.name, function.tokens("anonymized")) for function in ir.read(LLVM).functions
    ]


UNCOMMON = """%pair = type { i32, i32 }
declare i32 @g(ptr, ...)
declare i32 @h(i32)

define i32 @f(i32 %n, ptr %p, i1 %c) {
  call i32 @h(i32 %n)
  br i1 %c, label %later, label %twice
later:
  %x = add i32 %y, 1
  switch i32 %x, label %twice [
    i32 1, label %twice
    i32 2, label %"odd name"
  ]
twice:
  %z = phi i32 [ %x, %later ], [ %x, %later ], [ 7, %0 ]
  %y = mul i32 %z, %z
  %pair = insertvalue %pair undef, i32 %y, 0
  %r = call i32 (ptr, ...) @g(ptr @"a symbol", i32 %y, %pair %pair)
  br label %later
"odd name":
  %q = select i1 %c, i32 %n, i32 %n
  ret i32 %q
}
"""


@pytest.mark.parametrize("scheme", WORDS)
@pytest.mark.parametrize("seed", [None, 3])
def test_uncommon_llvm_text_agrees_with_the_tree(scheme, seed):
    """A result without a name, uses before definitions, a value named like a type, a target named twice."""
    expected = [function.tokens(scheme, seed=seed) for function in functions_of(parse_module(UNCOMMON))]
    assert [tokens for _, tokens in tokenize_source(UNCOMMON, scheme, format="llvm", seed=seed)] == expected
    assert [tokens for _, tokens in llvm_text.function_tokens(UNCOMMON, scheme, seed)] == expected


@pytest.mark.parametrize(
    "body",
    [
        "  %x = add i32 %n, 1\n  %x = add i32 %n, 2\n  ret i32 %x\n",
        "  %x = add i32 %n, %missing\n  ret i32 %x\n",
        "  br label %nowhere\n",
        "a:\n  br label %b\nb:\n  %x = add i32 %n, 1\n  %y = phi i32 [ %n, %a ]\n  ret i32 %y\n",
        "a:\n  br label %b\n  %x = add i32 %n, 1\nb:\n  ret i32 %n\n",
    ],
)
def test_broken_llvm_functions_are_left_to_the_tree(body):
    with pytest.raises((generic_text.Unusual, ParseError)):
        llvm_text.function_tokens(f"define i32 @f(i32 %n) {{\n{body}}}\n", "anonymized")


ODD_LINES = """#long = #test.pair<[
  1, 2]>
!t = tensor<4xf32>
"builtin.module"() ({
  "test.initializer"() ({
    "test.done"() : () -> ()
  }) : () -> ()
  "func.func"() <{sym_name = "f", kind = #long}> ({
  ^bb0(%a: !t, %b: i1):  // 2 preds
    %0:2 = "test.pair"(%a, %a) <{callee = @g}> : (!t, !t) -> (!t, i32)
    %1 = "test.first"(%0#0) {text = "a \\22 ( %x"} : (!t) -> !t
    %2 = "test.region"(%0) ({
      %3 = "test.in"(%1) : (!t) -> i32
      "test.leave"(%3)[^bb2] : (i32) -> ()
    ^bb2:  // pred: ^bb0
      "test.yield"() : () -> ()
    }, {
      %3 = "test.in"(%1) : (!t) -> i32
      "test.yield"(%3) : (i32) -> ()
    }) {note = "mail@home"} : (!t) -> i32
    "test.end"(%2) : (i32) -> () loc("file":1:2)
    "test.end"(%2) : (i32) -> () loc(#loc)
  }) {arg = "@text"} : () -> ()
}) : () -> ()
#loc = loc(unknown)

{-#
  dialect_resources: {
    builtin: {
      blob: "0x0400"
    }
  }
#-}
"""


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("scheme", WORDS)
def test_odd_lines_of_generic_text_agree_with_the_tree(scheme, seed):
    """Aliases over lines, comments behind labels, regions without a symbol, resources, aliases at the end."""
    assert tokenize_source(ODD_LINES, scheme, format="mlir", seed=seed) == tree(parse_generic(ODD_LINES), scheme, seed)
    plain = ODD_LINES.replace('    "test.end"(%2) : (i32) -> () loc("file":1:2)\n', "")
    assert generic_text.function_tokens(plain, scheme, seed) == tree(parse_generic(plain), scheme, seed)


@pytest.mark.parametrize(
    "line",
    [
        '"a.b"()\n: () -> ()',
        '"a.b"() : () -> () "c.d"() : () -> ()',
        '"a.b"() {x = [1} : () -> ()',
        '"a.b"() ({ "c.d"() : () -> () }) : () -> ()',
        "a.b",
    ],
)
@pytest.mark.parametrize("scheme", WORDS)
def test_lines_that_are_no_whole_operation_are_left_to_the_tree(line, scheme):
    text = f'"func.func"() <{{sym_name = "f"}}> ({{\n  {line}\n}}) : () -> ()\n'
    with pytest.raises(generic_text.Unusual):
        generic_text.function_tokens(text, scheme)
