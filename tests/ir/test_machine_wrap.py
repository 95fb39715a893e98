"""Where functions save registers, seen by what they execute; against where LLVM 22 puts `push`, `stp` and `addi sp`."""

from __future__ import annotations

import pytest

from costmodel import ir

LIKELY = '!0 = !{!"branch_weights", i32 999999, i32 1}\n'
GUARDED = (
    "define i32 @f(ptr %p, i32 %x) {\nentry:\n  FIRST\n  %c = icmp ugt i32 %x, 7\n"
    "  br i1 %c, label %out, label %body, !prof !0\n"
    "body:\n  %a = call i32 @g(ptr %p)\n  %b = call i32 @g(ptr %p)\n  %s = add i32 %a, %b\n  br label %out\n"
    "out:\n  %r = phi i32 [ 3, %entry ], [ %s, %body ]\n  ret i32 %r\n}\ndeclare i32 @g(ptr)\n" + LIKELY
)
SETS = ("x86", "a64", "rv")


def executed(first: str, text: str = GUARDED) -> dict[str, float]:
    features = ir.read(text.replace("FIRST", first), format="llvm").functions[0].features()
    return {name: getattr(features, f"machine_executed_{name}") for name in SETS}


@pytest.mark.parametrize("name", SETS)
def test_a_guard_before_the_calls_saves_nothing(name: str) -> None:
    assert executed("")[name] < 7  # compare, jump, the constant, return; 8 and more with what the body saves


@pytest.mark.parametrize("name", SETS)
def test_a_call_at_the_beginning_saves_there(name: str) -> None:
    one_more = executed("%k = call i32 @g(ptr %p)")[name]
    assert one_more - executed("")[name] >= 4  # the call, and what is saved and restored


@pytest.mark.parametrize("name", SETS)
def test_a_loop_does_not_save_again_and_again(name: str) -> None:
    loop = (
        "define void @f(ptr %p, i64 %n) {\nentry:\n  %z = icmp eq i64 %n, 0\n  br i1 %z, label %out, label %loop\n"
        "loop:\n  %i = phi i64 [ 0, %entry ], [ %j, %loop ]\n  call void @g(ptr %p)\n  %j = add i64 %i, 1\n"
        "  %c = icmp eq i64 %j, %n\n  br i1 %c, label %out, label %loop\nout:\n  ret void\n}\ndeclare void @g(ptr)\n"
    )
    features = ir.read(loop, format="llvm").functions[0].features()
    assert executed("", loop)[name] < 9 * features.machine_executed_blocks
