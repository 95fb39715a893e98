//===- Report.h - what the plug-ins print -----------------------*- C++ -*-===//

#ifndef COSTMODEL_CORE_REPORT_H
#define COSTMODEL_CORE_REPORT_H

#include "Features.h"
#include "llvm/ADT/Twine.h"

namespace cost {

/// One line on standard error; the compiler goes on with its own choice.
void warn(const llvm::Twine &Message);

/// `{"name": ..., "features": {...}}` and a line break on standard output.
void printFeatures(llvm::StringRef Name, const FeatureNumbers &Numbers);

} // namespace cost

#endif
