//===- Unroll.cpp - unroll factors by predicted cost ----------------------===//
//
// Each innermost loop is unrolled on the side by several factors and asked
// about alone. The factor of least predicted cycles an iteration is taken where
// the model knows all of them and is sure of a gain; any other loop is left as
// it is, for LLVM's own unroller to choose.
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "Trial.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

using namespace cost;

static constexpr unsigned Factors[] = {1, 2, 4, 8};
/// Trip count of a loop whose trips are unknown, as the features have it.
static constexpr double UnknownTrips = 16;
/// Larger functions are copied too often, larger bodies never gain.
static constexpr unsigned MaxInstructions = 20000, MaxBody = 256, MaxLoops = 64;

/// Whether somebody else has spoken for the loop.
static bool hasUnrollPragma(const llvm::Loop *L) {
  llvm::MDNode *Id = L->getLoopID();
  if (!Id)
    return false;
  for (const llvm::MDOperand &Item : llvm::drop_begin(Id->operands())) {
    auto *Node = llvm::dyn_cast<llvm::MDNode>(Item);
    auto *Name = Node && Node->getNumOperands() ? llvm::dyn_cast<llvm::MDString>(Node->getOperand(0)) : nullptr;
    if (Name && (Name->getString().starts_with("llvm.loop.unroll") ||
                 Name->getString().starts_with("llvm.loop.disable_nonforced")))
      return true;
  }
  return false;
}

static bool mayUnroll(const llvm::Loop *L) {
  if (!L->isInnermost() || hasUnrollPragma(L))
    return false;
  unsigned Size = 0;
  for (const llvm::BasicBlock *B : L->blocks())
    for (const llvm::Instruction &I : *B) {
      auto *Call = llvm::dyn_cast<llvm::CallBase>(&I);
      if (++Size > MaxBody || (Call && (Call->isConvergent() || Call->cannotDuplicate())))
        return false;
    }
  return true;
}

static bool mayChange(const llvm::Function &F) {
  return !F.isDeclaration() && !F.hasOptNone() && !F.hasOptSize() && !F.hasMinSize() &&
         !F.isPresplitCoroutine() && F.getInstructionCount() <= MaxInstructions;
}

namespace {
/// Predicted cycles for one iteration of the loop as it was.
struct Cost {
  double Mean, Low, High;
};

class Chooser {
public:
  Chooser(Predictor &Model, size_t Cycles, llvm::FunctionAnalysisManager &Manager)
      : Model(Model), Cycles(Cycles), Manager(Manager) {}
  /// The factor for a loop, none where the model is not sure.
  std::optional<unsigned> factor(llvm::Function &F, llvm::BasicBlock *Header);

private:
  std::optional<Cost> cost(llvm::Function &F, llvm::BasicBlock *Header, unsigned Factor);

  Predictor &Model;
  size_t Cycles;
  llvm::FunctionAnalysisManager &Manager;
  LlvmReader Reader;
};
} // namespace

std::optional<Cost> Chooser::cost(llvm::Function &F, llvm::BasicBlock *Header, unsigned Factor) {
  Trial Tried(F, Header, Factor, Manager);
  if (!Tried.outlined())
    return std::nullopt;
  const Function &Read = Reader.read(*Tried.outlined());
  Loops Found = findLoops(Read);
  if (Found.All.size() != 2)
    return std::nullopt;
  double Iterations = Factor * (Found.All[1].Trips ? double(*Found.All[1].Trips) : UnknownTrips);
  auto Answer = Model.predict(Read);
  if (!Answer) {
    llvm::consumeError(Answer.takeError());
    return std::nullopt;
  }
  const costmodel_estimate &E = Answer->Estimates[Cycles];
  if (!Answer->IsKnown || !E.exists || Iterations < 1)
    return std::nullopt;
  return Cost{E.mean / Iterations, E.low / Iterations, E.high / Iterations};
}

