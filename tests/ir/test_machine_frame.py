"""Joined conditions, registers that calls preserve, and spills, worked by hand against what LLVM 22 emits."""

import pytest

from costmodel import ir

CALLS = "declare void @a()\ndeclare i64 @b(i64, i64)\n"


def features(text, head="define i64 @f(i64 %x, i64 %y)"):
    return ir.read(f"{CALLS}{head} {{\n{text}\n}}\n", format="llvm").functions[0].features()


def joined(operation, weights):
    return features(
        f"  %c = icmp ugt i64 %x, 7\n  %d = icmp ugt i64 %y, 9\n  %j = {operation}\n"
        "  br i1 %j, label %t, label %e, !prof !0\nt:\n  call void @a()\n  ret i64 1\ne:\n  ret i64 0\n"
        f'}}\n!0 = !{{!"branch_weights", i32 {weights[0]}, i32 {weights[1]}}}\ndefine void @z() {{\n  ret void'
    )


@pytest.mark.parametrize(
    ("plain", "short"),
    [("and i1 %c, %d", "select i1 %c, i1 %d, i1 false"), ("or i1 %c, %d", "select i1 %c, i1 true, i1 %d")],
)
def test_a_select_of_truths_joins_conditions_like_logic(plain, short):
    one, other = joined(plain, (1, 1)), joined(short, (1, 1))
    for name in ("x86_256", "a64", "rvv"):
        assert one[f"machine_body_{name}"] == other[f"machine_body_{name}"]
    assert other["machine_joined_conditions"] == 1


def test_x86_branches_twice_where_the_first_condition_is_likely_to_decide():
    even, hot = joined("and i1 %c, %d", (1, 1)), joined("and i1 %c, %d", (2000, 1))
    assert even["machine_body_x86_256"] - hot["machine_body_x86_256"] == 2  # cmp, set, cmp, set, test against cmp, jb
    assert even["machine_body_a64"] == hot["machine_body_a64"]


def test_what_a_call_comes_amid_wants_a_register_wherever_it_is_alive():
    found = features(
        "  %r = call i64 @b(i64 %x, i64 %y)\n  %s = call i64 @b(i64 %x, i64 %y)\n  %t = add i64 %r, %s\n  ret i64 %t"
    )
    assert found["machine_across_general"] == 2  # x and y, then r
    assert found["machine_kept_general"] == 3  # x and y are still there when r is


def test_floats_amid_a_call_lie_in_memory_on_x86_only():
    found = features("  call void @a()\n  %s = fadd double %v, 1.0\n  ret double %s", "define double @f(double %v)")
    assert (found["machine_spilled_x86"], found["machine_spilled_a64"], found["machine_spilled_rv"]) == (1, 0, 0)
    wide = features("  call void @a()\n  ret <4 x float> %v", "define <4 x float> @f(<4 x float> %v)")
    assert (wide["machine_spilled_x86"], wide["machine_spilled_a64"]) == (1, 1)


def test_no_preserved_register_holds_where_a_jump_goes():
    found = features("  call void %p()\n  tail call void %p()\n  ret void", "define void @f(ptr %p)")
    assert found["machine_lost_targets"] == 1
    assert found["machine_spilled_a64"] == found["machine_spilled_rv"] == 1


def test_a_result_in_memory_is_returned_on_x86():
    body = "  store i64 1, ptr %p\n  ret void"
    given = features(body, "define void @f(ptr sret(i64) %p)")
    plain = features(body, "define void @f(ptr %p)")
    assert given["machine_instructions_x86_256"] - plain["machine_instructions_x86_256"] == 1
    assert given["machine_instructions_a64"] == plain["machine_instructions_a64"]


def test_a_result_in_memory_is_seen_in_mlirs_generic_form():
    text = """"builtin.module"() ({
  "llvm.func"() <{CConv = #llvm.cconv<ccc>, ATTRIBUTES function_type = !llvm.func<void (ptr)>, \
linkage = #llvm.linkage<external>, sym_name = "f", visibility_ = 0 : i64}> ({
  ^bb0(%p: !llvm.ptr):
    "llvm.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
"""
    marked = text.replace("ATTRIBUTES", "arg_attrs = [{llvm.noalias, llvm.sret = i64}],")
    assert ir.read(marked, format="mlir").functions[0].features()["machine_fills_memory"] == 1
    assert ir.read(text.replace("ATTRIBUTES ", ""), format="mlir").functions[0].features()["machine_fills_memory"] == 0
