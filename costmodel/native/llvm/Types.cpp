//===- Types.cpp - LLVM types as the features see them --------------------===//

#include "Reader.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace cost;

/// Bits of a type that counts as a number, 0 for others.
static uint64_t numberBits(llvm::Type *T) {
  if (T->isIntegerTy())
    return T->getIntegerBitWidth();
  if (T->isPPC_FP128Ty() || !T->isFloatingPointTy())
    return 0;
  return T->getPrimitiveSizeInBits();
}

/// MLIR's word for a type, up to the first `<`.
static std::string wordOf(llvm::Type *T) {
  switch (T->getTypeID()) {
  case llvm::Type::IntegerTyID: return "i" + std::to_string(T->getIntegerBitWidth());
  case llvm::Type::HalfTyID: return "f16";
  case llvm::Type::BFloatTyID: return "bf16";
  case llvm::Type::FloatTyID: return "f32";
  case llvm::Type::DoubleTyID: return "f64";
  case llvm::Type::X86_FP80TyID: return "f80";
  case llvm::Type::FP128TyID: return "f128";
  case llvm::Type::PointerTyID:
    if (unsigned Space = T->getPointerAddressSpace())
      return "!llvm.ptr<" + std::to_string(Space) + ">";
    return "!llvm.ptr";
  case llvm::Type::VoidTyID: return "!llvm.void";
  case llvm::Type::LabelTyID: return "!llvm.label";
  case llvm::Type::TokenTyID: return "!llvm.token";
  case llvm::Type::MetadataTyID: return "!llvm.metadata";
  case llvm::Type::StructTyID: return "!llvm.struct";
  case llvm::Type::ArrayTyID: return "!llvm.array";
  default: return "!llvm";
  }
}

static TypeFacts facts(llvm::Type *T) {
  if (uint64_t Bits = numberBits(T))
    return scalarFacts(Bits, T->isFloatingPointTy(), wordOf(T));
  if (T->isPointerTy())
    return pointerFacts();
  if (auto *Vector = llvm::dyn_cast<llvm::VectorType>(T)) {
    llvm::Type *Element = Vector->getElementType();
    uint64_t Bits = numberBits(Element);
    return vectorFacts(Vector->getElementCount().getKnownMinValue(), Bits,
                       Bits && Element->isFloatingPointTy(), wordOf(Element));
  }
  bool HasNoValue = T->isVoidTy() || T->isLabelTy() || T->isTokenTy() || T->isMetadataTy();
  return otherFacts(!HasNoValue, wordOf(T));
}

const TypeFacts *LlvmReader::typeOf(llvm::Type *T) {
  const TypeFacts *&Found = Types[T];
  if (!Found) {
    Storage.push_back(facts(T));
    Found = &Storage.back();
  }
  return Found;
}

static std::optional<int64_t> structBytes(llvm::StructType *T) {
  int64_t Offset = 0, Widest = 1;
  for (llvm::Type *Field : T->elements()) {
    auto Size = strideOf(Field);
    if (!Size)
      return std::nullopt;
    int64_t Align = T->isPacked() || !*Size ? 1 : std::min<int64_t>(8, *Size & -*Size);
    Offset = llvm::alignTo(Offset, Align) + *Size;
    Widest = std::max(Widest, Align);
  }
  return llvm::alignTo(Offset, Widest);
}

std::optional<int64_t> cost::strideOf(llvm::Type *T) {
  if (auto *Array = llvm::dyn_cast<llvm::ArrayType>(T)) {
    auto Size = strideOf(Array->getElementType());
    int64_t Total;
    if (!Size || __builtin_mul_overflow(*Size, int64_t(Array->getNumElements()), &Total))
      return std::nullopt;
    return Total;
  }
  if (auto *Struct = llvm::dyn_cast<llvm::StructType>(T))
    return Struct->isLiteral() ? structBytes(Struct) : std::nullopt;
  TypeFacts Facts = facts(T);
  bool IsKnown = Facts.Bits || Facts.Class == Width::Ptr;
  return IsKnown ? std::optional<int64_t>(llvm::PowerOf2Ceil(Facts.Bytes)) : std::nullopt;
}

/// A member of a named struct has a type that the text does not tell.
const TypeFacts *LlvmReader::memberType(const llvm::ExtractValueInst &I) {
  llvm::Type *T = I.getAggregateOperand()->getType();
  for (unsigned Index : I.indices()) {
    auto *Struct = llvm::dyn_cast<llvm::StructType>(T);
    if (Struct && !Struct->isLiteral())
      return OtherType;
    T = llvm::GetElementPtrInst::getTypeAtIndex(T, uint64_t(Index));
  }
  return typeOf(T);
}

const TypeFacts *LlvmReader::resultType(const llvm::Instruction &I) {
  if (I.getType()->isVoidTy())
    return nullptr;
  if (auto *Extract = llvm::dyn_cast<llvm::ExtractValueInst>(&I))
    return memberType(*Extract);
  return typeOf(I.getType());
}
