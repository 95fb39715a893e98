//===- Features.cpp - static features of a function -----------------------===//

#include "Features.h"
#include "Liveness.h"
#include "Memory.h"
#include "Paths.h"
#include "llvm/ADT/DenseSet.h"
#include <algorithm>

using namespace cost;

static void raise(double &Number, double Other) { Number = std::max(Number, Other); }

/// Floating-point operations of a reduction: one fewer than lanes without a
/// start value.
static double reductionFlops(const Function &F, const Operation &O) {
  if (O.Result == None || !F.Values[O.Result].Type->IsFloat || !O.NumOperands)
    return 0;
  double Lanes = F.Values[F.operands(O).back()].Type->Lanes;
  return std::max(0.0, Lanes - (2.0 - O.NumOperands));
}

static void countOperation(const Function &F, const Operation &O, const Loop &Around,
                           FeatureNumbers &N) {
  const OperationFacts &Facts = *O.Facts;
  double Flops = Facts.Name->IsReduction ? reductionFlops(F, O) : double(Facts.Flops);
  N[F_ops] += 1;
  N[F_x_ops] += Around.Executed;
  N[Facts.Count] += 1;
  N[Facts.Category] += 1;
  if (Facts.Executed >= 0)
    N[Facts.Executed] += Around.Executed;
  N[F_flops] += Flops * Around.Weight;
  N[F_transcendentals] += Facts.IsMath ? Flops * Around.Weight : 0;
  N[F_bytes_touched] += Facts.Bytes * Around.Weight;
  N[F_calls] += Facts.IsCall;
  N[F_branches] += O.NumSuccessors > 1;
  N[F_alloca_bytes] += O.AllocaBytes;
  if (!Facts.IsVector)
    return;
  N[F_vector_ops] += 1;
  raise(N[F_vector_lanes_max], Facts.Lanes);
  raise(N[F_vector_bits_max], Facts.Bits);
}

static void countOperations(const Function &F, const Loops &L, FeatureNumbers &N) {
  N[F_trip_count_max] = 1;
  for (unsigned B = 0; B < F.Blocks.size(); ++B) {
    const Loop &Around = L.All[L.OfBlock[B]];
    if (Around.NumOperations)
      raise(N[F_trip_count_max], Around.Weight);
    for (const Operation &O : F.operations(F.Blocks[B]))
      countOperation(F, O, Around, N);
  }
  if (N[F_bytes_touched])
    N[F_arithmetic_intensity] = N[F_flops] / N[F_bytes_touched];
  if (N[F_ops])
    N[F_vector_ops_share] = N[F_vector_ops] / N[F_ops];
}

static void countBlocks(const Function &F, const Loops &L, FeatureNumbers &N) {
  N[F_blocks] = F.Blocks.size();
  for (unsigned B = 0; B < F.Blocks.size(); ++B) {
    const Block &Here = F.Blocks[B];
    const Loop &Around = L.All[L.OfBlock[B]];
    N[F_edges] += F.successors(Here).size();
    raise(N[F_block_ops_max], Here.NumOperations);
    N[F_blocks_in_loops] += Around.Depth > 0;
    for (unsigned V : F.arguments(Here)) {
      const TypeFacts &Type = *F.Values[V].Type;
      if (B == 0) {
        bool IsGeneral = Type.Register == General || Type.Register == NoRegister;
        N[IsGeneral ? F_args_general : F_args_float_vector] += 1;
        continue;
      }
      N[phiFeature(Type)] += 1;
      N[F_x_phi] += Around.Executed;
    }
  }
}

/// Each distinct constant of a type among operands counts once.
static void countConstants(const Function &F, FeatureNumbers &N) {
  static const Feature Kinds[] = {NumFeatures, F_constants_integer, F_constants_float,
                                  F_constants_vector, F_constants_address};
  llvm::DenseSet<std::pair<const void *, const void *>> Seen;
  for (unsigned V : F.Operands) {
    const Value &Used = F.Values[V];
    if (Used.IsConstant && Used.Kind != ConstantKind::Free &&
        Seen.insert({Used.IdentityType, Used.Identity}).second)
      N[Kinds[unsigned(Used.Kind)]] += 1;
  }
}

