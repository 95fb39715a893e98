//===- Strides.h - how addresses move with loops ----------------*- C++ -*-===//
//
// After ir/features/strides.py: a value is a sum of constants times loop
// counters, or unknown in the loops that change it.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_STRIDES_H
#define COSTMODEL_CORE_STRIDES_H

#include "Loops.h"

namespace cost {

using Stride = std::optional<int64_t>;

/// One load or store inside a loop.
struct Access {
  unsigned Base;  ///< The value that its address begins from, None where unknown.
  unsigned Loop;  ///< Innermost.
  uint64_t Bytes;
  llvm::SmallVector<Stride, 4> Moves; ///< Bytes an iteration, innermost loop first.
};

/// Loops around an access that are looked at, from the innermost outward.
constexpr unsigned MaxLevels = 8;

/// Accesses of known width inside loops, those of one loop side by side.
std::vector<Access> accessesOf(const Function &F, const Loops &L);

} // namespace cost

#endif
