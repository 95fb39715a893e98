//===- Trial.h - a loop unrolled on the side --------------------*- C++ -*-===//

#ifndef COSTMODEL_LLVM_TRIAL_H
#define COSTMODEL_LLVM_TRIAL_H

#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/PassManager.h"

namespace cost {

/// What unrolling needs to know of a function, computed anew: a trial must not
/// leave traces in the pass manager's own analyses.
class Analyses {
public:
  Analyses(llvm::Function &F, llvm::FunctionAnalysisManager &Manager);

  /// The loop of a header in simplified, closed form; null where there is none.
  llvm::Loop *loopAt(llvm::BasicBlock *Header);
  /// Unroll by a factor above 1, with a remainder loop where the trip count
  /// asks for one. False where LLVM refuses or nothing of the loop is left.
  bool unroll(llvm::Loop *L, unsigned Factor);

  llvm::DominatorTree Dominators;
  llvm::LoopInfo Loops;

private:
  llvm::Function &F;
  const llvm::TargetTransformInfo &Machine;
  llvm::AssumptionCache Assumptions;
  llvm::ScalarEvolution Evolution;
};

/// A copy of \p F in which the loop of \p Header is unrolled and, alone, a
/// function of its own: `outlined`. Both functions go with this object.
class Trial {
public:
  Trial(llvm::Function &F, llvm::BasicBlock *Header, unsigned Factor,
        llvm::FunctionAnalysisManager &Manager);
  ~Trial();
  Trial(const Trial &) = delete;

  /// The unrolled loop alone; null where it could not be made.
  llvm::Function *outlined() const { return Outlined; }

private:
  llvm::FunctionAnalysisManager &Manager;
  llvm::Function *Copy = nullptr, *Outlined = nullptr;
};

} // namespace cost

#endif
