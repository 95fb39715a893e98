"""The direct reader of the custom form against the bindings' generic print: same operations, same resolution."""

from importlib.util import find_spec

import pytest

from costmodel.core.workers import run_isolated
from costmodel.ir.mlir import parse_generic
from costmodel.ir.mlir.bindings import to_generic
from costmodel.ir.mlir.custom import parse_custom
from costmodel.ir.mlir.levels import levelled
from costmodel.ir.program import functions_of

pytest.importorskip("mlir.ir", reason="the MLIR bindings are not installed")

SAMPLES = {
    "loops": """
func.func @loops(%m: memref<8x16xf32>, %n: index, %init: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %init) -> (f32) {
    %p = arith.cmpi slt, %i, %n : index
    %v = scf.if %p -> (f32) {
      %x = memref.load %m[%i, %c0] : memref<8x16xf32>
      scf.yield %x : f32
    } else {
      scf.yield %acc : f32
    }
    %s = arith.addf %acc, %v fastmath<fast> : f32
    scf.yield %s : f32
  }
  affine.for %i = 0 to 8 {
    affine.for %j = affine_map<(d0) -> (d0)>(%i) to 16 step 4 {
      %x = affine.load %m[%i, %j] : memref<8x16xf32>
      affine.store %x, %m[%i, %j + 1] : memref<8x16xf32>
    }
  }
  scf.parallel (%i, %j) = (%c0, %c0) to (%n, %n) step (%c1, %c1) {
    memref.store %init, %m[%i, %j] : memref<8x16xf32>
  }
  return %r : f32
}""",
    "while": """
func.func @collatz(%x: i32) -> i32 {
  %c1 = arith.constant 1 : i32
  %0:2 = scf.while (%a = %x, %b = %c1) : (i32, i32) -> (i32, i32) {
    %p = arith.cmpi sgt, %a, %c1 : i32
    scf.condition(%p) %a, %b : i32, i32
  } do {
  ^bb0(%a: i32, %b: i32):
    %s = arith.shrsi %a, %c1 : i32
    scf.yield %s, %b : i32, i32
  }
  return %0#1 : i32
}""",
    "linalg": """
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
func.func @net(%a: tensor<4x8xf32>, %b: tensor<8x16xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.000000e+00 : f32
  %e = tensor.empty() : tensor<4x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x16xf32>) -> tensor<4x16xf32>
  %m = linalg.matmul ins(%a, %b : tensor<4x8xf32>, tensor<8x16xf32>) outs(%f : tensor<4x16xf32>) -> tensor<4x16xf32>
  %v = tensor.empty() : tensor<4xf32>
  %g = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%m : tensor<4x16xf32>) outs(%v : tensor<4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %t = math.exp %in : f32
    %s = arith.addf %t, %out : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  return %g : tensor<4xf32>
}""",
    "vector": """
func.func @vector(%m: memref<?x32xf32>, %i: index, %mask: vector<8xi1>) -> f32 {
  %p = arith.constant 0.0 : f32
  %v = vector.transfer_read %m[%i, %i], %p {in_bounds = [true]} : memref<?x32xf32>, vector<8xf32>
  %w = vector.fma %v, %v, %v : vector<8xf32>
  %x = arith.select %mask, %v, %w : vector<8xi1>, vector<8xf32>
  vector.transfer_write %x, %m[%i, %i] {in_bounds = [true]} : vector<8xf32>, memref<?x32xf32>
  %d = memref.dim %m, %i : memref<?x32xf32>
  %s = memref.subview %m[%d, 0] [1, 8] [1, 1] : memref<?x32xf32> to memref<1x8xf32, strided<[32, 1], offset: ?>>
  %r = vector.reduction <add>, %x : vector<8xf32> into f32
  return %r : f32
}""",
    "llvm": """
llvm.func @puts(!llvm.ptr) -> i32
llvm.func @low(%p: !llvm.ptr {llvm.noalias}, %n: i64) -> i32 attributes {passthrough = ["nounwind"]} {
  %one = llvm.mlir.constant(1 : i64) : i64
  llvm.br ^head(%one : i64)
^head(%i: i64):  // 2 preds: ^bb0, ^body
  %c = llvm.icmp "slt" %i, %n : i64
  llvm.cond_br %c, ^body, ^exit
^body:
  %q = llvm.getelementptr %p[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  %x = llvm.load %q : !llvm.ptr -> f32
  llvm.store %x, %p : f32, !llvm.ptr
  %j = llvm.add %i, %one : i64
  llvm.br ^head(%j : i64)
^exit:
  %r = llvm.call @puts(%p) : (!llvm.ptr) -> i32
  llvm.return %r : i32
}""",
    "gpu": """
module attributes {gpu.container_module} {
  gpu.module @kernels {
    gpu.func @k(%m: memref<64xf32>) workgroup(%w: memref<32xf32, 3>) kernel {
      %t = gpu.thread_id  x
      %v = memref.load %m[%t] : memref<64xf32>
      memref.store %v, %w[%t] : memref<32xf32, 3>
      gpu.barrier
      gpu.return
    }
  }
  func.func @host(%m: memref<64xf32>, %n: index) {
    gpu.launch_func @kernels::@k blocks in (%n, %n, %n) threads in (%n, %n, %n) args(%m : memref<64xf32>)
    return
  }
}""",
}


