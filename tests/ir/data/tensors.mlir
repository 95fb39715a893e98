"func.func"() <{sym_name = "f"}> ({
^bb0(%a: tensor<64x64xf32>, %v0: tensor<64x64xf32>):
%v1 = "linalg.matmul"(%a, %v0, %v0) <{operandSegmentSizes = array<i32: 2, 1>}> ({
^bb0(%x: f32, %y: f32, %z: f32):
%p = "arith.mulf"(%x, %y) : (f32, f32) -> f32
%s = "arith.addf"(%z, %p) : (f32, f32) -> f32
"linalg.yield"(%s) : (f32) -> ()
}) {linalg.memoized_indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]} : (tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
%v2 = "linalg.matmul"(%a, %v1, %v1) <{operandSegmentSizes = array<i32: 2, 1>}> ({
^bb0(%x: f32, %y: f32, %z: f32):
%p = "arith.mulf"(%x, %y) : (f32, f32) -> f32
%s = "arith.addf"(%z, %p) : (f32, f32) -> f32
"linalg.yield"(%s) : (f32) -> ()
}) {linalg.memoized_indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]} : (tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
"func.return"(%v2) : (tensor<64x64xf32>) -> ()
}) : () -> ()
