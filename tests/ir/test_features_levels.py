"""Static features against examples worked by hand, one or more a level."""

import pytest

from costmodel import ir
from costmodel.ir.features import FUNCTION_FEATURES_V1, extract_features, feature_names
from costmodel.ir.mlir import parse_generic


def features(text):
    return ir.read(text).functions[0].features()


def chosen(found, *names):
    return tuple(found[name] for name in names)


def test_linalg_strides_and_reuse(sample):
    found = features(sample("matmul.mlir"))  # m, n, k = 4, 16, 8 of f32
    # in k: A moves by 4 bytes (unit), B by a row of 64 (small), C is read and written in place
    assert chosen(found, "stride_zero", "stride_unit", "stride_small", "stride_large") == (2, 1, 1, 0)
    # one execution of k touches 8 of A, 8 of B, one of C; all of m: A, B and C as a whole
    assert found.innermost_set_bytes == 4 * (8 + 8 + 1)
    assert found.largest_set_bytes == 4 * (4 * 8 + 8 * 16 + 4 * 16)
    # 512 accesses each: A is reused by 15 of 16 n, B by 3 of 4 m, C (twice) by 7 of 8 k
    assert found.reuse_bytes_l1 == 4 * 512 * (15 / 16 + 3 / 4 + 2 * 7 / 8)
    assert found.reuse_bytes_none == 4 * 4 * 512 - found.reuse_bytes_l1


def affine_loop(body, arguments, *, lower=0, upper, step=1, index="%i"):
    return (
        f'"affine.for"() <{{lowerBoundMap = affine_map<() -> ({lower})>, operandSegmentSizes = array<i32: 0, 0, 0>, '
        f"step = {step} : index, upperBoundMap = affine_map<() -> ({upper})>}}> ({{\n^bb0({index}: index{arguments}):\n"
        f'{body}"affine.yield"() : () -> ()\n}}) : () -> ()\n'
    )


def test_affine_strides_by_map():
    inner = affine_loop(
        '%x = "affine.load"(%m, %j, %i) <{map = affine_map<(d0, d1) -> (d0, d1)>}> : '
        "(memref<100x8xf32>, index, index) -> f32\n"
        '%y = "affine.load"(%v, %j) <{map = affine_map<(d0) -> (d0 * 64 + 1)>}> : (memref<6400xf32>, index) -> f32\n'
        '%z = "arith.addf"(%x, %y) : (f32, f32) -> f32\n'
        '"affine.store"(%z, %v, %i) <{map = affine_map<(d0) -> (d0)>}> : (f32, memref<6400xf32>, index) -> ()\n',
        "",
        upper=100,
        index="%j",
    )
    found = features(
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%m: memref<100x8xf32>, %v: memref<6400xf32>):\n'
        + affine_loop(inner, "", upper=8)
        + '"func.return"() : () -> ()\n}) : () -> ()\n'
    )
    # in j: %x moves by a row of 32 bytes, %y by 64 elements, the store stays
    assert chosen(found, "stride_zero", "stride_unit", "stride_small", "stride_large") == (1, 0, 1, 1)
    assert chosen(found, "loops", "loops_perfect", "loops_depth_1", "loops_depth_2") == (2, 1, 1, 1)
    assert chosen(found, "innermost_trips_min", "innermost_trips_max", "innermost_ops_max") == (100, 100, 5)
    # 800 additions behind loads: load 5 cycles, addition 4, store 1
    assert found.critical_path_loop_max == 10
    # %x: none in j or i; %y: in i, one j is 100 * (4 + 4) + 4; the store: in j, one iteration is 12 bytes
    assert found.reuse_bytes_l1 == 4 * 800 * (7 / 8 + 99 / 100)
    assert chosen(found, "x_fadd_f32", "x_load_float", "flops", "bytes_touched") == (800, 1600, 800, 9600)


def test_scf_loops_of_vectors(sample):
    found = features(sample("loops.mlir"))
    # the load moves 8 elements of 4 bytes, its own width
    assert chosen(found, "stride_unit", "loops_depth_1", "loops_depth_2", "loops_innermost") == (1, 1, 1, 1)
    # a carried vector through one addition; the rows: loop 1, reduction 12, store 1
    assert chosen(found, "recurrence_max", "critical_path_max") == (4, 14)
    # vectors of 256 bits take two registers of 128; at the addition %a and %v
    assert chosen(found, "pressure_float_vector_max", "pressure_float_vector_registers") == (2, 4)
    assert chosen(found, "x_load_vec", "x_reduce", "x_store_float") == (256, 64, 64)


