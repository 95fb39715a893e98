"""Where functions save registers, seen by what they execute; against where LLVM 22 puts `push`, `stp` and `addi sp`."""

from __future__ import annotations

import time

import pytest

from costmodel import ir
from costmodel.ir.features.machine_flow import Flow
from costmodel.ir.features.machine_wrap import _dominators
from costmodel.ir.features.scan import scan

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


def test_what_many_guards_lead_to_takes_few_steps() -> None:
    count = 20_000
    lines = ["declare void @g()", "define void @f(i32 %x, ptr %p) {", "entry:", "  br label %b0"]
    for i in range(count):
        lines += [f"b{i}:", f"  %c{i} = load i1, ptr %p", f"  br i1 %c{i}, label %b{i + 1}, label %cold"]
    lines += [f"b{count}:", "  ret void", "cold:", "  call void @g()", "  store i32 1, ptr %p", "  ret void", "}", ""]
    chain = Flow(scan(ir.read("\n".join(lines), format="llvm").functions[0].operation))
    begun = time.process_time()
    dominator = _dominators(chain)
    assert time.process_time() - begun < 2  # 10 and more where each guard is followed to the first one
    assert dominator[chain.place[len(chain.after) - 1]] == chain.place[1]
    assert dominator[chain.place[len(chain.after) - 2]] == chain.place[count]
