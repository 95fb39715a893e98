//===- Names.h - what an operation's name tells -----------------*- C++ -*-===//
//
// Groups, features by index, and facts of operations by name and type, after
// ir/features/{opcodes,scan}.py and ir/costs.py. Names are those of MLIR's LLVM
// dialect for both front ends: `llvm.add`, `llvm.intr.fma`, `llvm.call`.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_NAMES_H
#define COSTMODEL_CORE_NAMES_H

#include "TypeFacts.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include <deque>

namespace cost {

enum Feature : unsigned {
#define COSTMODEL_FEATURE(Name) F_##Name,
#include "Tables.inc"
  NumFeatures
};

/// Python's FEATURES_VERSION that these definitions follow.
extern const unsigned FeaturesVersion;

/// Name of each feature, in the order of `Feature`.
llvm::ArrayRef<llvm::StringRef> featureNames();
/// How strides and trip counts treat an operation.
enum class Role : uint8_t {
  Opaque, Add, Sub, Mul, Shl, Or, Passed, Address, Compare,
  Load, Store, MaskedLoad, MaskedStore, OtherAccess
};

enum class Callee : uint8_t { None, Direct, Math, Indirect };

struct Group;

struct NameFacts {
  llvm::StringRef Spelling;
  const Group *ForFloats = nullptr;
  const Group *ForOthers = nullptr;
  Role TheRole = Role::Opaque;
  bool IsMath = false;
  bool IsSqrt = false;
  bool IsCall = false;     ///< llvm.call, llvm.invoke, ...
  bool IsConstant = false; ///< llvm.mlir.constant and its kin
  bool IsCompare = false;  ///< typed by its first operand
  bool IsLoad = false;
  bool IsStore = false;
  bool IsReduction = false;
  bool IsAlloca = false;
  bool MayChange = false; ///< a result without operands is unknown in loops
  unsigned FlopsALane = 0;
  Feature Category = NumFeatures; ///< One of mix_*; calls are told by the callee.
};

/// Facts that all operations of one name, type and kind of callee share.
struct OperationFacts {
  const NameFacts *Name = nullptr;
  Feature Count = NumFeatures;
  Feature Category = NumFeatures;
  int Executed = -1; ///< A feature, or -1.
  unsigned Latency = 0;
  uint64_t Bytes = 0;
  uint64_t Flops = 0;
  uint64_t Lanes = 0, Bits = 0;
  bool IsMath = false, IsCall = false, IsAccess = false, IsBusy = false;
  bool IsVector = false;
};

/// Whether \p Callee is a function of libm that costs like one (`sinf`).
bool isMathFunction(llvm::StringRef Callee);

/// Feature that counts phis of a type.
Feature phiFeature(const TypeFacts &Type);

/// Facts by name and type, each computed once. Not thread-safe: one a pass.
class NameTable {
public:
  /// Facts of `llvm.add`, `llvm.intr.fma`, ...; the reference stays valid.
  const NameFacts &name(llvm::StringRef Name);

  /// \p Key is the type that tells the column, \p Result null without result.
  const OperationFacts &operation(const NameFacts &Name, const TypeFacts *Key,
                                  const TypeFacts *Result, Callee Called);

private:
  llvm::StringMap<NameFacts> Names;
  llvm::DenseMap<std::pair<const void *, std::pair<const void *, unsigned>>,
                 OperationFacts *>
      Operations;
  std::deque<OperationFacts> Storage;
};

} // namespace cost

#endif
