"""Machine code that LLVM functions become: worked by hand, one group of features at a time."""

import pytest

from costmodel import ir
from costmodel.ir.features.address import constant_offset, type_bytes
from costmodel.ir.features.machine_units import CORES


def read(body, head="define i32 @f(ptr %p, i32 %x, i64 %n)"):
    """Features of a function whose entry block begins with `body`."""
    return ir.read(f"{head} {{\nentry:\n{body}\n}}\n", format="llvm").functions[0].features()


def counts(features):
    return tuple(features[f"machine_instructions_{name}"] for name in ("x86_256", "a64", "rvv"))


def test_an_address_and_a_load_fold_into_an_addition():
    body = "  %g = getelementptr i8, ptr %p, i64 16\n  %v = load i32, ptr %g\n  %s = add i32 %v, %x\n  ret i32 %s"
    features = read(body)
    # x86-64: add esi, [rdi + 16]; ret. AArch64, RISC-V: load with offset, add, ret.
    assert counts(features) == (2, 3, 3)
    assert features.machine_memory_operands == 1


def test_a_far_offset_takes_registers_where_immediates_are_short():
    body = "  %g = getelementptr i8, ptr %p, i64 40000\n  %v = load i32, ptr %g\n  ret i32 %v"
    x86, a64, rv = counts(read(body))
    assert x86 == 2
    assert a64 > 2
    assert rv > 2


def test_a_scaled_index_folds_on_x86_and_aarch64():
    body = "  %g = getelementptr i32, ptr %p, i64 %n\n  %v = load i32, ptr %g\n  ret i32 %v"
    assert counts(read(body)) == (2, 2, 3)  # RISC-V: sh2add, lw, ret


def test_compare_and_branch_are_one_decision():
    body = (
        "  %c = icmp slt i32 %x, 7\n  br i1 %c, label %a, label %b\na:\n  ret i32 1\nb:\n  %r = call i32 @g(ptr %p)\n"
        "  %t = add i32 %r, %x\n  ret i32 %t"
    )
    features = read(body)
    assert features.machine_body_x86_256 == 7  # cmp, jl, mov, ret, call, add, ret
    assert features.machine_immediates_rv == 2  # 7, which a branch cannot hold, and the result
    assert features.machine_across_general == 1  # x
    assert features.machine_saved_moves == 1
    assert features.machine_constants_returned == 1
    assert features.machine_real_calls == 1


def test_a_call_before_a_return_is_a_jump_and_its_arguments_stay():
    features = read("  %r = tail call i32 @g(ptr %p, i32 %x)\n  ret i32 %r")
    assert counts(features) == (1, 1, 1)
    assert features.machine_tail_calls == 1
    plain = read("  %r = call i32 @g(ptr %p, i32 %x)\n  %s = add i32 %r, 1\n  ret i32 %s")
    assert plain.machine_tail_calls == 0
    assert counts(plain)[0] > 3


def test_memory_is_updated_in_place_on_x86():
    body = "  %v = load i32, ptr %p\n  %s = add i32 %v, %x\n  store i32 %s, ptr %p\n  ret i32 0"
    features = read(body)
    assert features.machine_updates == 1
    assert features.machine_body_x86_256 == 3  # add to memory, xor, ret
    assert features.machine_body_a64 == 5


def test_wide_vectors_are_split_by_each_width():
    body = (
        "  %v = load <16 x float>, ptr %p\n  %s = fadd <16 x float> %v, %v\n  store <16 x float> %s, ptr %p\n  ret void"
    )
    features = read(body, "define void @f(ptr %p)")
    found = [features[f"machine_body_{name}"] for name in ("x86_128", "x86_256", "x86_512", "a64")]
    assert found == [13, 7, 4, 13]
    assert [features[f"machine_live_vector{bits}"] for bits in (128, 256, 512)] == [4, 2, 1]


LOOP = (
    "  br label %loop\nloop:\n  %i = phi i32 [ 0, %entry ], [ %j, %loop ]\n  %j = add i32 %i, 1\n"
    "  %c = icmp slt i32 %j, BOUND\n  br i1 %c, label %loop, label %done\ndone:\n  ret i32 %j"
)


def test_a_loop_of_unknown_length_runs_thirty_two_times():
    features = read(LOOP.replace("BOUND", "%x"))
    assert features.machine_hottest_frequency == pytest.approx(32)
    assert features.machine_executed_blocks == pytest.approx(34)
    assert features.machine_executed_chain == pytest.approx(32)  # one cycle for each addition


def test_a_counted_loop_runs_as_often_as_it_counts():
    assert read(LOOP.replace("BOUND", "100")).machine_hottest_frequency == pytest.approx(100)


def test_a_counted_loop_does_not_change_what_comes_after():
    features = read(LOOP.replace("BOUND", "1000"))
    assert features.machine_executed_blocks == pytest.approx(1002)


