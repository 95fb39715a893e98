"""Blocks in machine code: their order, jumps, returns, and what several of them share; against what LLVM 22 emits."""

from costmodel import ir
from costmodel.ir.features.machine_flow import Flow
from costmodel.ir.features.scan import scan

HEAD = "define i32 @f(ptr %p, i32 %x, i64 %n, ptr %q)"


def read(body, head=HEAD, tail=""):
    """Features of a function whose entry block begins with `body`."""
    return ir.read(f"{head} {{\nentry:\n{body}\n}}\n{tail}", format="llvm").functions[0].features()


TRIANGLE = (
    "  %c = icmp ult i32 %x, 7\n  br i1 %c, label %a, label %z\na:\n  %s = mul i32 %x, %x\n  br label %z\n"
    "z:\n  %r = phi i32 [ 3, %entry ], [ %s, %a ]\n  store i32 %r, ptr %p\n  store i32 %x, ptr %q\n"
    "  store i32 %r, ptr %q\n  ret i32 %r"
)


def test_a_block_beside_the_way_is_laid_out_in_it():
    features = read(TRIANGLE)
    assert features.machine_jumps == features.machine_jumps_to_returns == 0


def test_both_sides_of_a_decision_need_one_jump():
    body = TRIANGLE.replace("label %z\na:", "label %b\nb:\n  %t = add i32 %x, 5\n  br label %z\na:")
    features = read(body.replace("[ 3, %entry ]", "[ %t, %b ]"))
    assert features.machine_jumps == 1


def test_short_returns_are_copied():
    body = (
        "  %c = icmp ult i32 %x, 7\n  br i1 %c, label %a, label %b\na:\n  store i32 %x, ptr %p\n  br label %z\n"
        "b:\n  store i32 %x, ptr %q\n  br label %z\nz:\n  ret i32 %x"
    )
    features = read(body)
    assert features.machine_jumps_to_returns == 1
    assert features.machine_jumps == 0


CALLS = (
    "  %c = icmp ult i32 %x, 7\n  br i1 %c, label %a, label %b\na:\n  %r = MARK call i32 @g(ptr %p)\n  br label %z\n"
    "b:\n  %s = MARK call i32 @h(ptr %p)\n  br label %z\nz:\n  %t = phi i32 [ %r, %a ], [ %s, %b ]\n  ret i32 RESULT"
)


def test_a_return_that_only_tail_calls_lead_to_is_none():
    jumps = read(CALLS.replace("MARK", "tail").replace("RESULT", "%t"))
    assert (jumps.machine_tail_calls, jumps.machine_returns, jumps.machine_bare_returns) == (2, 0, 1)
    assert jumps.machine_instructions_x86_256 == 4  # cmp, jae, jmp g, jmp h


def test_a_call_whose_result_is_not_returned_is_no_tail_call():
    assert read(CALLS.replace("MARK", "tail").replace("RESULT", "0")).machine_tail_calls == 0
    assert read(CALLS.replace("MARK", "").replace("RESULT", "%t")).machine_tail_calls == 0


def alike(second):
    return read(
        "  %c = icmp ult i32 %x, 7\n  br i1 %c, label %a, label %b\n"
        "a:\n  store i32 5, ptr %p\n  %m = mul i32 %x, %x\n  store i32 %m, ptr %q\n  br label %z\n"
        "b:\n  %d = icmp ugt i32 %x, 9\n  br i1 %d, label %e, label %z\n"
        f"e:\n{second}  br label %z\nz:\n  ret i32 %x"
    )


def test_blocks_that_do_the_same_are_one():
    same = alike("  store i32 5, ptr %p\n  %k = mul i32 %x, %x\n  store i32 %k, ptr %q\n")
    other = alike("  store i32 5, ptr %p\n  %k = mul i32 %x, %x\n  store i32 %k, ptr %p\n")
    for name in ("x86_256", "a64", "rvv"):
        assert same[f"machine_body_{name}"] <= other[f"machine_body_{name}"] - 3


def test_a_function_that_calls_nothing_keeps_scalars_below_the_stack_on_x86():
    body = "  %a = alloca i32\n  store volatile i32 %x, ptr %a\n  %v = load i32, ptr %a\nCALL  ret i32 0"
    leaf, calling = read(body.replace("CALL", "")), read(body.replace("CALL", "  call void @g()\n"))
    assert leaf.frame_instructions_x86_256 - leaf.frame_body_x86_256 == 0
    assert leaf.frame_instructions_a64 - leaf.frame_body_a64 == 2  # sub sp, add sp
    assert calling.frame_instructions_x86_256 - calling.frame_body_x86_256 >= 2


def test_a_dear_constant_is_made_once():
    def body(number):
        return (
            f"  %a = mul i64 %n, {number}\n  store i64 %a, ptr %p\n  %c = icmp ult i32 %x, 7\n"
            f"  br i1 %c, label %a1, label %z\na1:\n  %b = add i64 %a, {number}\n  store i64 %b, ptr %q\n"
            "  br label %z\nz:\n  ret i32 %x"
        )

    assert read(body(1234567890123456789)).machine_immediates_a64 == 4
    assert read(body(7919)).machine_immediates_a64 == 2


EARLY = "declare i32 @g(ptr) #3\nattributes #3 = { MARK }\n"


def test_functions_that_are_bound_early_are_called_through_a_table_on_aarch64():
    body = "  %r = call i32 @g(ptr %p)\n  %s = add i32 %r, 1\n  ret i32 %s"
    early, late = (read(body, tail=EARLY.replace("MARK", mark)) for mark in ("nonlazybind", "nounwind"))
    assert early.machine_body_a64 == late.machine_body_a64 + 2
    assert early.machine_body_x86_256 == late.machine_body_x86_256


def test_weights_that_end_the_text_without_a_newline_count():
    text = (
        "define i32 @f(i1 %c) {\n  br i1 %c, label %a, label %b, !prof !0\na:\n  ret i32 1\nb:\n  ret i32 2\n}\n"
        '!0 = !{!"branch_weights", i32 1, i32 99}\n'
    )
    scanned = [scan(ir.read(one, format="llvm").functions[0].operation) for one in (text, text.rstrip("\n"))]
    assert [Flow(one).probability[0] for one in scanned] == [[0.01, 0.99]] * 2