def described(operations):
    """Every operation with the numbers of its operands' definitions, its results' types and its blocks."""
    numbers = {}
    rows = []
    stack = list(operations)[::-1]
    while stack:
        operation = stack.pop()
        for value in operation.results:
            numbers[value] = len(numbers)
        rows.append(operation)
        inside = []
        for block in (block for region in operation.regions for block in region.blocks):
            for value in block.args:
                numbers[value] = len(numbers)
            inside += block.operations
        stack += inside[::-1]
    return [
        (
            operation.name,
            [numbers[value] for value in operation.operands],
            [value.type_text.replace(" ", "") for value in operation.results],
            [
                [argument.type_text for argument in block.args]
                for region in operation.regions
                for block in region.blocks
            ],
            len(operation.successors),
        )
        for operation in rows
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_structure_agrees_with_the_bindings(name):
    printed, complaint = to_generic(SAMPLES[name], name)
    assert printed is not None, complaint
    (module,) = parse_generic(printed).operations
    found = parse_custom(SAMPLES[name])
    assert (found.problems, found.unresolved) == ([], [])
    ours = found.module.operations
    if [operation.name for operation in ours] != ["builtin.module"]:
        assert described(ours) == described(module.regions[0].blocks[0].operations)
    else:
        assert described(ours) == described([module])


@pytest.mark.parametrize("name", ["loops", "while", "linalg"])
def test_attributes_that_features_read_agree_with_the_bindings(name):
    printed, _ = to_generic(SAMPLES[name], name)
    wanted = "value predicate lowerBoundMap upperBoundMap step map indexing_maps iterator_types fastmath".split()
    both = []
    for module in (parse_generic(printed), parse_custom(SAMPLES[name]).module):
        rows = [
            (operation.name, key, str(operation.attribute(key)))
            for operation in module.walk()
            if operation.name != "linalg.matmul"
            for key in wanted
            if operation.attribute(key) is not None
        ]
        both.append(rows)
    assert both[0] == both[1]


SAME = {
    "named": """
func.func @net(%x: tensor<1x3x18x18xf32>, %w: tensor<8x3x3x3xf32>, %o: tensor<1x8x8x8xf32>, %a: tensor<4x8xf32>,
    %b: tensor<16x8xf32>, %e: tensor<8x16xf32>, %c: tensor<4x16xf32>, %v: tensor<16xf32>) -> tensor<4x16xf32> {
  %0 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
      ins(%x, %w : tensor<1x3x18x18xf32>, tensor<8x3x3x3xf32>) outs(%o : tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %1 = linalg.transpose ins(%b : tensor<16x8xf32>) outs(%e : tensor<8x16xf32>) permutation = [1, 0]
  %2 = linalg.matmul ins(%a, %1 : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %3 = linalg.broadcast ins(%v : tensor<16xf32>) outs(%c : tensor<4x16xf32>) dimensions = [0]
  %4 = linalg.add ins(%2, %3 : tensor<4x16xf32>, tensor<4x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %4 : tensor<4x16xf32>
}""",
    "slices": """
#layout = affine_map<(d0)[s0] -> (d0 + s0)>
func.func @slices(%m: memref<16xf32>, %t: tensor<8x8xf32>, %i: index, %p: f32) -> tensor<10x9xf32> {
  %s = memref.subview %m[%i] [4] [1] : memref<16xf32> to memref<4xf32, #layout>
  %z = arith.constant 0 : index
  memref.store %p, %s[%z] : memref<4xf32, #layout>
  %a = memref.alloc(%i) {alignment = 64 : i64} : memref<?x4xf32>
  %c = memref.collapse_shape %a [[0, 1]] : memref<?x4xf32> into memref<?xf32>
  memref.store %p, %c[%z] : memref<?xf32>
  %e = tensor.extract_slice %t[%i, 0] [4, 8] [1, 1] : tensor<8x8xf32> to tensor<4x8xf32>
  %n = tensor.insert_slice %e into %t[0, 0] [4, 8] [1, 1] : tensor<4x8xf32> into tensor<8x8xf32>
  %d = tensor.pad %n low[1, 0] high[1, 1] {
  ^bb0(%x: index, %y: index):
    tensor.yield %p : f32
  } : tensor<8x8xf32> to tensor<10x9xf32>
  return %d : tensor<10x9xf32>
}""",
    "vectors": """
#trait = {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>,
    affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]}
func.func @vectors(%m: memref<4x8xf32>, %b: vector<8x4xf32>, %c: vector<4x4xf32>, %i: index, %k: vector<8xi1>) -> f32 {
  %p = arith.constant 0.000000e+00 : f32
  %a = vector.transfer_read %m[%i, %i], %p : memref<4x8xf32>, vector<4x8xf32>
  %0 = vector.contract #trait %a, %b, %c : vector<4x8xf32>, vector<8x4xf32> into vector<4x4xf32>
  %1 = vector.transpose %0, [1, 0] : vector<4x4xf32> to vector<4x4xf32>
  %2 = vector.multi_reduction <add>, %1, %0 [] : vector<4x4xf32> to vector<4x4xf32>
  %3 = vector.extract %a[1] : vector<8xf32> from vector<4x8xf32>
  %4 = vector.mask %k { vector.reduction <add>, %3 : vector<8xf32> into f32 } : vector<8xi1> -> f32
  %5 = vector.bitcast %3 : vector<8xf32> to vector<8xi32>
  vector.transfer_write %2, %m[%i, %i] {in_bounds = [true, true]} : vector<4x4xf32>, memref<4x8xf32>
  return %4 : f32
}""",
    "addresses": """
llvm.func @low(%p: !llvm.ptr, %n: i64, %s: !llvm.struct<(i32, array<2 x f32>)>) -> f32 {
  %one = llvm.mlir.constant(1 : i64) : i64
  %a = llvm.alloca %one x !llvm.array<4 x f32> {alignment = 16 : i64} : (i64) -> !llvm.ptr
  %q = llvm.getelementptr %p[%n, 1, %n] : (!llvm.ptr, i64, i64) -> !llvm.ptr, !llvm.struct<(f32, array<4 x i8>)>
  %x = llvm.load %q {alignment = 4 : i64} : !llvm.ptr -> f32
  %m = llvm.extractvalue %s[1, 0] : !llvm.struct<(i32, array<2 x f32>)>
  %y = llvm.fadd %x, %m {fastmathFlags = #llvm.fastmath<fast>} : f32
  %j = llvm.add %n, %one overflow<nsw> : i64
  llvm.store %y, %a : f32, !llvm.ptr
  llvm.return %y : f32
}""",
}


@pytest.mark.parametrize("name", ["loops", "while", "linalg", "vector", "llvm", *SAME])
def test_graph_and_features_do_not_depend_on_the_form(name):
    text = {**SAMPLES, **SAME}[name]
    printed, complaint = to_generic(text, name)
    assert printed is not None, complaint
    generic = {function.name: function for function in functions_of(parse_generic(printed))}
    found, diagnostics = levelled(parse_custom(text))
    assert diagnostics == ()
    for function in found:
        other = generic[function.name]
        assert function.features().to_dict() == other.features().to_dict()
        ours, theirs = function.graph(), other.graph()
        assert [x.tolist() for x in arrays(ours)] == [x.tolist() for x in arrays(theirs)]


def arrays(graph):
    return graph.node_kind, graph.node_token, graph.node_num, graph.edge_index, graph.edge_kind, graph.edge_pos


@pytest.mark.parametrize(
    ("package", "module", "dialects", "text", "operation"),
    [
        ("iree.compiler", "iree.compiler.ir", None,
         "util.func public @f(%x: i32) -> i32 {\n  util.return %x : i32\n}\n", "util.return"),
        ("torch_mlir", "torch_mlir.ir", "torch_mlir.dialects.torch",
         "func.func @f() -> !torch.int {\n  %i = torch.constant.int 3\n  return %i : !torch.int\n}\n",
         "torch.constant.int"),
    ],
)  # fmt: skip
def test_bindings_of_other_projects_know_their_dialects(package, module, dialects, text, operation):
    if find_spec(package.partition(".")[0]) is None:
        pytest.skip(f"{package} is not installed")  # importing it here would clash with the bindings imported above
    budget = (5 << 30) + len(package)  # a worker of its own: different bindings do not share a process
    outcome = run_isolated(
        "costmodel.ir.mlir.bindings:print_generic", module, dialects, [text], timeout_s=60.0, memory_bytes=budget
    )
    assert outcome.ok, outcome.headline
    (printed,), error = outcome.value
    assert error is None
    assert f'"{operation}"' in printed
    assert all(function.level == "graph" for function in functions_of(parse_generic(printed)))
