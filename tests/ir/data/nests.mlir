"func.func"() <{sym_name = "f"}> ({
^bb0(%a: memref<64x64xf32>, %b: memref<64x64xf32>):
%c0 = "arith.constant"() <{value = 0 : index}> : () -> index
%c1 = "arith.constant"() <{value = 1 : index}> : () -> index
%c64 = "arith.constant"() <{value = 64 : index}> : () -> index
"scf.for"(%c0, %c64, %c1) ({
^bb0(%i: index):
"scf.for"(%c0, %c64, %c1) ({
^bb0(%j: index):
%x = "memref.load"(%a, %i, %j) : (memref<64x64xf32>, index, index) -> f32
%y = "memref.load"(%b, %j, %i) : (memref<64x64xf32>, index, index) -> f32
%z = "arith.mulf"(%x, %y) : (f32, f32) -> f32
%w = "arith.addf"(%z, %y) : (f32, f32) -> f32
"memref.store"(%w, %a, %i, %j) : (f32, memref<64x64xf32>, index, index) -> ()
"scf.yield"() : () -> ()
}) : (index, index, index) -> ()
"scf.yield"() : () -> ()
}) : (index, index, index) -> ()
"scf.for"(%c0, %c64, %c1) ({
^bb0(%i: index):
"scf.for"(%c0, %c64, %c1) ({
^bb0(%j: index):
%x = "memref.load"(%a, %i, %j) : (memref<64x64xf32>, index, index) -> f32
%y = "memref.load"(%b, %j, %i) : (memref<64x64xf32>, index, index) -> f32
%z = "arith.mulf"(%x, %y) : (f32, f32) -> f32
%w = "arith.addf"(%z, %y) : (f32, f32) -> f32
"memref.store"(%w, %a, %i, %j) : (f32, memref<64x64xf32>, index, index) -> ()
"scf.yield"() : () -> ()
}) : (index, index, index) -> ()
"scf.yield"() : () -> ()
}) : (index, index, index) -> ()
"func.return"() : () -> ()
}) : () -> ()
