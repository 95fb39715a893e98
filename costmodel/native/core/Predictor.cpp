//===- Predictor.cpp - the exported model, asked about functions ----------===//

#include "Predictor.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"
#include <dlfcn.h>

using namespace cost;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

static Error fail(const Twine &Message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), Message);
}

Expected<Options> cost::parseOptions(StringRef Text) {
  Options Found;
  while (!Text.empty()) {
    auto [Item, Rest] = Text.split(';');
    Text = Rest;
    auto [Name, Value] = Item.split('=');
    std::string *Field = Name == "target"     ? &Found.Target
                         : Name == "model"    ? &Found.Model
                         : Name == "pipeline" ? &Found.Pipeline
                                              : nullptr;
    if (!Field || Value.empty())
      return fail("unknown option '" + Item +
                  "'; expected target=ARCH/CPU, model=FILE or pipeline=NAME, joined by ';'");
    *Field = Value.str();
  }
  return Found;
}

std::string cost::besidePlugin(StringRef Name) {
  Dl_info Info;
  if (!dladdr(reinterpret_cast<void *>(&besidePlugin), &Info) || !Info.dli_fname)
    return Name.str();
  llvm::SmallString<128> Path(Info.dli_fname);
  llvm::sys::path::remove_filename(Path);
  llvm::sys::path::append(Path, Name);
  return std::string(Path);
}

Predictor::~Predictor() { costmodel_destroy(Model); }

size_t Predictor::slotOf(const Twine &Name) const {
  llvm::SmallString<64> Storage;
  return costmodel_feature_index(Model, Name.toNullTerminatedStringRef(Storage).data());
}

Expected<std::unique_ptr<Predictor>> Predictor::load(const Options &O) {
  std::unique_ptr<Predictor> Made(new Predictor());
  std::string Path = O.Model.empty() ? besidePlugin("costmodel.weights") : O.Model;
  if (int Status = costmodel_create_from_file(COSTMODEL_ABI_VERSION, Path.c_str(), &Made->Model))
    return fail("cannot load the model " + Path + ": " + costmodel_error_string(Status) +
                "; write one with `costmodel export MODEL --format c -o DIR` and give model=DIR/costmodel.weights");
  if (costmodel_takes_graph(Made->Model))
    return fail("the model " + Path + " takes graphs, the plug-in gives features; export a model of features");
  uint32_t Version = costmodel_version_of(Made->Model, "function_features");
  if (Version != FeaturesVersion)
    return fail("the model " + Path + " reads features that the plug-in does not compute" +
                (Version ? Twine(" (version ") + Twine(Version) + ")" : Twine("")) +
                "; export it anew with `costmodel export MODEL --features v1 --unlabelled FOLDER -o DIR`");
  for (unsigned I = 0; I < NumFeatures; ++I)
    Made->StaticSlots[I] = Made->slotOf("static:" + featureNames()[I]);
  Made->Scratch.resize(costmodel_scratch_bytes(Made->Model));
  Made->Pipeline = O.Pipeline;
  if (!O.Target.empty())
    if (Error E = Made->setTarget(O.Target))
      return std::move(E);
  return std::move(Made);
}

Error Predictor::setTarget(StringRef Name) {
  if (Name == TargetName)
    return Error::success();
  costmodel_target Found = {};
  Found.struct_size = sizeof(Found);
  if (costmodel_target_by_name(Model, Name.str().c_str(), &Found)) {
    std::string Known;
    for (size_t I = 0, N = costmodel_target_count(Model); I < N; ++I)
      Known += (I ? ", " : "") + std::string(costmodel_target_name(Model, I));
    return fail("the model does not know the target '" + Name + "'; it knows " + Known);
  }
  Target = Found;
  TargetName = Name.str();
  return Error::success();
}

std::optional<size_t> Predictor::metric(StringRef Name) const {
  size_t Index = costmodel_metric_index(Model, Name.str().c_str());
  return Index == COSTMODEL_NOT_FOUND ? std::nullopt : std::optional<size_t>(Index);
}

/// Counts by name and type; those that the model does not list go to its last
/// number, the operations it has never seen.
void Predictor::addCounts(const Function &F) {
  for (const Operation &O : F.Operations) {
    const TypeFacts *Type = nullptr;
    if (O.Result != None)
      Type = F.Values[O.Result].Type;
    else if (O.NumOperands)
      Type = F.Values[F.operands(O)[0]].Type;
    StringRef Name = O.Facts->Name->Spelling, Label = Type ? StringRef(Type->Label) : "-";
    llvm::SmallString<64> Key(Name);
    Key += ' ';
    Key += Label;
    auto [Entry, IsNew] = Slots.try_emplace(Key);
    if (IsNew)
      Entry->second = {slotOf("count:" + Key), slotOf("elements:" + Name), slotOf("most:" + Label)};
    auto [Count, Elements, Most] = Entry->second;
    Inputs[Count == COSTMODEL_NOT_FOUND ? Inputs.size() - 1 : Count] += 1;
    if (!Type || Type->Lanes <= 1)
      continue;
    if (Elements != COSTMODEL_NOT_FOUND)
      Inputs[Elements] += Type->Lanes;
    if (Most != COSTMODEL_NOT_FOUND)
      Inputs[Most] = std::max(Inputs[Most], double(Type->Lanes));
  }
}

void Predictor::fill(const Function &F) {
  Inputs.assign(costmodel_feature_count(Model), 0.0);
  FeatureNumbers Numbers = featuresOf(F, findLoops(F));
  for (unsigned I = 0; I < NumFeatures; ++I)
    if (StaticSlots[I] != COSTMODEL_NOT_FOUND)
      Inputs[StaticSlots[I]] = Numbers[I];
  addCounts(F);
}

Expected<Prediction> Predictor::predict(const Function &F) {
  fill(F);
  Prediction Found;
  Found.Estimates.resize(numMetrics());
  costmodel_request Request = {};
  Request.struct_size = sizeof(Request);
  Request.features = Inputs.data();
  Request.feature_count = Inputs.size();
  Request.target = &Target;
  Request.pipeline = Pipeline.empty() ? nullptr : Pipeline.c_str();
  costmodel_answer Answer = {};
  Answer.struct_size = sizeof(Answer);
  if (int Status = costmodel_predict(Model, &Request, Scratch.data(), Scratch.size(),
                                     Found.Estimates.data(), Found.Estimates.size(), &Answer))
    return fail(costmodel_error_string(Status));
  Found.IsKnown = Answer.known;
  Found.Distance = Answer.distance;
  return Found;
}