std::optional<unsigned> Chooser::factor(llvm::Function &F, llvm::BasicBlock *Header) {
  auto AsItIs = cost(F, Header, 1);
  if (!AsItIs)
    return std::nullopt;
  unsigned Best = 1;
  Cost Least = *AsItIs;
  for (unsigned Factor : llvm::drop_begin(Factors)) {
    auto Tried = cost(F, Header, Factor);
    if (Tried && Tried->Mean < Least.Mean) {
      Least = *Tried;
      Best = Factor;
    }
  }
  // Sure of a gain: the mean lies below the interval of the loop as it is.
  return Best > 1 && Least.Mean < AsItIs->Low ? std::optional<unsigned>(Best) : std::nullopt;
}

static bool apply(llvm::Function &F, llvm::BasicBlock *Header, unsigned Factor,
                  llvm::FunctionAnalysisManager &Manager) {
  Analyses Known(F, Manager);
  llvm::Loop *L = Known.loopAt(Header);
  if (!L || !Known.unroll(L, Factor))
    return false;
  llvm::addStringMetadataToLoop(L, "llvm.loop.unroll.disable");
  return true;
}

/// Extracting a loop declares intrinsics; those that nothing uses go again.
static void eraseUnused(llvm::Module &M, const llvm::SmallPtrSetImpl<llvm::Function *> &Before) {
  for (llvm::Function &F : llvm::make_early_inc_range(M))
    if (F.isDeclaration() && F.use_empty() && !Before.contains(&F))
      F.eraseFromParent();
}

static bool unrollFunction(llvm::Function &F, Chooser &Choose, llvm::FunctionAnalysisManager &Manager) {
  llvm::SmallVector<llvm::BasicBlock *, 8> Headers;
  for (llvm::Loop *L : Manager.getResult<llvm::LoopAnalysis>(F).getLoopsInPreorder())
    if (mayUnroll(L) && Headers.size() < MaxLoops)
      Headers.push_back(L->getHeader());
  bool Changed = false;
  for (llvm::BasicBlock *Header : Headers)
    if (auto Factor = Choose.factor(F, Header))
      Changed |= apply(F, Header, *Factor, Manager);
  return Changed;
}

llvm::PreservedAnalyses UnrollPass::run(llvm::Module &M, llvm::ModuleAnalysisManager &Modules) {
  auto Keep = [](const llvm::Twine &Why) {
    warn(Why + "; LLVM's own choice of unroll factors stays");
    return llvm::PreservedAnalyses::all();
  };
  auto Model = Predictor::load(Asked);
  if (!Model)
    return Keep(llvm::toString(Model.takeError()));
  auto Cycles = (*Model)->metric("cycles");
  if (!Cycles)
    return Keep("the model was not trained on the metric 'cycles'");
  auto &Manager = Modules.getResult<llvm::FunctionAnalysisManagerModuleProxy>(M).getManager();
  llvm::SmallVector<llvm::Function *, 16> Functions;
  llvm::SmallPtrSet<llvm::Function *, 32> Before;
  for (llvm::Function &F : M) {
    Before.insert(&F);
    if (mayChange(F))
      Functions.push_back(&F);
  }
  Chooser Choose(**Model, *Cycles, Manager);
  llvm::PreservedAnalyses Kept = llvm::PreservedAnalyses::all();
  for (llvm::Function *F : Functions) {
    std::string Target = targetOf(*F, Asked);
    if (!llvm::StringRef(Target).starts_with((archOf(M) + "/").str()))
      return Keep("the model is asked for " + Target + ", the module is for " + archOf(M));
    if (llvm::Error E = (*Model)->setTarget(Target))
      return Keep(llvm::toString(std::move(E)));
    if (unrollFunction(*F, Choose, Manager)) {
      Manager.invalidate(*F, llvm::PreservedAnalyses::none());
      Kept = llvm::PreservedAnalyses::none();
    }
  }
  eraseUnused(M, Before);
  return Kept;
}
