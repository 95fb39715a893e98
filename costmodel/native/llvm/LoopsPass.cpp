//===- LoopsPass.cpp - innermost loops as functions of their own ----------===//

#include "Unroll.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/CodeExtractor.h"

using namespace cost;

static void print(llvm::StringRef Function, unsigned Index, const LoopFacts &Loop) {
  llvm::json::OStream J(llvm::outs());
  J.object([&] {
    J.attribute("function", Function);
    J.attribute("loop", Index);
    J.attribute("llvm_factor", Loop.LlvmFactor);
    J.attribute("ops", Loop.Instructions);
    J.attributeObject("numbers", [&] {
      for (unsigned I = 0; I < NumLoopNumbers; ++I)
        J.attribute(loopNumberNames()[I], Loop.Numbers[I]);
    });
    J.attributeObject("questions", [&] {
      for (unsigned Factor : UnrollFactors)
        if (isPossible(Loop, Factor))
          J.attributeObject(std::to_string(Factor), [&] {
            auto Question = questionOf(Loop, Factor);
            for (unsigned I = 0; I < std::size(QuestionNames); ++I)
              J.attribute(QuestionNames[I], Question[I]);
          });
    });
  });
  llvm::outs() << "\n";
}

void cost::printLoopNumbers(llvm::Function &F, llvm::FunctionAnalysisManager &Manager) {
  if (!mayChange(F))
    return;
  unsigned Index = 0;
  for (llvm::Loop *L : Manager.getResult<llvm::LoopAnalysis>(F).getLoopsInPreorder())
    if (auto Facts = factsOf(*L, F, Manager))
      print(F.getName(), Index++, *Facts);
}

/// The loop of a header as a function; null where it cannot be taken out.
static llvm::Function *takeOut(llvm::Function &F, llvm::BasicBlock *Header) {
  llvm::DominatorTree Dominators(F);
  llvm::LoopInfo Loops(Dominators);
  llvm::Loop *L = Loops.getLoopFor(Header);
  if (!L || L->getHeader() != Header)
    return nullptr;
  llvm::CodeExtractor Extractor(L->getBlocks(), &Dominators);
  llvm::CodeExtractorAnalysisCache Cache(F);
  return Extractor.isEligible() ? Extractor.extractCodeRegion(Cache) : nullptr;
}

llvm::PreservedAnalyses LoopsPass::run(llvm::Module &M, llvm::ModuleAnalysisManager &Modules) {
  auto &Manager = Modules.getResult<llvm::FunctionAnalysisManagerModuleProxy>(M).getManager();
  llvm::SmallVector<llvm::Function *, 64> Bodies;
  for (llvm::Function &F : M)
    if (mayChange(F))
      Bodies.push_back(&F);
  unsigned Number = 0;
  for (llvm::Function *F : Bodies) {
    llvm::SmallVector<llvm::BasicBlock *, 8> Headers;
    for (llvm::Loop *L : Manager.getResult<llvm::LoopAnalysis>(*F).getLoopsInPreorder())
      if (factsOf(*L, *F, Manager))
        Headers.push_back(L->getHeader());
    Manager.invalidate(*F, llvm::PreservedAnalyses::none());
    for (llvm::BasicBlock *Header : Headers) {
      llvm::Function *Taken = takeOut(*F, Header);
      if (!Taken)
        continue;
      Taken->setName("costmodel.loop." + llvm::Twine(Number++));
      Taken->setLinkage(llvm::GlobalValue::ExternalLinkage);
      Taken->setComdat(nullptr);
      Taken->addFnAttr(llvm::Attribute::NoInline);
    }
  }
  for (llvm::Function *F : Bodies)
    F->deleteBody();
  return llvm::PreservedAnalyses::none();
}
