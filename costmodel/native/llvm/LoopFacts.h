//===- LoopFacts.h - numbers of an innermost loop ---------------*- C++ -*-===//
//
// Owns which loops an unroll factor may be chosen for, their numbers, and what
// LLVM's own unroller would do. Invariant: nothing of the function changes.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_LLVM_LOOPFACTS_H
#define COSTMODEL_LLVM_LOOPFACTS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/PassManager.h"
#include <array>
#include <optional>

namespace cost {

/// Raised where a number changes its meaning; a model of another one is refused.
constexpr unsigned UnrollVersion = 1;

enum class LoopNumber : unsigned {
#define COSTMODEL_LOOP_NUMBER(name) name,
#include "LoopFacts.inc"
  count
};

constexpr unsigned NumLoopNumbers = unsigned(LoopNumber::count);
llvm::ArrayRef<llvm::StringRef> loopNumberNames();

struct LoopFacts {
  std::array<double, NumLoopNumbers> Numbers = {};
  unsigned Instructions = 0;
  unsigned LlvmFactor = 1; ///< What LLVM's own unroller is expected to choose.

  double &operator[](LoopNumber N) { return Numbers[unsigned(N)]; }
  double operator[](LoopNumber N) const { return Numbers[unsigned(N)]; }
};

/// Functions in which loops may be unrolled at all: not those optimised for
/// size or not at all.
bool mayChange(const llvm::Function &F);

/// Facts of a loop whose factor may be chosen; none where somebody else has
/// spoken (pragmas, the vectoriser's remainder), LLVM unrolls or peels it
/// completely, or copies are not allowed.
std::optional<LoopFacts> factsOf(llvm::Loop &L, llvm::Function &F, llvm::FunctionAnalysisManager &Manager);

/// Metadata that asks LLVM's unroller for a factor; 1 forbids unrolling.
void askForFactor(llvm::Loop &L, unsigned Factor);

} // namespace cost

#endif
