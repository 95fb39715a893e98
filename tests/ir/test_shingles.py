"""Hashed details of a function: blind to how it is written, sharp about what it does."""

import numpy as np
import pytest

from costmodel import ir
from costmodel.ir import rewrites
from costmodel.ir.features.shingles import MAX_SHINGLES

FIRST, SECOND = "declare i32 @first(ptr, i64)\n", "declare void @second(ptr)\n"
TEXT = """
%struct.point = type { i32, ptr }
@table = private constant [4 x i32] zeroinitializer
declare i32 @first(ptr, i64)
declare void @second(ptr)

define i32 @f(ptr %p, i64 %n) {
entry:
  %a = alloca %struct.point, align 8
  %q = getelementptr inbounds %struct.point, ptr %p, i64 0, i32 1
  %v = load ptr, ptr %q, align 8
  %r = call i32 @first(ptr %a, i64 17)
  call void @second(ptr @table)
  %z = add nsw i32 %r, 5
  ret i32 %z
}
"""


def shingles(text, **options):
    return ir.read(text, **options).functions[0].features(simplify=True).shingles


def test_they_are_sorted_without_repeats_and_repeatable():
    found = shingles(TEXT)
    assert len(found) > 10
    assert found.dtype == np.uint32
    assert (np.diff(found.astype(np.int64)) > 0).all()
    assert np.array_equal(found, shingles(TEXT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%struct.point", "%struct.other"),
        ("%struct.point", '%"class.a b"'),
        ("@first", "@another"),
        ("@table", "@.str.7"),
        ("@f(", "@main("),
        ("%q", "%17.x"),
        ("entry:", "start:"),
        (f"{FIRST}{SECOND}", f"{SECOND}{FIRST}"),
        ("%v = load ptr, ptr %q, align 8", "%v = load ptr, ptr %q, align 8, !tbaa !3"),
        ("i64 17)", "i64 17) #4"),
    ],
)  # fmt: skip
def test_names_declarations_and_metadata_do_not_count(old, new):
    assert old in TEXT
    assert np.array_equal(shingles(TEXT), shingles(TEXT.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("i64 17)", "i64 18)"), ("i32 1\n", "i32 0\n"), ("add nsw", "add"), ("align 8\n  %r", "align 4\n  %r")],
)
def test_constants_members_flags_and_alignments_count(old, new):
    assert old in TEXT
    assert not np.array_equal(shingles(TEXT), shingles(TEXT.replace(old, new)))


@pytest.mark.parametrize("kind", ["rename", "reformat", "reorder", "locations", "split"])
def test_rewrites_that_move_no_use_change_nothing(sample, kind):
    text = sample("kernels.ll")
    written = rewrites.rewrite(text, kind, np.random.default_rng(3), form="llvm")
    assert written is not None
    before, after = ({f.name: f for f in ir.read(t).functions} for t in (text, written))
    ours = [f.features(simplify=True).shingles for f in before.values()]
    theirs = [f.features(simplify=True).shingles for f in after.values()]
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_there_is_a_bound():
    body = "\n".join(f"  %v{i} = add i64 %a, {i}" for i in range(6000))
    assert len(shingles(f"define i64 @f(i64 %a) {{\n{body}\n  ret i64 %v0\n}}\n")) == MAX_SHINGLES


def test_only_llvm_functions_have_any():
    text = "func.func @f(%a: f32) -> f32 {\n  %b = arith.addf %a, %a : f32\n  return %b : f32\n}\n"
    assert not len(shingles(text))


def test_features_are_compared_by_their_numbers():
    one, other = (ir.read(TEXT).functions[0].features(simplify=True) for _ in range(2))
    assert one == other
    assert one != ir.read(TEXT.replace("add nsw", "mul nsw")).functions[0].features(simplify=True)
