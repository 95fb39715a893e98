//===- Reader.cpp - llvm.func to cost::Function ---------------------------===//

#include "Reader.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace cost;
namespace ll = mlir::LLVM;

const NameFacts &MlirReader::nameOf(mlir::OperationName Name) {
  const NameFacts *&Found = ByName[Name.getAsOpaquePointer()];
  if (!Found)
    Found = &Names.name(Name.getStringRef());
  return *Found;
}

//===- Values -------------------------------------------------------------===//

/// Whether an attribute holds a number equal to 0 (of either sign).
static bool isZero(mlir::Attribute A) {
  if (auto Integer = mlir::dyn_cast<mlir::IntegerAttr>(A))
    return Integer.getValue().isZero() && !Integer.getType().isInteger(1);
  if (auto Number = mlir::dyn_cast<mlir::FloatAttr>(A))
    return Number.getValue().isZero();
  auto Dense = mlir::dyn_cast<mlir::DenseElementsAttr>(A);
  return Dense && Dense.isSplat() && isZero(Dense.getSplatValue<mlir::Attribute>());
}

static std::optional<int64_t> integerOf(mlir::Attribute A) {
  auto Integer = mlir::dyn_cast_or_null<mlir::IntegerAttr>(A);
  if (!Integer || Integer.getType().isInteger(1))
    return std::nullopt;
  return Integer.getValue().trySExtValue();
}

static ConstantKind kindOf(mlir::Attribute Held, const TypeFacts &Type) {
  if (Type.Class == Width::Vec || Type.Class == Width::Other)
    return isZero(Held) ? ConstantKind::Free : ConstantKind::Vector;
  if (Type.IsFloat) {
    auto Number = mlir::dyn_cast<mlir::FloatAttr>(Held);
    bool IsFree = Number && Number.getValue().isPosZero();
    return IsFree ? ConstantKind::Free : ConstantKind::Float;
  }
  auto Integer = mlir::dyn_cast<mlir::IntegerAttr>(Held);
  if (Integer && !Integer.getType().isInteger(1))
    return Integer.getValue().isSignedIntN(12) ? ConstantKind::Free : ConstantKind::Integer;
  return Type.Class == Width::Ptr ? ConstantKind::Address : ConstantKind::Free;
}

void MlirReader::describeConstant(mlir::Operation &O, Value &V) {
  V.IsConstant = true;
  llvm::StringRef Name = O.getName().getStringRef();
  if (Name == "llvm.mlir.zero")
    V.Integer = 0;
  mlir::Attribute Held = O.getAttr("value");
  if (!Held)
    Held = O.getAttr("global_name");
  if (!Held)
    return;
  V.Integer = integerOf(Held);
  V.Kind = Name == "llvm.mlir.addressof" ? ConstantKind::Address : kindOf(Held, *V.Type);
  V.Identity = Held.getAsOpaquePointer();
  V.IdentityType = O.getResult(0).getType().getAsOpaquePointer();
}

void MlirReader::define(mlir::Value V, unsigned Block, unsigned Index) {
  Value Defined;
  Defined.Type = typeOf(V.getType());
  Defined.Block = Block;
  Defined.Index = Index;
  Values[V] = Made.Values.size();
  Made.Values.push_back(Defined);
}

/// Blocks, arguments and results get their numbers before any use is read.
void MlirReader::defineValues(mlir::Region &Body) {
  unsigned Index = 0;
  for (mlir::Block &B : Body) {
    Blocks[&B] = Index;
    Block Here;
    Here.FirstArgument = Made.Arguments.size();
    Here.NumArguments = B.getNumArguments();
    for (mlir::BlockArgument A : B.getArguments()) {
      define(A, Index, A.getArgNumber());
      Made.Arguments.push_back(Made.Values.size() - 1);
    }
    for (mlir::Operation &O : B)
      for (mlir::Value Result : O.getResults()) {
        define(Result, Index, 0);
        if (nameOf(O.getName()).IsConstant)
          describeConstant(O, Made.Values.back());
      }
    Made.Blocks.push_back(Here);
    ++Index;
  }
}

//===- Operations ---------------------------------------------------------===//

