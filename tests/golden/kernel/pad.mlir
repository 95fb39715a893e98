module {
  func.func @kernel(%arg0: tensor<1x3x9x9xf32>) -> (tensor<1x3x11x11xf32>) {
    %v1 = tensor.empty() : tensor<1x3x9x9xf32>
    %v2 = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%arg0 : tensor<1x3x9x9xf32>)
      outs(%v1 : tensor<1x3x9x9xf32>) {
    ^bb0(%x0: f32, %y0: f32):
      linalg.yield %x0 : f32
    } -> tensor<1x3x9x9xf32>
    %v3 = arith.constant 0x00000000 : f32
    %v4 = tensor.empty() : tensor<1x3x11x11xf32>
    %v5 = linalg.fill ins(%v3 : f32) outs(%v4 : tensor<1x3x11x11xf32>) -> tensor<1x3x11x11xf32>
    %v6 = tensor.insert_slice %v2 into %v5[0, 0, 1, 1] [1, 3, 9, 9] [1, 1, 1, 1] : tensor<1x3x9x9xf32> into tensor<1x3x11x11xf32>
    return %v6 : tensor<1x3x11x11xf32>
  }
}
