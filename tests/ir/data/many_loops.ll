define float @f(ptr %p, ptr %q) {
entry:
  br label %l0

l0:
  %i0 = phi i64 [ 0, %entry ], [ %n0, %l0 ]
  %s0 = phi float [ 0.0, %entry ], [ %t0, %l0 ]
  %a0 = getelementptr float, ptr %p, i64 %i0
  %x0 = load float, ptr %a0
  %b0 = getelementptr float, ptr %q, i64 %i0
  %y0 = load float, ptr %b0
  %m0 = fmul float %x0, %y0
  %t0 = fadd float %s0, %m0
  %n0 = add i64 %i0, 1
  %c0 = icmp eq i64 %n0, 128
  br i1 %c0, label %l1, label %l0

l1:
  %i1 = phi i64 [ 0, %l0 ], [ %n1, %l1 ]
  %s1 = phi float [ %t0, %l0 ], [ %t1, %l1 ]
  %a1 = getelementptr float, ptr %p, i64 %i1
  %x1 = load float, ptr %a1
  %b1 = getelementptr float, ptr %q, i64 %i1
  %y1 = load float, ptr %b1
  %m1 = fmul float %x1, %y1
  %t1 = fadd float %s1, %m1
  %n1 = add i64 %i1, 1
  %c1 = icmp eq i64 %n1, 128
  br i1 %c1, label %l2, label %l1

l2:
  %i2 = phi i64 [ 0, %l1 ], [ %n2, %l2 ]
  %s2 = phi float [ %t1, %l1 ], [ %t2, %l2 ]
  %a2 = getelementptr float, ptr %p, i64 %i2
  %x2 = load float, ptr %a2
  %b2 = getelementptr float, ptr %q, i64 %i2
  %y2 = load float, ptr %b2
  %m2 = fmul float %x2, %y2
  %t2 = fadd float %s2, %m2
  %n2 = add i64 %i2, 1
  %c2 = icmp eq i64 %n2, 128
  br i1 %c2, label %l3, label %l2

l3:
  ret float %t2
}