def test_vector_operations_and_predicates():
    found = features(
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%a: vector<16xf32>, %b: vector<16xf32>, %s: f32):\n'
        '%0 = "vector.broadcast"(%s) : (f32) -> vector<16xf32>\n'
        '%1 = "arith.cmpf"(%a, %0) <{predicate = 2 : i64}> : (vector<16xf32>, vector<16xf32>) -> vector<16xi1>\n'
        '%2 = "arith.select"(%1, %a, %b) : (vector<16xi1>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>\n'
        '%3 = "vector.fma"(%2, %a, %b) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>\n'
        '%4 = "vector.extract"(%3) <{static_position = array<i64: 0>}> : (vector<16xf32>) -> f32\n'
        '"func.return"(%4) : (f32) -> ()\n}) : () -> ()\n'
    )
    names = ("n_broadcast", "n_fcmp_vec", "n_select_vec", "n_fma_vec", "n_extract", "n_ret", "n_other")
    assert chosen(found, *names) == (1, 1, 1, 1, 1, 1, 0)
    # broadcast 3, comparison 4, select 1, fma 4, extract 3, return 1
    assert found.critical_path_max == 16
    # before the comparison: %a, %b, %0, of 4 registers each; before the select also the predicate
    assert chosen(found, "pressure_float_vector_registers", "pressure_predicate_max") == (12, 1)
    assert chosen(found, "vector_ops", "args_float_vector", "vector_bits_max") == (4, 3, 512)


DOT = """
"llvm.func"() <{sym_name = "dot", function_type = !llvm.func<f32 (ptr, ptr)>}> ({
^bb0(%a: !llvm.ptr, %b: !llvm.ptr):
  %zero = "llvm.mlir.constant"() <{value = 0 : i64}> : () -> i64
  %sum0 = "llvm.mlir.constant"() <{value = 0.0 : f32}> : () -> f32
  %one = "llvm.mlir.constant"() <{value = 1 : i64}> : () -> i64
  %end = "llvm.mlir.constant"() <{value = 1024 : i64}> : () -> i64
  "llvm.br"(%zero, %sum0)[^bb1] : (i64, f32) -> ()
^bb1(%i: i64, %sum: f32):
  %pa = "llvm.getelementptr"(%a, %i) <{elem_type = f32, rawConstantIndices = array<i32: -2147483648>}> : (!llvm.ptr, i64) -> !llvm.ptr
  %x = "llvm.load"(%pa) : (!llvm.ptr) -> f32
  %pb = "llvm.getelementptr"(%b, %i) <{elem_type = f32, rawConstantIndices = array<i32: -2147483648>}> : (!llvm.ptr, i64) -> !llvm.ptr
  %y = "llvm.load"(%pb) : (!llvm.ptr) -> f32
  %xy = "llvm.fmul"(%x, %y) : (f32, f32) -> f32
  %sum2 = "llvm.fadd"(%sum, %xy) : (f32, f32) -> f32
  %next = "llvm.add"(%i, %one) : (i64, i64) -> i64
  %done = "llvm.icmp"(%next, %end) <{predicate = 0 : i64}> : (i64, i64) -> i1
  "llvm.cond_br"(%done, %next, %sum2)[^bb2, ^bb1] <{operandSegmentSizes = array<i32: 1, 0, 2>}> : (i1, i64, f32) -> ()
^bb2:
  "llvm.return"(%sum2) : (f32) -> ()
}) : () -> ()
"""  # noqa: E501


def test_llvm_ir_by_hand(sample):
    found = features(sample("dot.ll"))
    assert chosen(found, "blocks", "edges", "blocks_in_loops", "n_phi_int", "n_phi_float") == (3, 3, 1, 1, 1)
    assert chosen(found, "n_gep", "n_load_float", "n_fmul_f32", "n_fadd_f32", "n_iadd_i64") == (2, 2, 1, 1, 1)
    assert chosen(found, "x_load_float", "x_fadd_f32", "x_phi", "x_cond_br") == (2048, 1024, 2048, 1024)
    assert chosen(found, "stride_unit", "stride_unknown", "reuse_bytes_none") == (2, 0, 8192)
    # address 1, load 5, multiplication 4, addition 4, branch 1; the sum carries through the addition alone
    assert chosen(found, "critical_path_loop_max", "recurrence_max") == (15, 4)
    # general: %a, %b, %i, %pb before the second load; floats: %sum, %x, %y
    assert chosen(found, "pressure_general_max", "pressure_float_vector_max", "live_values_max") == (4, 3, 6)
    # 9 operations in the loop, one before, one after
    assert found.x_ops == 1 + 9 * 1024 + 1


