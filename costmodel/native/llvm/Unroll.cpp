//===- Unroll.cpp - unroll factors by predicted cost ----------------------===//
//
// Each innermost loop gets the factor that the model predicts to be the
// fastest where it is sure that LLVM's own choice is slower, as metadata for
// LLVM's unroller; any other loop is left as it is, for that to choose.
//
//===----------------------------------------------------------------------===//

#include "Unroll.h"
#include "../core/Report.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassInstrumentation.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CommandLine.h"
#include <functional>

using namespace cost;

static llvm::cl::opt<std::string> InPipelines(
    "costmodel-unroll", llvm::cl::ValueOptional, llvm::cl::value_desc("target=ARCH/CPU;model=FILE"),
    llvm::cl::desc("Choose unroll factors by predicted cost wherever LLVM's unroller runs"));

static llvm::cl::opt<bool> PrintsNumbers("costmodel-loop-numbers",
                                         llvm::cl::desc("Print the numbers of loops wherever LLVM's unroller runs"));

static llvm::Error badOption(llvm::StringRef Item, const char *Expected) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), "option '" + Item + "', expected " + Expected);
}

llvm::Expected<UnrollOptions> cost::parseUnrollOptions(llvm::StringRef Text) {
  UnrollOptions Found;
  std::string Rest;
  for (llvm::StringRef Item : llvm::split(Text, ';')) {
    auto [Name, Value] = Item.split('=');
    if (Name == "factor") {
      if (Value.getAsInteger(10, Found.Factor) || Found.Factor < 1 || Found.Factor > 64)
        return badOption(Item, "factor=N with N from 1 to 64");
    } else if (Name == "caution") {
      if (Value.getAsDouble(Found.Caution) || !(Found.Caution >= 0 && Found.Caution <= 10))
        return badOption(Item, "caution=C with C from 0 to 10");
    } else if (!Item.empty()) {
      Rest += (Rest.empty() ? "" : ";") + Item.str();
    }
  }
  auto Common = parseOptions(Rest);
  if (!Common)
    return Common.takeError();
  Found.Common = std::move(*Common);
  return Found;
}

/// LLVM's own choice stays, and why, once.
void Unroller::giveUp(const llvm::Twine &Why) {
  warn(Why + "; LLVM's own choice of unroll factors stays");
  IsUseless = true;
}

bool Unroller::isReady(llvm::Function &F) {
  if (Asked.Factor)
    return true;
  if (!Model && !IsUseless) {
    auto Loaded = UnrollModel::load(Asked.Common.Model.empty() ? besidePlugin("costmodel-unroll.weights")
                                                               : Asked.Common.Model);
    if (Loaded)
      Model = std::move(*Loaded);
    else
      giveUp(llvm::toString(Loaded.takeError()));
  }
  if (IsUseless)
    return false;
  llvm::StringRef Arch = archOf(*F.getParent());
  std::string Target = targetOf(F, Asked.Common);
  if (!llvm::StringRef(Target).starts_with((Arch + "/").str()))
    giveUp("the model is asked for " + Target + ", the module is for " + Arch);
  else if (llvm::Error E = Model->setTarget(Target))
    giveUp(llvm::toString(std::move(E)) + "; give one with target=ARCH/CPU");
  return !IsUseless;
}

bool Unroller::run(llvm::Function &F, llvm::FunctionAnalysisManager &Manager) {
  if (!mayChange(F))
    return false;
  auto &Loops = Manager.getResult<llvm::LoopAnalysis>(F);
  if (Loops.empty() || !isReady(F))
    return false;
  bool Changed = false;
  for (llvm::Loop *L : Loops.getLoopsInPreorder()) {
    auto Facts = factsOf(*L, F, Manager);
    if (!Facts)
      continue;
    auto Factor = !Asked.Factor                       ? Model->choose(*Facts, Asked.Caution)
                  : isPossible(*Facts, Asked.Factor) ? std::optional<unsigned>(Asked.Factor)
                                                      : std::nullopt;
    if (!Factor)
      continue;
    askForFactor(*L, *Factor);
    Changed = true;
  }
  return Changed;
}

llvm::PreservedAnalyses UnrollPass::run(llvm::Module &M, llvm::ModuleAnalysisManager &Modules) {
  auto &Manager = Modules.getResult<llvm::FunctionAnalysisManagerModuleProxy>(M).getManager();
  Unroller Own(Asked);
  for (llvm::Function &F : M)
    if (!F.isDeclaration())
      Own.run(F, Manager);
  return llvm::PreservedAnalyses::all(); // metadata of loops alone
}

/// Asks in front of LLVM's unroller; the metadata that it leaves invalidates no analysis.
static void hook(llvm::PassBuilder &Builder,
                 std::function<void(llvm::Function &, llvm::FunctionAnalysisManager &)> Ask) {
  auto Manager = std::make_shared<llvm::FunctionAnalysisManager *>(nullptr);
  Builder.registerAnalysisRegistrationCallback(
      [Manager](llvm::FunctionAnalysisManager &Known) { *Manager = &Known; });
  auto Before = [Manager, Ask = std::move(Ask)](llvm::StringRef Pass, llvm::Any Unit) {
    auto **F = llvm::any_cast<const llvm::Function *>(&Unit);
    if (Pass == "LoopUnrollPass" && F && *Manager)
      Ask(const_cast<llvm::Function &>(**F), **Manager);
  };
  Builder.getPassInstrumentationCallbacks()->registerBeforeNonSkippedPassCallback(std::move(Before));
}

void cost::unrollInPipelines(llvm::PassBuilder &Builder) {
  if (!Builder.getPassInstrumentationCallbacks())
    return;
  if (PrintsNumbers)
    hook(Builder, printLoopNumbers);
  if (!InPipelines.getNumOccurrences())
    return;
  auto Parsed = parseUnrollOptions(InPipelines);
  if (!Parsed)
    return warn("-costmodel-unroll: " + llvm::toString(Parsed.takeError()) +
                "; LLVM's own choice of unroll factors stays");
  auto Shared = std::make_shared<Unroller>(std::move(*Parsed));
  hook(Builder, [Shared](llvm::Function &F, llvm::FunctionAnalysisManager &Manager) { Shared->run(F, Manager); });
}
