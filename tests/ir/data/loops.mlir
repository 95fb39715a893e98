"func.func"() <{function_type = (memref<64x32xf32>, memref<64xf32>, index) -> (), sym_name = "row_sums"}> ({
^bb0(%m: memref<64x32xf32>, %sums: memref<64xf32>, %n: index):
  %c0 = "arith.constant"() <{value = 0 : index}> : () -> index
  %c1 = "arith.constant"() <{value = 1 : index}> : () -> index
  %c8 = "arith.constant"() <{value = 8 : index}> : () -> index
  %c64 = "arith.constant"() <{value = 64 : index}> : () -> index
  %c32 = "arith.constant"() <{value = 32 : index}> : () -> index
  %zero = "arith.constant"() <{value = dense<0.0> : vector<8xf32>}> : () -> vector<8xf32>
  "scf.for"(%c0, %c64, %c1) ({
  ^bb0(%i: index):
    %acc = "scf.for"(%c0, %c32, %c8, %zero) ({
    ^bb0(%j: index, %a: vector<8xf32>):
      %v = "vector.load"(%m, %i, %j) : (memref<64x32xf32>, index, index) -> vector<8xf32>
      %s = "arith.addf"(%a, %v) <{fastmath = #arith.fastmath<none>}> : (vector<8xf32>, vector<8xf32>) -> vector<8xf32>
      "scf.yield"(%s) : (vector<8xf32>) -> ()
    }) : (index, index, index, vector<8xf32>) -> vector<8xf32>
    %r = "vector.reduction"(%acc) <{fastmath = #arith.fastmath<none>, kind = #vector.kind<add>}> : (vector<8xf32>) -> f32
    "memref.store"(%r, %sums, %i) : (f32, memref<64xf32>, index) -> ()
    "scf.yield"() : () -> ()
  }) : (index, index, index) -> ()
  "func.return"() : () -> ()
}) : () -> ()
