//===- Plugin.cpp - the passes' registration in MLIR ----------------------===//

#include "../core/Predictor.h"
#include "../core/Report.h"
#include "Reader.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Support/CommandLine.h"

using namespace cost;
namespace ll = mlir::LLVM;

namespace {

/// Prints the features of every function, one JSON object a line.
class FeaturesPass : public mlir::PassWrapper<FeaturesPass, mlir::OperationPass<>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FeaturesPass)
  llvm::StringRef getArgument() const final { return "costmodel-features"; }
  llvm::StringRef getDescription() const final { return "Print static features of LLVM functions"; }
  void runOnOperation() final {
    MlirReader Reader;
    getOperation()->walk([&](ll::LLVMFuncOp F) {
      if (!F.isExternal())
        if (const Function *Read = Reader.read(F))
          printFeatures(F.getName(), featuresOf(*Read, findLoops(*Read)));
    });
  }
};

/// Sets `costmodel.prediction` on every function of the LLVM dialect.
class AnnotatePass : public mlir::PassWrapper<AnnotatePass, mlir::OperationPass<>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AnnotatePass)
  AnnotatePass() = default;
  AnnotatePass(const AnnotatePass &Other) : PassWrapper(Other) {}
  llvm::StringRef getArgument() const final { return "costmodel-annotate"; }
  llvm::StringRef getDescription() const final { return "Attach predicted costs to LLVM functions"; }
  void runOnOperation() final;

private:
  void annotate(ll::LLVMFuncOp F, MlirReader &Reader, Predictor &Model);

  Option<std::string> Target{*this, "target", llvm::cl::desc("arch/cpu, for example x86-64/znver4")};
  Option<std::string> Model{*this, "model", llvm::cl::desc("weights (default: beside the plug-in)")};
  Option<std::string> Pipeline{*this, "pipeline", llvm::cl::desc("the lowering that is meant")};
};

} // namespace

/// `--costmodel-annotate=OPTIONS` as a flag. mlir-opt lists the flags of passes
/// before it loads a plug-in, so the flag stands for a pipeline of this pass.
static void runAlone(llvm::StringRef Pass, llvm::StringRef Options) {
  auto &Known = llvm::cl::getRegisteredOptions();
  auto Pipeline = Known.find("pass-pipeline");
  std::string Text = ("any(" + Pass + "{" + Options + "})").str();
  if (Pipeline == Known.end() || Pipeline->second->addOccurrence(0, "pass-pipeline", Text))
    warn("--" + Pass + " cannot be joined with other passes; write --pass-pipeline='builtin.module(...)'");
}

static llvm::cl::opt<std::string> AnnotateFlag(
    "costmodel-annotate", llvm::cl::ValueOptional, llvm::cl::desc("Attach predicted costs to LLVM functions"),
    llvm::cl::cb<void, std::string>([](const std::string &O) { runAlone("costmodel-annotate", O); }));
static llvm::cl::opt<std::string> FeaturesFlag(
    "costmodel-features", llvm::cl::ValueOptional, llvm::cl::desc("Print static features of LLVM functions"),
    llvm::cl::cb<void, std::string>([](const std::string &O) { runAlone("costmodel-features", O); }));

static mlir::DictionaryAttr attributeOf(mlir::MLIRContext *C, const Predictor &Model,
                                        const Prediction &Found) {
  mlir::Builder B(C);
  llvm::SmallVector<mlir::NamedAttribute> Metrics;
  for (size_t I = 0; I < Found.Estimates.size(); ++I) {
    const costmodel_estimate &E = Found.Estimates[I];
    if (E.exists)
      Metrics.push_back(B.getNamedAttr(
          Model.metricName(I),
          B.getDictionaryAttr({B.getNamedAttr("mean", B.getF64FloatAttr(E.mean)),
                               B.getNamedAttr("low", B.getF64FloatAttr(E.low)),
                               B.getNamedAttr("high", B.getF64FloatAttr(E.high)),
                               B.getNamedAttr("unit", B.getStringAttr(Model.metricUnit(I)))})));
  }
  return B.getDictionaryAttr({B.getNamedAttr("target", B.getStringAttr(Model.target())),
                              B.getNamedAttr("known", B.getBoolAttr(Found.IsKnown)),
                              B.getNamedAttr("metrics", B.getDictionaryAttr(Metrics))});
}

void AnnotatePass::annotate(ll::LLVMFuncOp F, MlirReader &Reader, Predictor &Model) {
  const Function *Read = Reader.read(F);
  if (!Read) {
    warn("'" + F.getName() + "' is not annotated: it holds operations outside the LLVM dialect; lower it first");
    return;
  }
  auto Found = Model.predict(*Read);
  if (!Found) {
    warn("'" + F.getName() + "' is not annotated: " + llvm::toString(Found.takeError()));
    return;
  }
  F->setDiscardableAttr("costmodel.prediction", attributeOf(&getContext(), Model, *Found));
}

void AnnotatePass::runOnOperation() {
  if (Target.empty()) {
    warn("no target given; write --costmodel-annotate=target=ARCH/CPU; nothing is annotated");
    return;
  }
  auto Loaded = Predictor::load({Target, Model, Pipeline});
  if (!Loaded) {
    warn(llvm::toString(Loaded.takeError()) + "; nothing is annotated");
    return;
  }
  MlirReader Reader;
  getOperation()->walk([&](ll::LLVMFuncOp F) {
    if (!F.isExternal())
      annotate(F, Reader, **Loaded);
  });
}

extern "C" LLVM_ATTRIBUTE_WEAK LLVM_ATTRIBUTE_VISIBILITY_DEFAULT mlir::PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "costmodel", "1", [] {
            mlir::PassRegistration<FeaturesPass>();
            mlir::PassRegistration<AnnotatePass>();
          }};
}