def test_the_llvm_dialect_gives_what_llvm_ir_gives(sample):
    llvm_ir, dialect = features(sample("dot.ll")), features(DOT)
    constants = {"ops", "x_ops", "block_ops_max", "mix_constant", "n_constant"}
    ratios = {"vector_ops_share"}
    differing = {name for name in feature_names() if llvm_ir[name] != dialect[name]}
    assert differing <= constants | ratios
    assert dialect.ops == llvm_ir.ops + 4


def test_llvm_ir_matrix_product_as_clang_makes_it(sample):
    program = ir.read(sample("kernels.ll"))
    found = program.function("mm").features()
    # 64 x 64 x 64 multiplications and additions of doubles, four a round of the innermost loop
    assert chosen(found, "flops", "loops_depth_1", "loops_depth_2", "loops_depth_3") == (2 * 64**3, 1, 1, 1)
    assert chosen(found, "innermost_trips_max", "trip_count_max", "n_fma_f64") == (16, 64 * 64 * 16, 4)
    # A moves by 32 bytes a round, B by four rows of 512
    assert chosen(found, "stride_small", "stride_large", "stride_unknown") == (4, 4, 0)
    assert found.largest_set_bytes <= 3 * 8 * 64 * 64
    switch = program.function("g").features()
    assert chosen(switch, "n_switch", "n_ibit", "n_idiv_i32", "n_load_int", "edges") == (1, 1, 1, 2, 6)


def test_stack_and_constants_of_llvm_ir():
    found = features(
        "@table = external global [4 x i32]\ndeclare void @g(ptr, ptr, i64)\n"
        "define double @f(double %x, i32 %i) {\n  %s = alloca [8 x { i8, i64 }], align 8\n"
        "  call void @g(ptr %s, ptr @table, i64 100000)\n  %y = fmul double %x, 3.5\n  %z = fadd double %y, 3.5\n"
        "  %w = fadd double %z, 0.0\n  %v = add i32 %i, 7\n  %c = sitofp i32 %v to double\n"
        "  %r = call double @llvm.sqrt.f64(double %c)\n  ret double %r\n}\ndeclare double @llvm.sqrt.f64(double)\n"
    )
    assert found.alloca_bytes == 8 * 16
    assert chosen(found, "constants_integer", "constants_float", "constants_address") == (1, 1, 1)
    assert chosen(found, "n_call", "n_sqrt", "n_intfp", "n_alloca", "calls") == (1, 1, 1, 1, 1)


TRITON = """
"builtin.module"() ({
"tt.func"() <{sym_name = "add", function_type = (!tt.ptr<f32>, i32) -> ()}> ({
^bb0(%p: !tt.ptr<f32>, %n: i32):
  %pid = "tt.get_program_id"() <{axis = 0 : i32}> : () -> i32
  %c0 = "arith.constant"() <{value = 0 : i32}> : () -> i32
  %c4 = "arith.constant"() <{value = 4 : i32}> : () -> i32
  %c1 = "arith.constant"() <{value = 1 : i32}> : () -> i32
  %a0 = "arith.constant"() <{value = dense<0.0> : tensor<16x32xf16>}> : () -> tensor<16x32xf16>
  %b0 = "arith.constant"() <{value = dense<0.0> : tensor<32x64xf16>}> : () -> tensor<32x64xf16>
  %acc0 = "arith.constant"() <{value = dense<0.0> : tensor<16x64xf32>}> : () -> tensor<16x64xf32>
  %r = "tt.make_range"() <{start = 0 : i32, end = 128 : i32}> : () -> tensor<128xi32>
  %s = "tt.splat"(%p) : (!tt.ptr<f32>) -> tensor<128x!tt.ptr<f32>>
  %q = "tt.addptr"(%s, %r) : (tensor<128x!tt.ptr<f32>>, tensor<128xi32>) -> tensor<128x!tt.ptr<f32>>
  %acc = "scf.for"(%c0, %c4, %c1, %acc0) ({
  ^bb0(%i: i32, %t: tensor<16x64xf32>):
    %o = "tt.splat"(%i) : (i32) -> tensor<128xi32>
    %u = "tt.addptr"(%q, %o) : (tensor<128x!tt.ptr<f32>>, tensor<128xi32>) -> tensor<128x!tt.ptr<f32>>
    %x = "tt.load"(%u) : (tensor<128x!tt.ptr<f32>>) -> tensor<128xf32>
    "tt.store"(%q, %x) : (tensor<128x!tt.ptr<f32>>, tensor<128xf32>) -> ()
    %d = "tt.dot"(%a0, %b0, %t) : (tensor<16x32xf16>, tensor<32x64xf16>, tensor<16x64xf32>) -> tensor<16x64xf32>
    "scf.yield"(%d) : (tensor<16x64xf32>) -> ()
  }) : (i32, i32, i32, tensor<16x64xf32>) -> tensor<16x64xf32>
  "tt.return"() : () -> ()
}) : () -> ()
}) : () -> ()
"""