static void countInnermost(const Loop &Inner, FeatureNumbers &N) {
  N[F_loops_innermost] += 1;
  raise(N[F_innermost_ops_max], Inner.NumOperations);
  raise(N[F_innermost_blocks_max], Inner.NumBlocks);
  if (!Inner.Trips)
    return;
  double Trips = double(*Inner.Trips), &Least = N[F_innermost_trips_min];
  raise(N[F_innermost_trips_max], Trips);
  Least = Least ? std::min(Least, Trips) : Trips;
}

static void countLoops(const Loops &L, FeatureNumbers &N) {
  static const Feature ByDepth[] = {F_loops_depth_1, F_loops_depth_2, F_loops_depth_3};
  N[F_is_exact] = 1;
  for (const Loop &Each : llvm::drop_begin(L.All)) {
    N[F_loops] += 1;
    N[F_loops_unknown] += !Each.Trips;
    if (!Each.Trips)
      N[F_is_exact] = 0;
    raise(N[F_loop_depth_max], Each.Depth);
    N[ByDepth[std::min(Each.Depth, 3u) - 1]] += 1;
    N[F_loops_perfect] += Each.Children.size() == 1 && !Each.IsBusy;
    if (Each.Children.empty())
      countInnermost(Each, N);
  }
}

static void setPressure(const Function &F, const Loops &L, FeatureNumbers &N) {
  Pressure P = pressureOf(F, L);
  N[F_live_values_max] = P.Widest.Values;
  N[F_live_vector_values_max] = P.Widest.Vectors;
  N[F_pressure_general_max] = P.Widest.Counts[General];
  N[F_pressure_float_vector_max] = P.Widest.Counts[FloatVector];
  N[F_pressure_predicate_max] = P.Widest.Counts[Predicate];
  N[F_pressure_general_registers] = P.Widest.Units[General];
  N[F_pressure_float_vector_registers] = P.Widest.Units[FloatVector];
  N[F_deepest_pressure_general] = P.Deepest.Counts[General];
  N[F_deepest_pressure_float_vector] = P.Deepest.Counts[FloatVector];
  N[F_deepest_pressure_float_vector_registers] = P.Deepest.Units[FloatVector];
}

static void setPaths(const Function &F, const Loops &L, FeatureNumbers &N) {
  CriticalPath P = criticalPath(F, L);
  N[F_critical_path_max] = P.Longest;
  N[F_critical_path_loop_max] = P.LongestInLoop;
  N[F_critical_path_executed] = P.Executed;
  N[F_work_executed] = P.Work;
  N[F_parallelism] = P.Executed ? P.Work / P.Executed : 0;
  N[F_recurrence_max] = P.Recurrence;
}

static void setMemory(const Function &F, const Loops &L, FeatureNumbers &N) {
  MemoryNumbers M = memoryOf(F, L);
  std::copy_n(M.Strides, NumStrideClasses, &N[F_stride_zero]);
  std::copy_n(M.ExecutedBytes, NumBuckets, &N[F_reuse_bytes_l1]);
  std::copy_n(M.LoopSets, unsigned(Farther) + 1, &N[F_loops_set_l1]);
  N[F_innermost_set_bytes] = M.InnermostSet;
  N[F_largest_set_bytes] = M.LargestSet;
}

FeatureNumbers cost::featuresOf(const Function &F, const Loops &L) {
  FeatureNumbers N = {};
  countOperations(F, L, N);
  countBlocks(F, L, N);
  countConstants(F, N);
  countLoops(L, N);
  setPressure(F, L, N);
  setPaths(F, L, N);
  setMemory(F, L, N);
  for (double &Number : N)
    Number = std::min(Number, 1e300);
  return N;
}
