//===- Paths.h - longest dependence chains ----------------------*- C++ -*-===//
//
// After ir/features/critical_path.py: through operands inside one block, in
// cycles of the groups' latencies.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_PATHS_H
#define COSTMODEL_CORE_PATHS_H

#include "Loops.h"

namespace cost {

struct CriticalPath {
  uint64_t Longest = 0, LongestInLoop = 0, Recurrence = 0;
  double Executed = 0, Work = 0;
};

CriticalPath criticalPath(const Function &F, const Loops &L);

} // namespace cost

#endif