def test_triton_by_hand():
    found = features(TRITON)
    assert found.flops == 4 * 2 * 16 * 32 * 64
    # four rounds of a load and a store of 128 floats
    assert found.bytes_touched == 4 * 2 * 128 * 4
    assert chosen(found, "n_contract", "n_broadcast", "n_id", "n_load_vec", "n_store_vec") == (1, 2, 1, 1, 1)
    # the load's addresses move by one float a round, the store's stay
    assert chosen(found, "stride_small", "stride_zero", "loops", "trip_count_max") == (1, 1, 1, 4)


def test_named_linalg_without_its_body():
    operation = parse_generic(
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%a: tensor<4x8xf32>, %b: tensor<8x16xf32>, %c: tensor<4x16xf32>):\n'
        '%0 = "linalg.matmul"(%a, %b, %c) <{operandSegmentSizes = array<i32: 2, 1>}> : '
        "(tensor<4x8xf32>, tensor<8x16xf32>, tensor<4x16xf32>) -> tensor<4x16xf32>\n}) : () -> ()\n"
    ).operations[0]
    assert extract_features(operation).flops == 2 * 4 * 8 * 16


def test_unknown_loops_count_sixteen_times():
    found = features(
        "define float @f(ptr %p, i64 %n) {\nentry:\n  br label %loop\n\nloop:\n"
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]\n  %q = getelementptr float, ptr %p, i64 %i\n"
        "  %j = load i32, ptr %q\n  %k = sext i32 %j to i64\n  %g = getelementptr float, ptr %p, i64 %k\n"
        "  %x = load float, ptr %g\n  %next = add i64 %i, 2\n  %c = icmp slt i64 %next, %n\n"
        "  br i1 %c, label %loop, label %exit\n\nexit:\n  ret float %x\n}\n"
    )
    assert chosen(found, "x_load_int", "x_sext", "is_exact", "loops_unknown") == (16, 16, 0, 1)
    # by two floats a round, and by what was loaded
    assert chosen(found, "stride_small", "stride_unknown") == (1, 1)


def test_extraction_leaves_nothing_behind(sample):
    operation = ir.read(sample("loops.mlir")).functions[0].operation
    assert extract_features(operation).to_dict() == extract_features(operation).to_dict()


def test_the_contract_with_the_compiler_pass():
    assert len(set(FUNCTION_FEATURES_V1)) == len(FUNCTION_FEATURES_V1)
    assert set(FUNCTION_FEATURES_V1) <= set(feature_names())
    assert not any(name.startswith(("mix_", "reuse_", "n_contract", "n_layout")) for name in FUNCTION_FEATURES_V1)


@pytest.mark.parametrize("name", ["dot.ll", "loops.mlir", "matmul.mlir", "branches.mlir"])
def test_counts_add_up(sample, name):
    found = features(sample(name))
    plain = sum(found[item] for item in feature_names() if item.startswith("n_") and not item.startswith("n_phi"))
    mix = sum(found[item] for item in feature_names() if item.startswith("mix_"))
    assert plain == mix == found.ops


def test_an_unknown_feature_is_an_attribute_error(sample):
    with pytest.raises(AttributeError, match="feature_names"):
        features(sample("dot.ll")).no_such_feature  # noqa: B018


def test_the_page_of_features_is_up_to_date():
    from pathlib import Path

    from costmodel.ir.features.document import document

    page = Path(__file__).parents[2] / "docs" / "features.md"
    assert page.read_text() == document()
