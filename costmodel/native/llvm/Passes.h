//===- Passes.h - passes that ask the model ---------------------*- C++ -*-===//

#ifndef COSTMODEL_LLVM_PASSES_H
#define COSTMODEL_LLVM_PASSES_H

#include "../core/Predictor.h"
#include "../core/Report.h"
#include "Reader.h"
#include "llvm/IR/PassManager.h"

namespace cost {

/// `x86-64`, `aarch64`, ...
llvm::StringRef archOf(const llvm::Module &M);

/// The target of a function: what the options say, else triple and CPU.
std::string targetOf(const llvm::Function &F, const Options &O);

/// Prints the features of every function, one JSON object a line.
class FeaturesPass : public llvm::PassInfoMixin<FeaturesPass> {
public:
  llvm::PreservedAnalyses run(llvm::Module &M, llvm::ModuleAnalysisManager &);
  static bool isRequired() { return true; }
};

/// Attaches `!costmodel` to every function: target, whether the prediction is
/// known, and for each metric mean, low, high and unit.
class AnnotatePass : public llvm::PassInfoMixin<AnnotatePass> {
public:
  explicit AnnotatePass(Options O) : Asked(std::move(O)) {}
  llvm::PreservedAnalyses run(llvm::Module &M, llvm::ModuleAnalysisManager &);
  static bool isRequired() { return true; }

private:
  Options Asked;
};

} // namespace cost

#endif
