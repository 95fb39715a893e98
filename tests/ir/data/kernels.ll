; ModuleID = 'll.c'
source_filename = "ll.c"
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-pc-linux-gnu"

; Function Attrs: nofree norecurse nosync nounwind memory(argmem: read) uwtable
define dso_local float @s(ptr noundef readonly captures(none) %0, ptr noundef readonly captures(none) %1, i32 noundef %2) local_unnamed_addr #0 {
  %4 = icmp sgt i32 %2, 0
  br i1 %4, label %5, label %30

5:                                                ; preds = %3
  %6 = zext nneg i32 %2 to i64
  %7 = and i64 %6, 3
  %8 = icmp ult i32 %2, 4
  br i1 %8, label %13, label %9

9:                                                ; preds = %5
  %10 = and i64 %6, 2147483644
  br label %32

11:                                               ; preds = %32
  %12 = icmp eq i64 %7, 0
  br i1 %12, label %30, label %13

13:                                               ; preds = %11, %5
  %14 = phi i64 [ 0, %5 ], [ %63, %11 ]
  %15 = phi float [ 0.000000e+00, %5 ], [ %62, %11 ]
  %16 = icmp ne i64 %7, 0
  tail call void @llvm.assume(i1 %16)
  br label %17

17:                                               ; preds = %17, %13
  %18 = phi i64 [ %14, %13 ], [ %27, %17 ]
  %19 = phi float [ %15, %13 ], [ %26, %17 ]
  %20 = phi i64 [ 0, %13 ], [ %28, %17 ]
  %21 = getelementptr inbounds nuw float, ptr %0, i64 %18
  %22 = load float, ptr %21, align 4, !tbaa !9
  %23 = shl nuw nsw i64 %18, 3
  %24 = getelementptr inbounds nuw i8, ptr %1, i64 %23
  %25 = load float, ptr %24, align 4, !tbaa !9
  %26 = tail call float @llvm.fmuladd.f32(float %22, float %25, float %19)
  %27 = add nuw nsw i64 %18, 1
  %28 = add i64 %20, 1
  %29 = icmp eq i64 %28, %7
  br i1 %29, label %30, label %17, !llvm.loop !11

30:                                               ; preds = %11, %17, %3
  %31 = phi float [ 0.000000e+00, %3 ], [ %62, %11 ], [ %26, %17 ]
  ret float %31

32:                                               ; preds = %32, %9
  %33 = phi i64 [ 0, %9 ], [ %63, %32 ]
  %34 = phi float [ 0.000000e+00, %9 ], [ %62, %32 ]
  %35 = phi i64 [ 0, %9 ], [ %64, %32 ]
  %36 = getelementptr inbounds nuw float, ptr %0, i64 %33
  %37 = load float, ptr %36, align 4, !tbaa !9
  %38 = shl nuw nsw i64 %33, 3
  %39 = getelementptr inbounds nuw i8, ptr %1, i64 %38
  %40 = load float, ptr %39, align 4, !tbaa !9
  %41 = tail call float @llvm.fmuladd.f32(float %37, float %40, float %34)
  %42 = or disjoint i64 %33, 1
  %43 = getelementptr inbounds nuw float, ptr %0, i64 %42
  %44 = load float, ptr %43, align 4, !tbaa !9
  %45 = shl nuw nsw i64 %42, 3
  %46 = getelementptr inbounds nuw i8, ptr %1, i64 %45
  %47 = load float, ptr %46, align 4, !tbaa !9
  %48 = tail call float @llvm.fmuladd.f32(float %44, float %47, float %41)
  %49 = or disjoint i64 %33, 2
  %50 = getelementptr inbounds nuw float, ptr %0, i64 %49
  %51 = load float, ptr %50, align 4, !tbaa !9
  %52 = shl nuw nsw i64 %49, 3
  %53 = getelementptr inbounds nuw i8, ptr %1, i64 %52
  %54 = load float, ptr %53, align 4, !tbaa !9
  %55 = tail call float @llvm.fmuladd.f32(float %51, float %54, float %48)
  %56 = or disjoint i64 %33, 3
  %57 = getelementptr inbounds nuw float, ptr %0, i64 %56
  %58 = load float, ptr %57, align 4, !tbaa !9
  %59 = shl nuw nsw i64 %56, 3
  %60 = getelementptr inbounds nuw i8, ptr %1, i64 %59
  %61 = load float, ptr %60, align 4, !tbaa !9
  %62 = tail call float @llvm.fmuladd.f32(float %58, float %61, float %55)
  %63 = add nuw nsw i64 %33, 4
  %64 = add i64 %35, 4
  %65 = icmp eq i64 %64, %10
  br i1 %65, label %11, label %32, !llvm.loop !13
}

