//===- Unroll.h - unroll factors by predicted cost --------------*- C++ -*-===//

#ifndef COSTMODEL_LLVM_UNROLL_H
#define COSTMODEL_LLVM_UNROLL_H

#include "Passes.h"
#include "UnrollModel.h"

namespace llvm {
class PassBuilder;
}

namespace cost {

struct UnrollOptions {
  Options Common;
  unsigned Factor = 0;   ///< For every loop, no model asked; 0: the model's.
  double Caution = 0.5; ///< See `UnrollModel::choose`.
};

/// Reads `target=...;model=...;factor=N;caution=C`.
llvm::Expected<UnrollOptions> parseUnrollOptions(llvm::StringRef Text);

/// Chooses factors of function after function; the model is loaded when the
/// first loop comes. What goes wrong is said once.
class Unroller {
public:
  explicit Unroller(UnrollOptions O) : Asked(std::move(O)) {}
  /// Whether a factor was asked for. Nothing but metadata of loops changes.
  bool run(llvm::Function &F, llvm::FunctionAnalysisManager &Manager);

private:
  bool isReady(llvm::Function &F);
  void giveUp(const llvm::Twine &Why);

  UnrollOptions Asked;
  std::unique_ptr<UnrollModel> Model;
  bool IsUseless = false;
};

/// `costmodel-unroll<...>`, before `loop-unroll`.
class UnrollPass : public llvm::PassInfoMixin<UnrollPass> {
public:
  explicit UnrollPass(UnrollOptions O) : Asked(std::move(O)) {}
  llvm::PreservedAnalyses run(llvm::Module &M, llvm::ModuleAnalysisManager &);

private:
  UnrollOptions Asked;
};

/// With `-costmodel-unroll[=OPTIONS]`: choose in front of LLVM's unroller in
/// every pipeline, -O3 of clang and opt among them.
void unrollInPipelines(llvm::PassBuilder &Builder);

/// Prints the numbers of the loops whose factor may be chosen, one JSON object
/// a line: what the model learns from. Also behind `-costmodel-loop-numbers`.
void printLoopNumbers(llvm::Function &F, llvm::FunctionAnalysisManager &Manager);

/// `costmodel-loops`: replaces a module by those loops, each a function of its
/// own.
class LoopsPass : public llvm::PassInfoMixin<LoopsPass> {
public:
  llvm::PreservedAnalyses run(llvm::Module &M, llvm::ModuleAnalysisManager &);
};

} // namespace cost

#endif
