//===- Loops.h - natural loops and their trip counts ------------*- C++ -*-===//
//
// After ir/control_flow.py and the Loop class of ir/features/scan.py: loops
// with one header are one loop, irreducible cycles are none, a trip count is
// exact or unknown.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_LOOPS_H
#define COSTMODEL_CORE_LOOPS_H

#include "Function.h"

namespace cost {

struct Loop {
  unsigned Parent = None;
  unsigned Header = None;
  unsigned Depth = 0;
  std::optional<int64_t> Trips;
  double Weight = 1;   ///< Trip counts multiplied, unknown ones as 1.
  double Executed = 1; ///< Unknown ones as 16.
  unsigned NumBlocks = 0;
  unsigned NumOperations = 0; ///< In its own blocks.
  bool IsBusy = false;
  llvm::SmallVector<unsigned, 2> Children;
};

struct Loops {
  /// The first is the function itself, depth 0; outer ones come first.
  std::vector<Loop> All;
  /// Innermost loop of each block.
  std::vector<unsigned> OfBlock;
  /// Loop of each header, None for other blocks.
  std::vector<unsigned> OfHeader;
  /// Blocks that branch to each block, once an edge, in the blocks' order.
  std::vector<llvm::SmallVector<unsigned, 2>> Predecessors;

  bool contains(unsigned Outer, unsigned Block) const;
};

Loops findLoops(const Function &F);

} // namespace cost

#endif