; Function Attrs: mustprogress nocallback nocreateundeforpoison nofree nosync nounwind speculatable willreturn memory(none)
declare float @llvm.fmuladd.f32(float, float, float) #1

; Function Attrs: nofree norecurse nosync nounwind memory(argmem: readwrite) uwtable
define dso_local void @mm(ptr noundef readonly captures(none) %0, ptr noundef readonly captures(none) %1, ptr noundef writeonly captures(none) %2) local_unnamed_addr #2 {
  br label %4

4:                                                ; preds = %3, %12
  %5 = phi i64 [ 0, %3 ], [ %13, %12 ]
  %6 = getelementptr inbounds nuw [64 x double], ptr %0, i64 %5
  %7 = getelementptr inbounds nuw [64 x double], ptr %2, i64 %5
  br label %9

8:                                                ; preds = %12
  ret void

9:                                                ; preds = %4, %15
  %10 = phi i64 [ 0, %4 ], [ %17, %15 ]
  %11 = getelementptr inbounds nuw double, ptr %1, i64 %10
  br label %19

12:                                               ; preds = %15
  %13 = add nuw nsw i64 %5, 1
  %14 = icmp eq i64 %13, 64
  br i1 %14, label %8, label %4, !llvm.loop !15

15:                                               ; preds = %19
  %16 = getelementptr inbounds nuw double, ptr %7, i64 %10
  store double %44, ptr %16, align 8, !tbaa !16
  %17 = add nuw nsw i64 %10, 1
  %18 = icmp eq i64 %17, 64
  br i1 %18, label %12, label %9, !llvm.loop !18

19:                                               ; preds = %19, %9
  %20 = phi i64 [ 0, %9 ], [ %45, %19 ]
  %21 = phi double [ 0.000000e+00, %9 ], [ %44, %19 ]
  %22 = getelementptr inbounds nuw double, ptr %6, i64 %20
  %23 = load double, ptr %22, align 8, !tbaa !16
  %24 = getelementptr inbounds nuw [64 x double], ptr %11, i64 %20
  %25 = load double, ptr %24, align 8, !tbaa !16
  %26 = tail call double @llvm.fmuladd.f64(double %23, double %25, double %21)
  %27 = or disjoint i64 %20, 1
  %28 = getelementptr inbounds nuw double, ptr %6, i64 %27
  %29 = load double, ptr %28, align 8, !tbaa !16
  %30 = getelementptr inbounds nuw [64 x double], ptr %11, i64 %27
  %31 = load double, ptr %30, align 8, !tbaa !16
  %32 = tail call double @llvm.fmuladd.f64(double %29, double %31, double %26)
  %33 = or disjoint i64 %20, 2
  %34 = getelementptr inbounds nuw double, ptr %6, i64 %33
  %35 = load double, ptr %34, align 8, !tbaa !16
  %36 = getelementptr inbounds nuw [64 x double], ptr %11, i64 %33
  %37 = load double, ptr %36, align 8, !tbaa !16
  %38 = tail call double @llvm.fmuladd.f64(double %35, double %37, double %32)
  %39 = or disjoint i64 %20, 3
  %40 = getelementptr inbounds nuw double, ptr %6, i64 %39
  %41 = load double, ptr %40, align 8, !tbaa !16
  %42 = getelementptr inbounds nuw [64 x double], ptr %11, i64 %39
  %43 = load double, ptr %42, align 8, !tbaa !16
  %44 = tail call double @llvm.fmuladd.f64(double %41, double %43, double %38)
  %45 = add nuw nsw i64 %20, 4
  %46 = icmp eq i64 %45, 64
  br i1 %46, label %15, label %19, !llvm.loop !19
}

