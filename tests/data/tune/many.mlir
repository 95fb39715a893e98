#map = affine_map<(d0, d1) -> (d0, d1)>
func.func @mm(%a: tensor<48x32xf32>, %b: tensor<32x64xf32>) -> tensor<48x64xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<48x64xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<48x64xf32>) -> tensor<48x64xf32>
  %r = linalg.matmul ins(%a, %b : tensor<48x32xf32>, tensor<32x64xf32>) outs(%f : tensor<48x64xf32>) -> tensor<48x64xf32>
  return %r : tensor<48x64xf32>
}
func.func @two(%a: tensor<40x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>) {
  %e = tensor.empty() : tensor<40x24xf32>
  %s = linalg.exp ins(%a : tensor<40x24xf32>) outs(%e : tensor<40x24xf32>) -> tensor<40x24xf32>
  %n = linalg.negf ins(%a : tensor<40x24xf32>) outs(%e : tensor<40x24xf32>) -> tensor<40x24xf32>
  return %s, %n : tensor<40x24xf32>, tensor<40x24xf32>
}
func.func @same(%a: tensor<8x8xf32>, %b: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %e = tensor.empty() : tensor<8x8xf32>
  %s = linalg.add ins(%a, %b : tensor<8x8xf32>, tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %s, %a : tensor<8x8xf32>, tensor<8x8xf32>
}
func.func @ints(%a: tensor<16x12xi32>, %b: tensor<16x12xi32>) -> tensor<16x12xi32> {
  %e = tensor.empty() : tensor<16x12xi32>
  %r = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
    ins(%a, %b : tensor<16x12xi32>, tensor<16x12xi32>) outs(%e : tensor<16x12xi32>) {
  ^bb0(%x: i32, %y: i32, %o: i32):
    %s = arith.muli %x, %y : i32
    linalg.yield %s : i32
  } -> tensor<16x12xi32>
  return %r : tensor<16x12xi32>
}