/// The type that an index steps into; null where the text does not tell.
static mlir::Type memberOf(mlir::Type T, int32_t Index) {
  if (auto Array = mlir::dyn_cast_or_null<ll::LLVMArrayType>(T))
    return Array.getElementType();
  if (auto Struct = mlir::dyn_cast_or_null<ll::LLVMStructType>(T))
    return Index >= 0 && size_t(Index) < Struct.getBody().size() ? Struct.getBody()[Index]
                                                                  : mlir::Type();
  auto Vector = mlir::dyn_cast_or_null<mlir::VectorType>(T);
  return Vector ? Vector.getElementType() : mlir::Type();
}

void MlirReader::readAddress(ll::GEPOp Address, Operation &O) {
  O.FirstTerm = Made.Terms.size();
  mlir::Type T = Address.getElemType();
  llvm::ArrayRef<int32_t> Indices = Address.getRawConstantIndices();
  auto Size = strideOf(T);
  if (Indices.size() == 1 && Size)
    O.ConstantOffset = int64_t(Indices[0]) * *Size;
  auto Dynamic = Address.getDynamicIndices().begin();
  for (size_t Place = 0; Place < Indices.size(); ++Place) {
    if (Place)
      T = memberOf(T, Indices[Place]);
    if (Indices[Place] == ll::GEPOp::kDynamicIndex)
      Made.Terms.push_back({Values.lookup(*Dynamic++), T ? strideOf(T) : std::nullopt});
  }
  O.NumTerms = Made.Terms.size() - O.FirstTerm;
}

Callee MlirReader::calleeOf(mlir::Operation &O, const NameFacts &Name) {
  if (!Name.IsCall)
    return Callee::None;
  auto Symbol = O.getAttrOfType<mlir::SymbolRefAttr>("callee");
  if (!Symbol)
    return Callee::Indirect;
  return isMathFunction(Symbol.getRootReference().getValue()) ? Callee::Math : Callee::Direct;
}

static uint64_t allocaBytes(ll::AllocaOp O, std::optional<int64_t> Count) {
  auto Size = strideOf(O.getElemType());
  return Count && Size ? *Count * *Size : 0;
}

void MlirReader::readOperation(mlir::Operation &Read) {
  Made.Operations.emplace_back();
  Operation &O = Made.Operations.back();
  O.FirstOperand = Made.Operands.size();
  O.NumOperands = Read.getNumOperands();
  for (mlir::Value V : Read.getOperands())
    Made.Operands.push_back(Values.lookup(V));
  O.FirstSuccessor = Made.Successors.size();
  O.NumSuccessors = Read.getNumSuccessors();
  for (mlir::Block *Successor : Read.getSuccessors())
    Made.Successors.push_back(Blocks.lookup(Successor));
  if (Read.getNumResults()) {
    O.Result = Values.lookup(Read.getResult(0));
    Made.Values[O.Result].Owner = Made.Operations.size() - 1;
  }
  if (auto Address = mlir::dyn_cast<ll::GEPOp>(Read))
    readAddress(Address, O);
  if (auto Compare = mlir::dyn_cast<ll::ICmpOp>(Read))
    O.Predicate = int(Compare.getPredicate());
  if (auto Alloca = mlir::dyn_cast<ll::AllocaOp>(Read))
    O.AllocaBytes = allocaBytes(Alloca, Made.Values[Values.lookup(Alloca.getArraySize())].Integer);
  const NameFacts &Name = nameOf(Read.getName());
  const TypeFacts *Result = O.Result == None ? nullptr : Made.Values[O.Result].Type, *Key = Result;
  if (!Result || Name.IsCompare)
    Key = O.NumOperands ? Made.Values[Made.Operands[O.FirstOperand]].Type : nullptr;
  O.Facts = &Names.operation(Name, Key, Result, calleeOf(Read, Name));
}

const Function *MlirReader::read(ll::LLVMFuncOp F) {
  Made.clear();
  Values.clear();
  Blocks.clear();
  for (mlir::Block &B : F.getBody())
    for (mlir::Operation &O : B)
      if (O.getNumRegions() || O.getNumResults() > 1 ||
          O.getName().getDialectNamespace() != "llvm")
        return nullptr;
  defineValues(F.getBody());
  unsigned Index = 0;
  for (mlir::Block &B : F.getBody()) {
    Made.Blocks[Index].FirstOperation = Made.Operations.size();
    for (mlir::Operation &O : B)
      readOperation(O);
    Made.Blocks[Index].NumOperations = Made.Operations.size() - Made.Blocks[Index].FirstOperation;
    ++Index;
  }
  return &Made;
}
