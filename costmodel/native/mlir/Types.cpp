//===- Types.cpp - MLIR types as the features see them --------------------===//

#include "Reader.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace cost;
namespace ll = mlir::LLVM;

static std::string textOf(mlir::Type T) {
  std::string Text;
  llvm::raw_string_ostream(Text) << T;
  return Text;
}

/// Bits of a type that counts as a number, 0 for others.
static uint64_t numberBits(mlir::Type T) {
  if (mlir::isa<mlir::IndexType>(T))
    return 64;
  return T.isIntOrFloat() ? T.getIntOrFloatBitWidth() : 0;
}

static TypeFacts vectorOf(mlir::VectorType T) {
  uint64_t Bits = numberBits(T.getElementType());
  bool IsFloat = Bits && mlir::isa<mlir::FloatType>(T.getElementType());
  TypeFacts Facts = vectorFacts(T.getNumElements(), Bits, IsFloat, "");
  Facts.Label = "vector";
  for (int64_t Size : T.getShape())
    Facts.Label += (Facts.Label.size() > 6 ? "x" : "") + std::to_string(Size);
  Facts.Label += "x" + textOf(T.getElementType()).substr(0, 16);
  return Facts;
}

static TypeFacts facts(mlir::Type T) {
  if (uint64_t Bits = numberBits(T))
    return scalarFacts(Bits, mlir::isa<mlir::FloatType>(T), textOf(T));
  if (mlir::isa<ll::LLVMPointerType>(T))
    return pointerFacts();
  if (auto Vector = mlir::dyn_cast<mlir::VectorType>(T))
    return vectorOf(Vector);
  bool HasNoValue = mlir::isa<ll::LLVMVoidType, ll::LLVMLabelType, ll::LLVMTokenType,
                              ll::LLVMMetadataType, mlir::NoneType>(T);
  std::string Text = textOf(T);
  return otherFacts(!HasNoValue, llvm::StringRef(Text).split('<').first.trim().take_front(24).str());
}

const TypeFacts *MlirReader::typeOf(mlir::Type T) {
  const TypeFacts *&Found = Types[T];
  if (!Found) {
    Storage.push_back(facts(T));
    Found = &Storage.back();
  }
  return Found;
}

static std::optional<int64_t> structBytes(ll::LLVMStructType T) {
  int64_t Offset = 0, Widest = 1;
  for (mlir::Type Field : T.getBody()) {
    auto Size = strideOf(Field);
    if (!Size)
      return std::nullopt;
    int64_t Align = T.isPacked() || !*Size ? 1 : std::min<int64_t>(8, *Size & -*Size);
    Offset = llvm::alignTo(Offset, Align) + *Size;
    Widest = std::max(Widest, Align);
  }
  return llvm::alignTo(Offset, Widest);
}

std::optional<int64_t> cost::strideOf(mlir::Type T) {
  if (auto Array = mlir::dyn_cast<ll::LLVMArrayType>(T)) {
    auto Size = strideOf(Array.getElementType());
    int64_t Total;
    if (!Size || __builtin_mul_overflow(*Size, int64_t(Array.getNumElements()), &Total))
      return std::nullopt;
    return Total;
  }
  if (auto Struct = mlir::dyn_cast<ll::LLVMStructType>(T))
    return Struct.isIdentified() ? std::nullopt : structBytes(Struct);
  TypeFacts Facts = facts(T);
  bool IsKnown = Facts.Bits || Facts.Class == Width::Ptr;
  return IsKnown ? std::optional<int64_t>(llvm::PowerOf2Ceil(Facts.Bytes)) : std::nullopt;
}
