"""What several LLVM operations become together, worked by hand against what LLVM 22 emits."""

import pytest

from costmodel import ir


def read(body, head="define i32 @f(ptr %p, i32 %x, i64 %n, ptr %q)", tail=""):
    """Features of a function whose entry block begins with `body`."""
    return ir.read(f"{head} {{\nentry:\n{body}\n}}\n{tail}", format="llvm").functions[0].features()


def bodies(features):
    return tuple(features[f"machine_body_{name}"] for name in ("x86_256", "a64", "rvv"))


def two_loads(distance):
    return read(
        f"  %g = getelementptr i8, ptr %p, i64 {distance}\n  %a = load i32, ptr %p\n  %b = load i32, ptr %g\n"
        "  %s = xor i32 %a, %b\n  ret i32 %s"
    )


def test_neighbours_in_memory_are_loaded_at_once_on_aarch64():
    near, far = two_loads(4), two_loads(8)
    assert bodies(near) == (3, 3, 4)  # mov, xor with memory, ret; ldp, eor, ret; lw, lw, xor, ret
    assert bodies(far) == (3, 4, 4)


def test_a_product_is_added_in_one_instruction_on_aarch64():
    features = read("  %m = mul i32 %x, %x\n  %t = trunc i64 %n to i32\n  %s = add i32 %m, %t\n  ret i32 %s")
    assert bodies(features) == (3, 2, 3)


@pytest.mark.parametrize(("amount", "wanted"), [(2, (2, 2, 2)), (5, (3, 2, 3))])
def test_a_shifted_operand_goes_into_the_sum(amount, wanted):
    features = read(f"  %t = trunc i64 %n to i32\n  %m = shl i32 %x, {amount}\n  %s = add i32 %m, %t\n  ret i32 %s")
    assert bodies(features) == wanted  # lea, add with a shifted operand, sh2add


def test_bytes_are_swapped_while_loading_on_x86():
    body = "  %v = load i32, ptr %p\n  %s = call i32 @llvm.bswap.i32(i32 %v)\n  ret i32 %s"
    x86, a64, _ = bodies(read(body, tail="declare i32 @llvm.bswap.i32(i32)\n"))
    assert (x86, a64) == (2, 3)  # movbe, ret; ldr, rev, ret


PARTS = (
    "  %h = lshr i32 %x, 8\n  %b0 = trunc i32 %x to i8\n  %b1 = trunc i32 %h to i8\n"
    "  %g = getelementptr i8, ptr %p, i64 1\n  store i8 %b0, ptr %p\n  store i8 %b1, ptr %g\n  ret i32 0"
)


def test_parts_of_a_word_are_stored_together():
    features = read(PARTS)
    assert features.machine_body_x86_256 == 3  # store, xor, ret
    other = read(PARTS.replace("lshr i32 %x, 8", "udiv i32 %x, 7"))
    assert other.machine_body_x86_256 >= 4


def test_bytes_that_are_joined_are_loaded_together():
    lines, joined = [], ""
    for i in range(4):
        lines.append(f"  %g{i} = getelementptr i8, ptr %p, i64 {i}\n  %b{i} = load i8, ptr %g{i}")
        lines.append(f"  %z{i} = zext i8 %b{i} to i32\n  %s{i} = shl i32 %z{i}, {24 - 8 * i}")
        if i:
            before = joined or "%s0"
            joined = f"%o{i}"
            lines.append(f"  {joined} = or i32 {before}, %s{i}")
    whole = read("\n".join([*lines, f"  ret i32 {joined}"]).replace("shl i32 %z3, 0", "or i32 %z3, 0"))
    three = read("\n".join([*lines[:-3], "  ret i32 %o2"]))
    assert whole.machine_body_x86_256 < three.machine_body_x86_256


@pytest.mark.parametrize(("size", "moves"), [(16, 2), (22, 4), (32, 2), (48, 4)])
def test_copies_of_known_size_overlap(size, moves):
    body = f"  call void @llvm.memcpy.p0.p0.i64(ptr %p, ptr %q, i64 {size}, i1 false)\n  ret i32 0"
    tail = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n"
    assert read(body, tail=tail).machine_body_a64 == 2 + moves


def test_a_variable_is_loaded_again_behind_a_call():
    body = (
        "  %a = alloca i32\n  store i32 %x, ptr %a\nCALL  %v = load i32, ptr %a\n  %w = load i32, ptr %a\n"
        "  %s = mul i32 %v, %w\n  ret i32 %s"
    )
    call = "  call void @g()\n"
    once, again = (read(body.replace("CALL", text), tail="declare void @g()\n") for text in ("", call))
    assert once.frame_body_rvv == 3  # store, mul, ret
    assert again.frame_body_rvv == 5  # and the call, one load


def executed(head, taken, tail=""):
    """Executions of a block that is reached when `%c` holds."""
    body = f"{head}\n  br i1 %c, label %a, label %b{taken}\na:\n  call void @g()\n  ret i32 1\nb:\n  ret i32 0"
    features = read(body, "define i32 @f(i32 %x, float %y)", f"declare void @g()\n{tail}")
    return features.machine_executed_x86, features


