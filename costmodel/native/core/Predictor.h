//===- Predictor.h - the exported model, asked about functions --*- C++ -*-===//
//
// Owns a loaded model (c/costmodel.h) and one target's figures. A function that
// cannot be asked about is an error value, never an abort. Lifetime: loaded
// once for a module; not thread-safe (it holds the scratch memory).
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_PREDICTOR_H
#define COSTMODEL_CORE_PREDICTOR_H

#include "../c/costmodel.h"
#include "Features.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace cost {

struct Options {
  std::string Target;   ///< `arch/cpu`; empty: that of the function.
  std::string Model;    ///< Weights; empty: costmodel.weights beside the plug-in.
  std::string Pipeline; ///< Empty: the model's own.
};

/// Reads `target=x86-64/znver4;model=FILE;pipeline=NAME`.
llvm::Expected<Options> parseOptions(llvm::StringRef Text);

/// A file beside the shared library that this code is part of.
std::string besidePlugin(llvm::StringRef Name);

struct Prediction {
  bool IsKnown = false;
  double Distance = 0;
  std::vector<costmodel_estimate> Estimates; ///< One a metric of the model.
};

class Predictor {
public:
  /// Fails where the weights are missing, damaged, of another version of the
  /// features, or take graphs.
  static llvm::Expected<std::unique_ptr<Predictor>> load(const Options &O);
  ~Predictor();

  /// Switch to a target by name; fails for one that the model does not know.
  llvm::Error setTarget(llvm::StringRef Name);
  llvm::StringRef target() const { return TargetName; }

  llvm::Expected<Prediction> predict(const Function &F);

  /// Metrics by index; \p Metric of `metric` may be none of the model's.
  size_t numMetrics() const { return costmodel_metric_count(Model); }
  llvm::StringRef metricName(size_t I) const { return costmodel_metric_name(Model, I); }
  llvm::StringRef metricUnit(size_t I) const { return costmodel_metric_unit(Model, I); }
  std::optional<size_t> metric(llvm::StringRef Name) const;

private:
  Predictor() = default;
  void fill(const Function &F);
  void addCounts(const Function &F);
  size_t slotOf(const llvm::Twine &Name) const;

  costmodel *Model = nullptr;
  std::string TargetName, Pipeline;
  costmodel_target Target = {};
  std::vector<double> Inputs;
  std::vector<char> Scratch;
  std::array<size_t, NumFeatures> StaticSlots;
  /// Slots of `count:`, `elements:` and `most:` by operation name and type.
  struct CountSlots {
    size_t Count, Elements, Most;
  };
  llvm::StringMap<CountSlots> Slots;
};

} // namespace cost

#endif
