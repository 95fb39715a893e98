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

/// Loads and stores in innermost loops by how their address moves.
struct StrideCounts {
  unsigned Zero = 0, Unit = 0, Small = 0, Large = 0, Unknown = 0;
};

StrideCounts strideCounts(const Function &F, const Loops &L);

} // namespace cost

#endif
