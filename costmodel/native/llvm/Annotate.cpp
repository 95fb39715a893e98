//===- Annotate.cpp - predictions as metadata -----------------------------===//

#include "Passes.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Metadata.h"
#include "llvm/IR/Module.h"
#include "llvm/TargetParser/Triple.h"

using namespace cost;

llvm::StringRef cost::archOf(const llvm::Module &M) {
  const llvm::Triple &T = M.getTargetTriple();
  if (T.getArch() == llvm::Triple::x86_64)
    return "x86-64";
  return llvm::Triple::getArchTypeName(T.getArch());
}

std::string cost::targetOf(const llvm::Function &F, const Options &O) {
  if (!O.Target.empty())
    return O.Target;
  llvm::StringRef Cpu = F.getFnAttribute("target-cpu").getValueAsString();
  return (archOf(*F.getParent()) + "/" + Cpu).str();
}

llvm::PreservedAnalyses FeaturesPass::run(llvm::Module &M, llvm::ModuleAnalysisManager &) {
  LlvmReader Reader;
  for (llvm::Function &F : M) {
    if (F.isDeclaration())
      continue;
    const Function &Read = Reader.read(F);
    printFeatures(F.getName(), featuresOf(Read, findLoops(Read)));
  }
  return llvm::PreservedAnalyses::all();
}

static llvm::MDNode *nodeOf(llvm::LLVMContext &C, const Predictor &Model,
                            const Prediction &Found) {
  auto Text = [&](llvm::StringRef S) { return llvm::MDString::get(C, S); };
  auto Number = [&](double N) {
    return llvm::ConstantAsMetadata::get(llvm::ConstantFP::get(llvm::Type::getDoubleTy(C), N));
  };
  llvm::SmallVector<llvm::Metadata *, 8> Items = {
      Text(Model.target()),
      llvm::ConstantAsMetadata::get(llvm::ConstantInt::getBool(C, Found.IsKnown))};
  for (size_t I = 0; I < Found.Estimates.size(); ++I) {
    const costmodel_estimate &E = Found.Estimates[I];
    if (E.exists)
      Items.push_back(llvm::MDNode::get(C, {Text(Model.metricName(I)), Number(E.mean), Number(E.low),
                                            Number(E.high), Text(Model.metricUnit(I))}));
  }
  return llvm::MDNode::get(C, Items);
}

llvm::PreservedAnalyses AnnotatePass::run(llvm::Module &M, llvm::ModuleAnalysisManager &) {
  auto Model = Predictor::load(Asked);
  if (!Model) {
    warn(llvm::toString(Model.takeError()) + "; nothing is annotated");
    return llvm::PreservedAnalyses::all();
  }
  LlvmReader Reader;
  for (llvm::Function &F : M) {
    if (F.isDeclaration())
      continue;
    if (llvm::Error E = (*Model)->setTarget(targetOf(F, Asked))) {
      warn(llvm::toString(std::move(E)) + "; '" + F.getName() + "' is not annotated");
      continue;
    }
    auto Found = (*Model)->predict(Reader.read(F));
    if (!Found) {
      warn("'" + F.getName() + "' is not annotated: " + llvm::toString(Found.takeError()));
      continue;
    }
    F.setMetadata("costmodel", nodeOf(M.getContext(), **Model, *Found));
  }
  return llvm::PreservedAnalyses::all();
}