@pytest.mark.parametrize(
    ("condition", "likelier"),
    [("icmp ne i32 %x, 0", 1), ("icmp eq i32 %x, 0", -1), ("icmp eq i32 %m, 0", 0), ("fcmp oeq float %y, 1.0", 1),
     ("fcmp une float %y, 1.0", 1), ("fcmp ueq float %y, 1.0", -1), ("fcmp ogt float %y, 1.0", 0)],
)  # fmt: skip
def test_comparisons_are_believed_as_llvm_does(condition, likelier):
    head = f"  %m = and i32 %x, 8\n  %c = {condition}"
    found, _ = executed(head, "")
    even, _ = executed(head, ", !prof !0", '!0 = !{!"branch_weights", i32 1, i32 1}\n')
    assert (found > even) - (found < even) == likelier


def test_weights_above_two_to_the_thirty_first_are_no_negative_ones():
    tail = '!0 = !{!"branch_weights", i32 -2147483648, i32 0}\n'
    always, _ = executed("  %c = icmp slt i32 %x, 9", ", !prof !0", tail)
    even, _ = executed("  %c = icmp slt i32 %x, 9", ", !prof !0", tail.replace("-2147483648, i32 0", "1, i32 1"))
    assert always > even


def test_weights_of_a_switch_count_however_its_cases_are_broken_into_lines():
    def calls(lines, weights):
        space = "\n    " if lines else " "
        cases = space.join(["switch i32 %x, label %a [", "i32 1, label %b", "i32 2, label %a", f"], !prof !0{weights}"])
        tail = "\n".join(["declare void @g()", '!0 = !{!"branch_weights", i32 1, i32 98, i32 1}',
                          '!01 = !{!"branch_weights", i32 1, i32 1, i32 1}'])  # fmt: skip
        body = f"  {cases}\na:\n  ret i32 0\nb:\n  call void @g()\n  ret i32 1"
        return read(body, "define i32 @f(i32 %x)", tail).machine_executed_x86

    assert calls(True, "") == calls(False, "")
    assert calls(True, "1") == calls(False, "1") < calls(True, "")


def test_landing_pads_hardly_run():
    features = read(
        "  %r = invoke i32 @g() to label %a unwind label %b\na:\n  ret i32 %r\nb:\n"
        "  %l = landingpad { ptr, i32 } cleanup\n  call void @h()\n  ret i32 0",
        "define i32 @f() personality ptr @h",
        "declare i32 @g()\ndeclare void @h()\n",
    )
    assert features.machine_executed_blocks == pytest.approx(2, abs=1e-3)


def test_constants_that_lie_together_are_stored_together():
    def body(step):
        lines = [
            f"  %g{i} = getelementptr i8, ptr %p, i64 {step * i}\n  store i16 {i}, ptr %g{i}" for i in range(4)
        ]  # fmt: skip
        return "\n".join([*lines, "  ret i32 %x"])

    assert read(body(2)).machine_body_x86_256 == 2
    assert read(body(4)).machine_body_x86_256 == 5


def test_a_low_half_is_compared_as_it_is():
    body = "  %m = and i64 %n, 4294967295\n  %c = icmp eq i64 %m, 4294967295\n  %r = zext i1 %c to i32\n  ret i32 %r"
    small = body.replace("%m = and i64 %n, 4294967295", "%m = mul i64 %n, 4294967295")
    assert read(body).machine_body_x86_256 < read(small).machine_body_x86_256


def test_a_field_of_bits_is_one_instruction_on_aarch64():
    body = "  %h = lshr i32 %x, 5\n  %r = and i32 %h, 63\n  ret i32 %r"
    assert bodies(read(body)) == (3, 2, 3)


def test_an_inverted_mask_needs_no_inversion():
    body = "  %t = trunc i64 %n to i32\n  %h = xor i32 %x, -1\n  %r = and i32 %h, %t\n  ret i32 %r"
    assert bodies(read(body)) == (2, 2, 2)


def test_far_offsets_are_reached_from_one_place():
    lines = [f"  %g{i} = getelementptr i8, ptr %p, i64 {40001 + 16 * i}\n  store i8 %b, ptr %g{i}" for i in range(4)]
    x86, a64, rv = bodies(read("\n".join(["  %b = trunc i32 %x to i8", *lines, "  ret i32 %x"])))
    assert (x86, a64, rv) == (5, 6, 7)


def test_a_remainder_is_found_from_the_quotient():
    body = "  %d = udiv i32 %x, 10\n  %r = urem i32 %y, 10\n  %s = shl i32 %d, %r\n  ret i32 %s"
    head = "define i32 @f(i32 %x, i32 %y)"
    other = read(body, head=head)
    assert read(body.replace("%y", "%x"), head=head).machine_body_a64 < other.machine_body_a64


def test_volatile_and_atomic_accesses_stay_by_themselves():
    def text(kind, order=""):
        lines = [f"  %p{i} = getelementptr i8, ptr %p, i64 {i}" for i in range(8)]
        lines += [f"  store {kind}i8 0, ptr %p{i}{order}, align 1" for i in range(8)]
        return "\n".join([*lines, "  ret void"])

    plain, volatile, atomic = (read(text(*k)) for k in [("",), ("volatile ",), ("atomic ", " monotonic")])
    assert plain.machine_body_x86_256 < 4
    assert volatile.machine_body_x86_256 == atomic.machine_body_x86_256 >= 8
    assert volatile.machine_body_a64 >= 8


def test_a_volatile_access_says_nothing_of_others_of_its_type():
    body = "  %a = load {}i48, ptr %p\n  %b = add i48 %a, %y\n  store i48 %b, ptr %p\n  ret i32 0"
    head = "define i32 @f(ptr %p, i48 %y)"
    assert read(body.format("volatile "), head).machine_updates == 0
    assert read(body.format(""), head).machine_updates == 1
