//===- Memory.h - strides, working sets, reuse distances --------*- C++ -*-===//
//
// After ir/features/reuse.py (Wolf and Lam, "A Data Locality Optimizing
// Algorithm", 1991): an access touches, during one execution of a loop, the
// smaller of width x product of the trips that move it, and width + sum of
// |stride| (trips - 1).
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_MEMORY_H
#define COSTMODEL_CORE_MEMORY_H

#include "Strides.h"

namespace cost {

enum StrideClass : unsigned { ZeroStride, UnitStride, SmallStride, LargeStride, UnknownStride, NumStrideClasses };
enum Bucket : unsigned { L1, L2, L3, Farther, Never, NumBuckets };

struct MemoryNumbers {
  double Strides[NumStrideClasses] = {};  ///< Accesses in innermost loops.
  double ExecutedBytes[NumBuckets] = {};  ///< By reuse distance.
  double LoopSets[NumBuckets] = {};       ///< Loops by working set.
  double InnermostSet = 0, LargestSet = 0; ///< Bytes.
};

MemoryNumbers memoryOf(const Function &F, const Loops &L);

} // namespace cost

#endif
