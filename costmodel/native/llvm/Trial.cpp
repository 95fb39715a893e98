//===- Trial.cpp - a loop unrolled on the side ----------------------------===//

#include "Trial.h"
#include "llvm/Analysis/OptimizationRemarkEmitter.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/CodeExtractor.h"
#include "llvm/Transforms/Utils/LoopSimplify.h"
#include "llvm/Transforms/Utils/LoopUtils.h"
#include "llvm/Transforms/Utils/UnrollLoop.h"

using namespace cost;

/// As LLVM's own pass has it.
static constexpr unsigned ExpansionBudget = 4;

Analyses::Analyses(llvm::Function &F, llvm::FunctionAnalysisManager &Manager)
    : Dominators(F), Loops(Dominators), F(F), Machine(Manager.getResult<llvm::TargetIRAnalysis>(F)),
      Assumptions(F, const_cast<llvm::TargetTransformInfo *>(&Machine)),
      Evolution(F, Manager.getResult<llvm::TargetLibraryAnalysis>(F), Assumptions, Dominators, Loops) {}

llvm::Loop *Analyses::loopAt(llvm::BasicBlock *Header) {
  llvm::Loop *L = Loops.getLoopFor(Header);
  if (!L || L->getHeader() != Header || !L->isInnermost())
    return nullptr;
  llvm::simplifyLoop(L, &Dominators, &Loops, &Evolution, &Assumptions, nullptr, false);
  llvm::formLCSSARecursively(*L, Dominators, &Loops, &Evolution);
  return L->isLoopSimplifyForm() && L->isSafeToClone() ? L : nullptr;
}

bool Analyses::unroll(llvm::Loop *L, unsigned Factor) {
  unsigned Trips = Evolution.getSmallConstantTripCount(L);
  if (Trips && Trips <= Factor)
    return false;
  llvm::OptimizationRemarkEmitter Remarks(&F);
  llvm::UnrollLoopOptions Asked = {};
  Asked.Count = Factor;
  Asked.Runtime = Evolution.getSmallConstantTripMultiple(L) % Factor != 0;
  Asked.SCEVExpansionBudget = ExpansionBudget;
  return llvm::UnrollLoop(L, Asked, &Loops, &Evolution, &Dominators, &Assumptions, &Machine, &Remarks,
                          /*PreserveLCSSA=*/true) == llvm::LoopUnrollResult::PartiallyUnrolled;
}

Trial::Trial(llvm::Function &F, llvm::BasicBlock *Header, unsigned Factor,
             llvm::FunctionAnalysisManager &Manager)
    : Manager(Manager) {
  llvm::ValueToValueMapTy Copies;
  Copy = llvm::CloneFunction(&F, Copies);
  Copy->setLinkage(llvm::GlobalValue::InternalLinkage);
  Copy->setComdat(nullptr);
  Analyses Known(*Copy, Manager);
  llvm::Loop *L = Known.loopAt(llvm::cast<llvm::BasicBlock>(Copies[Header]));
  if (!L || (Factor > 1 && !Known.unroll(L, Factor)))
    return;
  llvm::CodeExtractor Extractor(L->getBlocks(), &Known.Dominators);
  llvm::CodeExtractorAnalysisCache Cache(*Copy);
  if (Extractor.isEligible())
    Outlined = Extractor.extractCodeRegion(Cache);
}

Trial::~Trial() {
  Manager.clear(*Copy, Copy->getName());
  Copy->eraseFromParent();
  if (Outlined)
    Outlined->eraseFromParent();
}