def test_branch_weights_of_the_program_are_believed():
    body = (
        "  %c = icmp slt i32 %x, 7\n  br i1 %c, label %a, label %b, !prof !0\na:\n  br label %b\nb:\n  ret i32 0\n}\n"
        '\n!0 = !{!"branch_weights", i32 1, i32 3}\n;'
    )
    text = f"define i32 @f(i32 %x) {{\nentry:\n{body}"
    features = ir.read(text, format="llvm").functions[0].features()
    assert features.machine_executed_blocks == pytest.approx(2.25)


def test_what_ends_in_unreachable_hardly_runs():
    body = "  %c = icmp slt i32 %x, 7\n  br i1 %c, label %a, label %b\na:\n  unreachable\nb:\n  ret i32 0"
    assert read(body).machine_executed_blocks == pytest.approx(2, abs=1e-4)


def test_cycles_fall_with_the_width_and_hold_the_chain():
    features = read(LOOP.replace("BOUND", "%x"))
    for isa, cores in CORES.items():
        narrow, *others = sorted(cores, key=lambda name: cores[name].width)
        assert features[f"machine_cycles_{isa}_{narrow}"] >= min(features[f"machine_cycles_{isa}_{n}"] for n in others)
        assert min(features[f"machine_cycles_{isa}_{name}"] for name in cores) >= 32


def test_stores_bind_cores_that_begin_one_a_cycle():
    stores = "\n".join(
        f"  %p{i} = getelementptr i64, ptr %p, i64 {2 * i}\n  store i64 %x, ptr %p{i}" for i in range(12)
    )
    text = f"define void @f(ptr %p, i64 %x) {{\nentry:\n{stores}\n  ret void\n}}"
    features = ir.read(text, format="llvm").functions[0].features()
    assert features.machine_cycles_x86_6 == features.machine_cycles_x86_6_split == 12
    assert features.machine_cycles_x86_4 == 4


def test_a_float_that_is_returned_is_chained_to_the_first_float_argument():
    body = "  %a = fmul double %x, %x\n  %b = fadd double %a, 1.0\n  ret double %b"
    text = f"define double @f(i32 %n, double %x) {{\nentry:\n{body}\n}}"
    features = ir.read(text, format="llvm").functions[0].features()
    assert features.machine_reused_chain_x86 == features.machine_reused_chain_a64 == 8


def test_many_values_at_once_take_registers_that_are_saved():
    def body(count):
        loads = "".join(
            f"  %q{i} = getelementptr i64, ptr %p, i64 {i}\n  %v{i} = load volatile i64, ptr %q{i}\n"
            for i in range(count)
        )
        sums = "".join(f"  %s{i + 1} = xor i64 %s{i}, %v{i}\n" for i in range(count))
        text = f"define i64 @f(ptr %p, i64 %s0) {{\nentry:\n{loads}{sums}  ret i64 %s{count}\n}}"
        return ir.read(text, format="llvm").functions[0].features()

    few, many = body(4), body(14)
    grown = many.machine_instructions_x86_256 - many.machine_body_x86_256
    assert grown >= few.machine_instructions_x86_256 - few.machine_body_x86_256 + 8  # pushed and popped


def test_a_variable_in_memory_is_a_value():
    features = read(
        "  %a = alloca i32\n  store i32 %x, ptr %a\n  %v = load i32, ptr %a\n  %w = add i32 %v, 1\n  ret i32 %w"
    )
    plain = read("  %w = add i32 %x, 1\n  ret i32 %w")
    assert counts(features) == counts(plain)
    assert features.machine_variables == 1
    assert features.frame_body_a64 == plain.frame_body_a64 + 1  # a store; what it stored is not loaded


def test_dead_operations_cost_nothing():
    dead = read("  %d = mul i32 %x, %x\n  %e = add i32 %d, 3\n  %w = add i32 %x, 1\n  ret i32 %w")
    plain = read("  %w = add i32 %x, 1\n  ret i32 %w")
    same = [name for name in plain.to_dict() if name.startswith(("machine_", "frame_"))]
    assert {name: dead[name] for name in same} == {name: plain[name] for name in same}


def test_other_dialects_have_none():
    text = "func.func @f(%a: i32) -> i32 {\n  %b = arith.addi %a, %a : i32\n  return %b : i32\n}"
    features = ir.read(text, format="mlir").functions[0].features()
    assert not any(value for name, value in features.to_dict().items() if name.startswith(("machine_", "frame_")))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("!llvm.struct<(i8, i32)>", 8),
        ("!llvm.struct<packed (i8, i32)>", 5),
        ("!llvm.struct<(i8, struct)>", None),
        ("!llvm.struct<(i8, !llvm.struct<packed (i8, i32)>)>", 6),
        ("!llvm.array<3 x !llvm.struct<(i64, i8)>>", 48),
    ],
)
def test_sizes_of_structs(text, size):
    assert type_bytes(text) == size


def test_offsets_go_through_structs():
    body = "  %g = getelementptr { i8, [4 x i32], i64 }, ptr %p, i64 1, i32 1, i64 2\n  ret ptr %g"
    function = ir.read(f"define ptr @f(ptr %p) {{\n{body}\n}}\n", format="llvm").functions[0].operation
    address = function.regions[0].blocks[0].operations[0]
    assert constant_offset(address) == 32 + 4 + 8
