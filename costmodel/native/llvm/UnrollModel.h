//===- UnrollModel.h - what an unroll factor gains --------------*- C++ -*-===//
//
// Owns the exported model of unroll factors (`costmodel-unroll.weights`): from
// the numbers of a loop and a factor to the cycles of an iteration over those
// with LLVM's own choice. Lifetime as that of `Predictor`; not thread-safe.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_LLVM_UNROLLMODEL_H
#define COSTMODEL_LLVM_UNROLLMODEL_H

#include "../c/costmodel.h"
#include "LoopFacts.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>
#include <vector>

namespace cost {

constexpr unsigned UnrollFactors[] = {1, 2, 3, 4, 6, 8, 16};

/// Numbers that depend on the factor, read as `static:unroll_NAME`.
constexpr const char *QuestionNames[] = {"factor", "change", "size", "throughput", "trips", "rest"};
std::array<double, std::size(QuestionNames)> questionOf(const LoopFacts &Loop, unsigned Factor);

/// What LLVM does where it is asked for a factor: not less than 2 copies of a
/// loop of known trips, not all of them.
bool isPossible(const LoopFacts &Loop, unsigned Factor);

class UnrollModel {
public:
  /// Cycles over those of LLVM's own choice, 90 % interval.
  struct Ratio {
    bool IsKnown = false;
    double Mean = 1, Low = 1, High = 1;
  };

  /// Fails where the weights are missing, damaged, or no model of factors.
  static llvm::Expected<std::unique_ptr<UnrollModel>> load(const std::string &Path);
  ~UnrollModel();

  llvm::Error setTarget(llvm::StringRef Name);
  Ratio ask(const LoopFacts &Loop, unsigned Factor);
  /// The factor that is predicted to be the fastest where the model is sure
  /// that LLVM's own choice is slower: where the mean and \p Caution times the
  /// way to the end of the 90 % interval lie below it; else none.
  std::optional<unsigned> choose(const LoopFacts &Loop, double Caution);

private:
  UnrollModel() = default;
  size_t slotOf(const llvm::Twine &Name) const;

  costmodel *Model = nullptr;
  std::string TargetName;
  costmodel_target Target = {};
  std::array<size_t, NumLoopNumbers> LoopSlots;
  std::array<size_t, std::size(QuestionNames)> QuestionSlots;
  size_t SizeSlot = 0;
  std::vector<double> Inputs;
  std::vector<char> Scratch;
};

} // namespace cost

#endif
