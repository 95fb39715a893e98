"func.func"() <{function_type = (i1, f32) -> f32, sym_name = "pick"}> ({
^bb0(%c: i1, %x: f32):
  "cf.cond_br"(%c, %x)[^bb1, ^bb2] <{operandSegmentSizes = array<i32: 1, 1, 0>}> : (i1, f32) -> ()
^bb1(%y: f32):  // pred: ^bb0
  "func.return"(%y) : (f32) -> ()
^bb2:  // pred: ^bb0
  "func.return"(%x) : (f32) -> ()
}) : () -> ()
