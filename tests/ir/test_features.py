import pytest

from costmodel import ir
from costmodel.ir.features import feature_names
from costmodel.ir.mlir import parse_generic


def features(text):
    return ir.read(text).functions[0].features()


def test_matmul_on_tensors(sample):
    found = features(sample("matmul.mlir"))
    # 4 x 16 x 8 iterations of a multiplication and an addition
    assert found.flops == 2 * 4 * 16 * 8
    # A and B once, C read and written, 4 bytes an element
    assert found.bytes_touched == 4 * (4 * 8 + 8 * 16 + 2 * 4 * 16)
    assert found.arithmetic_intensity == pytest.approx(1024 / 1152)
    assert (found.ops, found.structured_ops, found.calls, found.branches, found.loops) == (5, 1, 0, 0, 0)
    assert found.mix_float_arithmetic == 2
    assert found.is_exact


def test_loops_of_vectors(sample):
    found = features(sample("loops.mlir"))
    # 64 rows: 4 vector additions of 8 lanes, then a reduction of 8 elements (7 additions)
    assert found.flops == 64 * (4 * 8 + 7)
    # 64 rows: 4 loads of 32 bytes, one store of 4
    assert found.bytes_touched == 64 * (4 * 32 + 4)
    assert (found.loops, found.loop_depth_max, found.loops_unknown, found.trip_count_max) == (2, 2, 0, 256)
    assert (found.vector_lanes_max, found.vector_bits_max, found.vector_ops) == (8, 256, 4)
    # before the load: %m, %sums, %i, %j, %a; at the addition %v stands for %j
    assert (found.live_values_max, found.live_vector_values_max) == (5, 2)


def test_affine_loop_and_function_calls():
    found = features(
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%m: memref<10xf64>):\n'
        '"affine.for"() <{lowerBoundMap = affine_map<() -> (1)>, operandSegmentSizes = array<i32: 0, 0, 0>, '
        "step = 3 : index, upperBoundMap = affine_map<() -> (10)>}> ({\n^bb0(%i: index):\n"
        '%x = "affine.load"(%m, %i) <{map = affine_map<(d0) -> (d0)>}> : (memref<10xf64>, index) -> f64\n'
        '%y = "math.exp"(%x) : (f64) -> f64\n%z = "math.fma"(%y, %y, %y) : (f64, f64, f64) -> f64\n'
        '%w = "func.call"(%z) <{callee = @g}> : (f64) -> f64\n'
        '"affine.store"(%w, %m, %i) <{map = affine_map<(d0) -> (d0)>}> : (f64, memref<10xf64>, index) -> ()\n'
        '"affine.yield"() : () -> ()\n}) : () -> ()\n"func.return"() : () -> ()\n}) : () -> ()\n'
    )
    # i = 1, 4, 7: exp is one operation, fma two
    assert (found.trip_count_max, found.flops, found.transcendentals) == (3, 9, 3)
    assert found.bytes_touched == 3 * 16
    assert (found.calls, found.mix_call, found.mix_math_function, found.mix_memory) == (1, 1, 1, 2)


def test_a_loop_made_of_branches_in_llvm_ir(sample):
    found = features(sample("dot.ll"))
    assert (found.loops, found.loops_unknown, found.trip_count_max) == (1, 0, 1024)
    assert found.flops == 2 * 1024
    assert found.bytes_touched == 8 * 1024
    assert found.branches == 1
    # before the first load: %a, %b, %i, %sum, then one of %pa, %x, ... at a time, at most two
    assert found.live_values_max == 6


@pytest.mark.parametrize(
    ("start", "step", "test", "trips"),
    [
        ("0", "1", "icmp ult i64 %next, 10", 10),
        ("0", "1", "icmp slt i64 %i, 10", 11),
        ("10", "-2", "icmp sgt i64 %next, 0", 5),
        ("0", "3", "icmp ne i64 %next, 9", 3),
        ("0", "3", "icmp ne i64 %next, 10", None),
        ("5", "1", "icmp sle i64 %next, 5", 1),
        ("0", "1", "icmp ult i64 %next, %n", None),
        ("%n", "1", "icmp ult i64 %next, 9", None),
    ],
)
def test_trip_counts_of_counted_loops(start, step, test, trips):
    found = features(
        "define void @f(i64 %n) {\nentry:\n  br label %loop\n\nloop:\n"
        f"  %i = phi i64 [ {start}, %entry ], [ %next, %loop ]\n  %next = add i64 %i, {step}\n  %c = {test}\n"
        "  br i1 %c, label %loop, label %exit\n\nexit:\n  ret void\n}\n"
    )
    assert (found.trip_count_max, found.loops_unknown) == (trips or 1, int(trips is None))