; Function Attrs: mustprogress nocallback nocreateundeforpoison nofree nosync nounwind speculatable willreturn memory(none)
declare double @llvm.fmuladd.f64(double, double, double) #1

; Function Attrs: mustprogress nofree norecurse nosync nounwind willreturn memory(argmem: read) uwtable
define dso_local i32 @g(i32 noundef %0, ptr noundef readonly captures(none) %1) local_unnamed_addr #3 {
  switch i32 %0, label %10 [
    i32 1, label %3
    i32 5, label %6
  ]

3:                                                ; preds = %2
  %4 = getelementptr inbounds nuw i8, ptr %1, i64 12
  %5 = load i32, ptr %4, align 4, !tbaa !5
  br label %12

6:                                                ; preds = %2
  %7 = getelementptr inbounds nuw i8, ptr %1, i64 20
  %8 = load i32, ptr %7, align 4, !tbaa !5
  %9 = sdiv i32 %8, 5
  br label %12

10:                                               ; preds = %2
  %11 = tail call range(i32 0, 33) i32 @llvm.ctpop.i32(i32 %0)
  br label %12

12:                                               ; preds = %10, %6, %3
  %13 = phi i32 [ %11, %10 ], [ %5, %3 ], [ %9, %6 ]
  ret i32 %13
}

; Function Attrs: mustprogress nocallback nocreateundeforpoison nofree nosync nounwind speculatable willreturn memory(none)
declare i32 @llvm.ctpop.i32(i32) #1

; Function Attrs: nocallback nofree nosync nounwind willreturn memory(inaccessiblemem: write)
declare void @llvm.assume(i1 noundef) #4

attributes #0 = { nofree norecurse nosync nounwind memory(argmem: read) uwtable "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #1 = { mustprogress nocallback nocreateundeforpoison nofree nosync nounwind speculatable willreturn memory(none) }
attributes #2 = { nofree norecurse nosync nounwind memory(argmem: readwrite) uwtable "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #3 = { mustprogress nofree norecurse nosync nounwind willreturn memory(argmem: read) uwtable "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #4 = { nocallback nofree nosync nounwind willreturn memory(inaccessiblemem: write) }

!llvm.module.flags = !{!0, !1, !2, !3}
!llvm.ident = !{!4}
!llvm.errno.tbaa = !{!5}

!0 = !{i32 1, !"wchar_size", i32 4}
!1 = !{i32 8, !"PIC Level", i32 2}
!2 = !{i32 7, !"PIE Level", i32 2}
!3 = !{i32 7, !"uwtable", i32 2}
!4 = !{!"Debian clang version 22.1.8 (1~deb12u1)"}
!5 = !{!6, !6, i64 0}
!6 = !{!"int", !7, i64 0}
!7 = !{!"omnipotent char", !8, i64 0}
!8 = !{!"Simple C/C++ TBAA"}
!9 = !{!10, !10, i64 0}
!10 = !{!"float", !7, i64 0}
!11 = distinct !{!11, !12}
!12 = !{!"llvm.loop.unroll.disable"}
!13 = distinct !{!13, !14}
!14 = !{!"llvm.loop.mustprogress"}
!15 = distinct !{!15, !14}
!16 = !{!17, !17, i64 0}
!17 = !{!"double", !7, i64 0}
!18 = distinct !{!18, !14}
!19 = distinct !{!19, !14}
