module {
  func.func @kernel(%arg0: tensor<5x37xf32>) -> (tensor<5x37xf32>) {
    %v1 = arith.constant 0xFF800000 : f32
    %v2 = tensor.empty() : tensor<5xf32>
    %v3 = linalg.fill ins(%v1 : f32) outs(%v2 : tensor<5xf32>) -> tensor<5xf32>
    %v4 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
      ins(%arg0 : tensor<5x37xf32>)
      outs(%v3 : tensor<5xf32>) {
    ^bb0(%x0: f32, %y0: f32):
    %v5 = arith.maximumf %x0, %y0 : f32
      linalg.yield %v5 : f32
    } -> tensor<5xf32>
    %v6 = tensor.empty() : tensor<5x37xf32>
    %v7 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
      ins(%arg0, %v4 : tensor<5x37xf32>, tensor<5xf32>)
      outs(%v6 : tensor<5x37xf32>) {
    ^bb0(%x0: f32, %x1: f32, %y0: f32):
    %v8 = arith.subf %x0, %x1 : f32
    %v9 = math.exp %v8 : f32
      linalg.yield %v9 : f32
    } -> tensor<5x37xf32>
    %v10 = arith.constant 0x00000000 : f32
    %v11 = tensor.empty() : tensor<5xf32>
    %v12 = linalg.fill ins(%v10 : f32) outs(%v11 : tensor<5xf32>) -> tensor<5xf32>
    %v13 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
      ins(%v7 : tensor<5x37xf32>)
      outs(%v12 : tensor<5xf32>) {
    ^bb0(%x0: f32, %y0: f32):
    %v14 = arith.addf %x0, %y0 : f32
      linalg.yield %v14 : f32
    } -> tensor<5xf32>
    %v15 = tensor.empty() : tensor<5x37xf32>
    %v16 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
      ins(%v7, %v13 : tensor<5x37xf32>, tensor<5xf32>)
      outs(%v15 : tensor<5x37xf32>) {
    ^bb0(%x0: f32, %x1: f32, %y0: f32):
    %v17 = arith.divf %x0, %x1 : f32
      linalg.yield %v17 : f32
    } -> tensor<5x37xf32>
    return %v16 : tensor<5x37xf32>
  }
}
