"builtin.module"() ({
  "func.func"() <{function_type = (tensor<20x12xf32>) -> tensor<20x12xf32>, sym_name = "square"}> ({
  ^bb0(%arg0: tensor<20x12xf32>):
    %0 = "tensor.empty"() : () -> tensor<20x12xf32>
    %1 = "linalg.generic"(%arg0, %0) <{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = [#linalg.iterator_type<parallel>, #linalg.iterator_type<parallel>], operandSegmentSizes = array<i32: 1, 1>}> ({
    ^bb0(%arg1: f32, %arg2: f32):
      %2 = "arith.mulf"(%arg1, %arg1) : (f32, f32) -> f32
      "linalg.yield"(%2) : (f32) -> ()
    }) : (tensor<20x12xf32>, tensor<20x12xf32>) -> tensor<20x12xf32>
    "func.return"(%1) : (tensor<20x12xf32>) -> ()
  }) : () -> ()
}) : () -> ()
