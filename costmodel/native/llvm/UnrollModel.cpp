//===- UnrollModel.cpp - what an unroll factor gains ----------------------===//

#include "UnrollModel.h"
#include "../core/Predictor.h"
#include "llvm/ADT/SmallString.h"
#include <cmath>

using namespace cost;
using llvm::Error;
using llvm::Twine;

/// Trips of a loop whose trips nobody knows.
static constexpr double UnknownTrips = 64;

static Error fail(const Twine &Message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), Message);
}

std::array<double, std::size(QuestionNames)> cost::questionOf(const LoopFacts &Loop, unsigned Factor) {
  double Trips = Loop[LoopNumber::trips];
  double Rest = Trips ? double(unsigned(Trips) % Factor) : (Factor - 1) / 2.0;
  return {double(Factor), std::log2(double(Factor) / Loop.LlvmFactor), Factor * Loop[LoopNumber::size],
          Factor * Loop[LoopNumber::throughput], (Trips ? Trips : UnknownTrips) / Factor, Rest};
}

bool cost::isPossible(const LoopFacts &Loop, unsigned Factor) {
  double Trips = Loop[LoopNumber::trips];
  return !Trips || Factor < Trips;
}

UnrollModel::~UnrollModel() { costmodel_destroy(Model); }

size_t UnrollModel::slotOf(const Twine &Name) const {
  llvm::SmallString<64> Storage;
  return costmodel_feature_index(Model, Name.toNullTerminatedStringRef(Storage).data());
}

llvm::Expected<std::unique_ptr<UnrollModel>> UnrollModel::load(const std::string &Path) {
  std::unique_ptr<UnrollModel> Made(new UnrollModel());
  if (int Status = costmodel_create_from_file(COSTMODEL_ABI_VERSION, Path.c_str(), &Made->Model))
    return fail("cannot load the model of unroll factors " + Path + ": " + costmodel_error_string(Status));
  uint32_t Version = costmodel_version_of(Made->Model, "unroll");
  if (Version != UnrollVersion || costmodel_takes_graph(Made->Model) || costmodel_metric_count(Made->Model) != 1)
    return fail("the model " + Path + " is no model of unroll factors of version " + Twine(UnrollVersion) +
                "; give costmodel-unroll.weights of this release, or train one with benchmarks/unroll_train.py");
  for (unsigned I = 0; I < NumLoopNumbers; ++I)
    Made->LoopSlots[I] = Made->slotOf("static:loop_" + loopNumberNames()[I]);
  for (unsigned I = 0; I < std::size(QuestionNames); ++I)
    Made->QuestionSlots[I] = Made->slotOf(Twine("static:unroll_") + QuestionNames[I]);
  Made->SizeSlot = Made->slotOf("static:ops");
  Made->Scratch.resize(costmodel_scratch_bytes(Made->Model));
  return std::move(Made);
}

Error UnrollModel::setTarget(llvm::StringRef Name) {
  if (Name == TargetName)
    return Error::success();
  costmodel_target Found = {};
  Found.struct_size = sizeof(Found);
  if (costmodel_target_by_name(Model, Name.str().c_str(), &Found))
    return fail("the model does not know the target '" + Name + "'");
  Target = Found;
  TargetName = Name.str();
  return Error::success();
}

UnrollModel::Ratio UnrollModel::ask(const LoopFacts &Loop, unsigned Factor) {
  Inputs.assign(costmodel_feature_count(Model), 0.0);
  auto Put = [&](size_t Slot, double Value) {
    if (Slot != COSTMODEL_NOT_FOUND)
      Inputs[Slot] = Value;
  };
  Put(SizeSlot, Loop.Instructions);
  for (unsigned I = 0; I < NumLoopNumbers; ++I)
    Put(LoopSlots[I], Loop.Numbers[I]);
  auto Question = questionOf(Loop, Factor);
  for (unsigned I = 0; I < std::size(QuestionNames); ++I)
    Put(QuestionSlots[I], Question[I]);
  costmodel_request Request = {};
  Request.struct_size = sizeof(Request);
  Request.features = Inputs.data();
  Request.feature_count = Inputs.size();
  Request.target = &Target;
  // x86-64 was measured, the others are simulated.
  bool IsMeasured = llvm::StringRef(Target.arch) == "x86-64" && costmodel_pipeline_count(Model) > 1;
  Request.pipeline = costmodel_pipeline_count(Model) ? costmodel_pipeline_name(Model, !IsMeasured) : nullptr;
  costmodel_answer Answer = {};
  Answer.struct_size = sizeof(Answer);
  costmodel_estimate E;
  if (costmodel_predict(Model, &Request, Scratch.data(), Scratch.size(), &E, 1, &Answer) || !E.exists)
    return {};
  return {Answer.known != 0, E.mean, E.low, E.high};
}

std::optional<unsigned> UnrollModel::choose(const LoopFacts &Loop, double Caution) {
  std::optional<unsigned> Best;
  double Least = 1;
  for (unsigned Factor : UnrollFactors) {
    if (!isPossible(Loop, Factor))
      continue;
    Ratio Found = ask(Loop, Factor);
    if (Found.IsKnown && Found.Mean + Caution * (Found.High - Found.Mean) < 1 && Found.Mean < Least) {
      Least = Found.Mean;
      Best = Factor;
    }
  }
  return Best;
}
