func.func @kernel(%arg_in0: memref<12xf32> {llvm.noalias}, %arg_in1: memref<24xf32> {llvm.noalias}, %arg_out0: memref<32xf32> {llvm.noalias}, %arg_pack1: memref<24xf32> {llvm.noalias}) {
%1 = arith.constant 0 : index
%2 = arith.constant 8 : index
%4 = arith.constant 4 : index
%5 = arith.constant 3 : index
%8 = arith.constant 1 : index
%15 = arith.constant 2 : index
%21 = arith.constant 0x00000000 : f32
scf.for %3 = %1 to %2 step %4 {
%6 = arith.muli %3, %5 overflow<nsw> : index
scf.for %7 = %1 to %5 step %8 {
%9 = arith.muli %7, %2 overflow<nsw> : index
%10 = arith.addi %3, %9 overflow<nsw> : index
%11 = arith.muli %7, %4 overflow<nsw> : index
%12 = arith.addi %6, %11 overflow<nsw> : index
%13 = vector.load %arg_in1[%10] : memref<24xf32>, vector<4xf32>
vector.store %13, %arg_pack1[%12] : memref<24xf32>, vector<4xf32>
}
}
scf.for %14 = %1 to %4 step %15 {
%16 = arith.muli %14, %5 overflow<nsw> : index
%17 = arith.muli %14, %2 overflow<nsw> : index
scf.for %18 = %1 to %2 step %4 {
%19 = arith.muli %18, %5 overflow<nsw> : index
%20 = arith.addi %17, %18 overflow<nsw> : index
%22 = vector.broadcast %21 : f32 to vector<4xf32>
%24:2 = scf.for %23 = %1 to %5 step %8 iter_args(%25 = %22, %26 = %22) -> (vector<4xf32>, vector<4xf32>) {
%27 = arith.addi %16, %23 overflow<nsw> : index
%28 = arith.muli %23, %4 overflow<nsw> : index
%29 = arith.addi %19, %28 overflow<nsw> : index
%30 = memref.load %arg_in0[%27] : memref<12xf32>
%31 = vector.load %arg_pack1[%29] : memref<24xf32>, vector<4xf32>
%32 = vector.broadcast %30 : f32 to vector<4xf32>
%33 = math.fma %32, %31, %25 : vector<4xf32>
%34 = arith.addi %27, %5 overflow<nsw> : index
%35 = memref.load %arg_in0[%34] : memref<12xf32>
%36 = vector.broadcast %35 : f32 to vector<4xf32>
%37 = math.fma %36, %31, %26 : vector<4xf32>
scf.yield %33, %37 : vector<4xf32>, vector<4xf32>
}
vector.store %24#0, %arg_out0[%20] : memref<32xf32>, vector<4xf32>
%38 = arith.addi %20, %2 overflow<nsw> : index
vector.store %24#1, %arg_out0[%38] : memref<32xf32>, vector<4xf32>
}
}
return
}
