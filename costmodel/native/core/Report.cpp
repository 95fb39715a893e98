//===- Report.cpp - what the plug-ins print -------------------------------===//

#include "Report.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace cost;

void cost::warn(const llvm::Twine &Message) { llvm::errs() << "costmodel: " << Message << "\n"; }

void cost::printFeatures(llvm::StringRef Name, const FeatureNumbers &Numbers) {
  llvm::json::OStream J(llvm::outs());
  J.object([&] {
    J.attribute("name", Name);
    J.attributeObject("features", [&] {
      for (unsigned I = 0; I < NumFeatures; ++I)
        J.attribute(featureNames()[I], Numbers[I]);
    });
  });
  llvm::outs() << "\n";
}
