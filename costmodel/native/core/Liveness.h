//===- Liveness.h - values alive at once ------------------------*- C++ -*-===//
//
// After ir/features/liveness.py: sets by backward marking from each use
// (Brandner et al., "Computing Liveness Sets for SSA-Form Programs", 2011),
// then a backward sweep over each block. Constants are never alive.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_LIVENESS_H
#define COSTMODEL_CORE_LIVENESS_H

#include "Loops.h"

namespace cost {

/// Maxima over program points, each on its own.
struct Peak {
  uint64_t Values = 0, Vectors = 0;
  uint64_t Counts[NumRegisterClasses] = {};
  uint64_t Units[NumRegisterClasses] = {};
  void raiseTo(const Peak &Other);
};

struct Pressure {
  Peak Widest;
  Peak Deepest; ///< Over the blocks in the most loops.
};

Pressure pressureOf(const Function &F, const Loops &L);

} // namespace cost

#endif
