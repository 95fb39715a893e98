"""The plain form: what needless blocks do not change, and what stays as it is."""

import numpy as np
import pytest

from costmodel import ir
from costmodel.ir.features.plain import plain
from costmodel.ir.features.scan import scan
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
    assert plain(root, scan(root)) is None


def test_joined_blocks_hand_their_arguments_on_and_the_original_stays():
    text = (
        "define i32 @f(i32 %x) {\nentry:\n  %y = mul i32 %x, 7\n  br label %a\na:\n  %p = phi i32 [ %y, %entry ]\n"
        "  br label %b\nb:\n  %q = phi i32 [ %p, %a ]\n  ret i32 %q\n}\n"
    )
    straight = "define i32 @f(i32 %x) {\n  %y = mul i32 %x, 7\n  ret i32 %y\n}\n"
    function = ir.read(text).functions[0]
    assert function.features(simplify=True).to_dict() == numbers(straight)
    assert function.features()["blocks"] == 3
    copy = plain(function.operation, scan(function.operation))
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
