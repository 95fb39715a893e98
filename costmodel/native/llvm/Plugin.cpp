//===- Plugin.cpp - the passes' registration in LLVM ----------------------===//

#include "Passes.h"
#include "Unroll.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Plugins/PassPlugin.h"

using namespace cost;

/// Options of `costmodel-annotate<...>`; none where the name is another one or
/// the options are wrong (said on standard error).
template <typename T>
static std::optional<T> optionsOf(llvm::StringRef Text, llvm::StringRef Pass,
                                  llvm::Expected<T> (*Parse)(llvm::StringRef)) {
  if (!Text.consume_front(Pass) || (!Text.empty() && (!Text.consume_front("<") || !Text.consume_back(">"))))
    return std::nullopt;
  auto Found = Parse(Text);
  if (Found)
    return std::move(*Found);
  warn(Pass + ": " + llvm::toString(Found.takeError()));
  return std::nullopt;
}

static bool addModulePass(llvm::StringRef Name, llvm::ModulePassManager &Passes) {
  if (Name == "costmodel-features") {
    Passes.addPass(FeaturesPass());
    return true;
  }
  if (Name == "costmodel-loops") {
    Passes.addPass(LoopsPass());
    return true;
  }
  if (auto Asked = optionsOf(Name, "costmodel-annotate", parseOptions)) {
    Passes.addPass(AnnotatePass(std::move(*Asked)));
    return true;
  }
  if (auto Asked = optionsOf(Name, "costmodel-unroll", parseUnrollOptions)) {
    Passes.addPass(UnrollPass(std::move(*Asked)));
    return true;
  }
  return false;
}

static void registerPasses(llvm::PassBuilder &Builder) {
  unrollInPipelines(Builder);
  Builder.registerPipelineParsingCallback(
      [](llvm::StringRef Name, llvm::ModulePassManager &Passes,
         llvm::ArrayRef<llvm::PassBuilder::PipelineElement>) { return addModulePass(Name, Passes); });
}

extern "C" LLVM_ATTRIBUTE_WEAK LLVM_ATTRIBUTE_VISIBILITY_DEFAULT llvm::PassPluginLibraryInfo llvmGetPassPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "costmodel", "1", registerPasses};
}