def test_a_loop_with_its_test_at_the_top_nested_in_another():
    inner = (
        "head:\n  %j = phi i64 [ 0, %outer ], [ %j2, %body ]\n  %go = icmp slt i64 %j, 7\n"
        "  br i1 %go, label %body, label %latch\n\nbody:\n  %j2 = add i64 %j, 2\n  %y = fadd float %x, 1.0\n"
        "  br label %head\n\n"
    )
    found = features(
        "define void @f(float %x) {\nentry:\n  br label %outer\n\nouter:\n"
        "  %i = phi i64 [ 0, %entry ], [ %i2, %latch ]\n  br label %head\n\n"
        + inner
        + "latch:\n  %i2 = add i64 %i, 1\n"
        "  %c = icmp eq i64 %i2, 5\n  br i1 %c, label %exit, label %outer\n\nexit:\n  ret void\n}\n"
    )
    # j = 0, 2, 4, 6
    assert (found.loops, found.loop_depth_max, found.flops) == (2, 2, 5 * 4)


def test_vector_operations_by_hand():
    text = (
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%a: vector<4x8xf32>, %b: vector<8x16xf32>, %c: vector<4x16xf32>, '
        "%u: vector<4xf32>, %w: vector<16xf32>):\n"
        '%0 = "vector.contract"(%a, %b, %c) <{indexing_maps = [affine_map<(m, n, k) -> (m, k)>, '
        "affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]}> : "
        "(vector<4x8xf32>, vector<8x16xf32>, vector<4x16xf32>) -> vector<4x16xf32>\n"
        '%1 = "vector.outerproduct"(%u, %w, %0) : (vector<4xf32>, vector<16xf32>, vector<4x16xf32>) -> '
        "vector<4x16xf32>\n"
        '%2 = "arith.cmpf"(%1, %1) <{predicate = 2 : i64}> : (vector<4x16xf32>, vector<4x16xf32>) -> vector<4x16xi1>\n'
        '%3 = "vector.fma"(%u, %u, %u) : (vector<4xf32>, vector<4xf32>, vector<4xf32>) -> vector<4xf32>\n'
        "}) : () -> ()\n"
    )
    found = features(text)
    assert found.flops == 2 * 4 * 16 * 8 + 2 * 4 * 16 + 2 * 4
    assert found.vector_bits_max == 4 * 16 * 32


def test_dynamic_sizes_are_said_to_be_inexact():
    found = features(
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%a: tensor<?xf32>):\n'
        '%0 = "linalg.exp"(%a, %a) <{operandSegmentSizes = array<i32: 1, 1>}> ({\n^bb0(%x: f32, %y: f32):\n'
        '%1 = "math.exp"(%x) : (f32) -> f32\n"linalg.yield"(%1) : (f32) -> ()\n'
        "}) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>\n}) : () -> ()\n"
    )
    assert not found.is_exact
    assert (found.flops, found.bytes_touched, found.arithmetic_intensity) == (1, 0, 0.0)


def test_convolution_through_the_bindings():
    found = features(
        "func.func @f(%i: tensor<1x10x10x3xf32>, %w: tensor<3x3x3x8xf32>, %o: tensor<1x8x8x8xf32>) {\n"
        "  %0 = linalg.conv_2d_nhwc_hwcf ins(%i, %w : tensor<1x10x10x3xf32>, tensor<3x3x3x8xf32>) "
        "outs(%o : tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>\n  return\n}\n"
    )
    assert found.flops == 2 * (8 * 8 * 8) * (3 * 3 * 3)
    assert found.bytes_touched == 4 * (300 + 216 + 2 * 512)


def test_structured_loops_with_static_bounds():
    from costmodel.ir.loops import trip_count

    text = (
        '"scf.forall"() <{staticLowerBound = array<i64: 0, 0>, staticStep = array<i64: 4, 1>, '
        "staticUpperBound = array<i64: 10, 5>}> ({\n^bb0(%i: index, %j: index):\n}) : () -> ()\n"
        '"scf.forall"() <{staticLowerBound = array<i64: 0>, staticStep = array<i64: 1>, '
        "staticUpperBound = array<i64: -9223372036854775808>}> ({\n^bb0(%i: index):\n}) : () -> ()\n"
        '"affine.parallel"() <{lowerBoundsMap = affine_map<() -> (0, 0)>, steps = [1, 2], '
        "upperBoundsMap = affine_map<() -> (4, 5)>}> ({\n^bb0(%i: index, %j: index):\n}) : () -> ()\n"
    )
    assert [trip_count(operation) for operation in parse_generic(text).operations] == [15, None, 12]


def test_the_vector_of_features_is_fixed_in_order(sample):
    found = features(sample("matmul.mlir"))
    names = list(found.to_dict())
    assert names[:3] == ["ops", "mix_float_arithmetic", "mix_integer_arithmetic"]
    assert tuple(names) == feature_names()
    assert found.to_vector().shape == (len(names),)
    assert found.to_vector()[names.index("flops")] == 1024
