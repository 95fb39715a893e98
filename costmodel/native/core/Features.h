//===- Features.h - static features of a function ---------------*- C++ -*-===//
//
// The numbers that `function.features()` gives in Python, by definition and by
// a differential test.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_FEATURES_H
#define COSTMODEL_CORE_FEATURES_H

#include "Loops.h"
#include <array>

namespace cost {

using FeatureNumbers = std::array<double, NumFeatures>;

FeatureNumbers featuresOf(const Function &F, const Loops &L);

} // namespace cost

#endif
