"""The plain form: what needless blocks do not change, and what stays as it is."""

import time

import numpy as np
import pytest

from costmodel import ir
from costmodel.ir.features.plain import plain
from costmodel.ir.rewrites import rewrite

LOOP = """define i64 @f(ptr %p, i64 %n) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %sum = phi i64 [ 0, %entry ], [ %more, %body ]
  %test = icmp ult i64 %i, %n
  br i1 %test, label %body, label %done
body:
  %at = getelementptr i64, ptr %p, i64 %i
  %v = load i64, ptr %at
  %more = add i64 %sum, %v
  %next = add i64 %i, 1
  br label %head
done:
  %last = phi i64 [ %sum, %head ]
  ret i64 %last
}
"""


def numbers(text, **options):
    return ir.read(text).functions[0].features(simplify=True, **options).to_dict()


@pytest.mark.parametrize("kind", ["split", "rename", "reformat"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rewrites_that_add_nothing_change_no_feature(kind, seed):
    changed = rewrite(LOOP, kind, np.random.default_rng(seed), form="llvm")
    assert changed is not None
    assert numbers(changed) == numbers(LOOP)


def test_a_plain_function_is_not_copied():
    root = ir.read(LOOP).functions[0].operation
    assert plain(root) is None


def test_joined_blocks_hand_their_arguments_on_and_the_original_stays():
    text = (
        "define i32 @f(i32 %x) {\nentry:\n  %y = mul i32 %x, 7\n  br label %a\na:\n  %p = phi i32 [ %y, %entry ]\n"
        "  br label %b\nb:\n  %q = phi i32 [ %p, %a ]\n  ret i32 %q\n}\n"
    )
    straight = "define i32 @f(i32 %x) {\n  %y = mul i32 %x, 7\n  ret i32 %y\n}\n"
    function = ir.read(text).functions[0]
    assert function.features(simplify=True).to_dict() == numbers(straight)
    assert function.features()["blocks"] == 3
    copy = plain(function.operation).root
    block = copy.regions[0].blocks[0]
    assert [operation.name for operation in block.operations] == ["llvm.mul", "llvm.return"]
    assert block.operations[1].operands[0].owner is block.operations[0]


def test_a_ring_that_nothing_reaches_stays():
    text = "define void @f() {\nentry:\n  ret void\na:\n  br label %b\nb:\n  br label %a\n}\n"
    assert numbers(text)["blocks"] == 3


def test_blocks_of_mlir_are_joined_with_the_regions_inside():
    text = (
        "func.func @f(%x: f32, %n: index) -> f32 {{\n{}"
        "  %c0 = arith.constant 0 : index\n  %c1 = arith.constant 1 : index\n"
        "  %r = scf.for %i = %c0 to %n step %c1 iter_args(%s = %x) -> (f32) {{\n    %t = arith.addf %s, %x : f32\n"
        "    scf.yield %t : f32\n  }}\n  return %r : f32\n}}\n"
    )
    assert numbers(text.format("  cf.br ^bb1\n^bb1:\n")) == numbers(text.format(""))


def test_a_long_chain_of_blocks_is_joined_in_linear_time():
    count = 20_000
    lines = [f"b{i}:\n  br label %b{i + 1}" for i in range(count)]
    text = "\n".join(["define void @f() {", *lines, f"b{count}:", "  ret void", "}", ""])
    assert (numbers(text)["blocks"], numbers(text)["ops"]) == (1, 1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dead_operations_are_not_counted(seed):
    changed = rewrite(LOOP, "dead", np.random.default_rng(seed), form="llvm")
    before, after = (ir.read(text).functions[0].features(simplify=True) for text in (LOOP, changed))
    counted = ("ops", "n_", "x_", "mix_", "flops", "innermost_ops")
    assert after.counts == before.counts
    assert {n: v for n, v in after.numbers.items() if n.startswith(counted)} == {
        n: v for n, v in before.numbers.items() if n.startswith(counted)
    }
    assert ir.read(changed).functions[0].features()["ops"] > before["ops"]


def test_dead_chains_go_and_what_has_effects_stays():
    body = "  %a = call i32 @g()\n  %b = load volatile i32, ptr %p\n  %c = add i32 %b, 1\n  %d = mul i32 %c, 3\n"
    text = f"declare i32 @g()\ndefine void @f(ptr %p) {{\n{body}  ret void\n}}\n"
    assert numbers(text)["ops"] == 3


DESCRIPTOR = "{ ptr, i64, [2 x i64] }"


def test_members_of_a_descriptor_are_the_arguments_that_were_put_there():
    text = f"""define float @f(ptr %p, i64 %m, i64 %n) {{
  %a = insertvalue {DESCRIPTOR} poison, ptr %p, 0
  %b = insertvalue {DESCRIPTOR} %a, i64 %m, 2, 0
  %c = insertvalue {DESCRIPTOR} %b, i64 %n, 2, 1
  %base = extractvalue {DESCRIPTOR} %c, 0
  %size = extractvalue {DESCRIPTOR} %c, 2, 1
  %at = getelementptr float, ptr %base, i64 %size
  %v = load float, ptr %at
  ret float %v
}}
"""
    bare = """define float @f(ptr %p, i64 %m, i64 %n) {
  %at = getelementptr float, ptr %p, i64 %n
  %v = load float, ptr %at
  ret float %v
}
"""
    assert numbers(text) == numbers(bare)


def test_members_of_a_part_that_was_put_in_whole_are_found():
    text = f"""define i64 @f([2 x i64] %sizes, i64 %m) {{
  %inner = insertvalue [2 x i64] %sizes, i64 %m, 1
  %a = insertvalue {DESCRIPTOR} poison, [2 x i64] %inner, 2
  %size = extractvalue {DESCRIPTOR} %a, 2, 1
  ret i64 %size
}}
"""
    assert numbers(text) == numbers("define i64 @f([2 x i64] %sizes, i64 %m) {\n  ret i64 %m\n}\n")


@pytest.mark.parametrize(
    "body",
    [
        f"  %a = call {DESCRIPTOR} @g()\n  %r = extractvalue {DESCRIPTOR} %a, 1\n  ret i64 %r",
        f"  %a = insertvalue {DESCRIPTOR} poison, i64 %m, 2, 0\n  %b = extractvalue {DESCRIPTOR} %a, 2\n"
        "  %r = extractvalue [2 x i64] %b, 1\n  ret i64 %r",
    ],
    ids=["of a call", "of a part written in part"],
)
def test_members_that_nobody_put_in_are_taken_out(body):
    text = f"declare {DESCRIPTOR} @g()\ndefine i64 @f(i64 %m) {{\n{body}\n}}\n"
    root = ir.read(text).functions[0].operation
    copy = plain(root)
    root = root if copy is None else copy.root
    names = [operation.name for operation in root.regions[0].blocks[0].operations]
    assert "llvm.extractvalue" in names


def test_an_aggregate_that_is_handed_on_stays():
    text = f"""define i64 @f(i64 %m) {{
  %a = insertvalue {DESCRIPTOR} poison, i64 %m, 1
  call void @g({DESCRIPTOR} %a)
  %r = extractvalue {DESCRIPTOR} %a, 1
  ret i64 %r
}}
declare void @g({DESCRIPTOR})
"""
    root = ir.read(text).functions[0].operation
    names = [operation.name for operation in plain(root).root.regions[0].blocks[0].operations]
    assert names == ["llvm.insertvalue", "llvm.call", "llvm.return"]


def test_a_ring_of_members_in_unreachable_code_stays():
    text = """define void @f() {
entry:
  ret void
dead:
  %a = insertvalue { i64 } poison, i64 %y, 0
  %x = extractvalue { i64 } %a, 0
  %b = insertvalue { i64 } poison, i64 %x, 0
  %y = extractvalue { i64 } %b, 0
  br label %dead
}
"""
    assert numbers(text)["blocks"] == 2


def test_long_chains_of_members_are_followed_so_far_only():
    count = 4000
    lines = ["  %a0 = insertvalue { i64, i64 } poison, i64 %m, 0"]
    lines += [f"  %a{i} = insertvalue {{ i64, i64 }} %a{i - 1}, i64 %m, 1" for i in range(1, count)]
    lines += [f"  %r{i} = extractvalue {{ i64, i64 }} %a{i}, {i % 2}" for i in range(count)]
    text = "define void @f(i64 %m) {\n" + "\n".join([*lines, "  ret void", "}", ""])
    assert numbers(text)["blocks"] == 1


def test_many_rings_of_values_in_unreachable_code_take_few_steps():
    count = 4000
    lines = ["define void @f() {", "entry:", "  ret void", "dead:", "  br label %b0"]
    for i in range(count):
        before = f"b{i - 1}" if i else "dead"
        lines += [f"b{i}:", f"  %p{i} = phi i32 [ %q{i}, %{before} ]", f"  %q{i} = phi i32 [ %p{i}, %{before} ]"]
        lines.append(f"  br label %b{i + 1}")
    root = ir.read("\n".join([*lines, f"b{count}:", "  ret void", "}", ""])).functions[0].operation
    begun = time.process_time()
    assert len(plain(root).root.regions[0].blocks) == 2
    assert time.process_time() - begun < 2  # 5 and more where each ring is followed as far as all of them together
