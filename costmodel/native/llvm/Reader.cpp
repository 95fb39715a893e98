//===- Reader.cpp - llvm::Function to cost::Function -----------------===//

#include "Reader.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Operator.h"

using namespace cost;
using llvm::StringRef;
using llvm::cast;
using llvm::dyn_cast;
using llvm::isa;

LlvmReader::LlvmReader() {
  Storage.push_back(otherFacts(true, "!llvm"));
  OtherType = &Storage.back();
  Br = &Names.name("llvm.br");
  CondBr = &Names.name("llvm.cond_br");
  Ret = &Names.name("llvm.return");
  Asm = &Names.name("llvm.inline_asm");
}

//===- Names --------------------------------------------------------------===//

static bool isDecimal(char C) { return llvm::isDigit(C); }

static bool areDigits(StringRef Text) {
  return !Text.empty() && llvm::all_of(Text, isDecimal);
}

/// `i32`, `p0`, `v4f32`, `nxv4i32`, ...: one type in an intrinsic's name.
static bool isTypeSuffix(StringRef Part) {
  if (Part == "bf16" || Part == "isVoid")
    return true;
  if (Part.starts_with("p") && areDigits(Part.drop_front()))
    return true;
  StringRef Rest = Part;
  bool IsScalable = Rest.consume_front("nxv");
  if (IsScalable || Rest.consume_front("v")) {
    size_t Digits = Rest.find_first_not_of("0123456789");
    if (Digits != 0 && Digits != StringRef::npos &&
        llvm::all_of(Rest.drop_front(Digits),
                     [](char C) { return llvm::isAlnum(C) || C == '_'; }))
      return true;
  }
  Rest = Part;
  if (Rest.starts_with("v") || Rest.starts_with("p"))
    Rest = Rest.drop_front();
  Rest = Rest.drop_while(isDecimal);
  return (Rest.consume_front("i") || Rest.consume_front("f")) && areDigits(Rest);
}

/// `llvm.fma.v4f32` to `llvm.intr.fma`.
const NameFacts &LlvmReader::intrinsicName(const llvm::Function &Called) {
  const NameFacts *&Found = Intrinsics[&Called];
  if (Found)
    return *Found;
  StringRef Name = Called.getName().drop_front(5);
  while (true) {
    auto [Front, Last] = Name.rsplit('.');
    if (Front.size() == Name.size() || !isTypeSuffix(Last))
      break;
    Name = Front;
  }
  Found = &Names.name(("llvm.intr." + Name).str());
  return *Found;
}

const NameFacts &LlvmReader::callName(const llvm::CallBase &Call) {
  if (Call.isInlineAsm())
    return *Asm;
  if (auto *Called = dyn_cast<llvm::Function>(Call.getCalledOperand()))
    if (Called->getName().starts_with("llvm."))
      return intrinsicName(*Called);
  unsigned Opcode = Call.getOpcode();
  return Names.name(Opcode == llvm::Instruction::Call     ? "llvm.call"
                    : Opcode == llvm::Instruction::Invoke ? "llvm.invoke"
                                                          : "llvm.callbr");
}

const NameFacts &LlvmReader::nameOf(const llvm::Instruction &I) {
  if (auto *Call = dyn_cast<llvm::CallBase>(&I))
    return callName(*Call);
  if (auto *Branch = dyn_cast<llvm::BranchInst>(&I))
    return Branch->isConditional() ? *CondBr : *Br;
  if (isa<llvm::ReturnInst>(I))
    return *Ret;
  unsigned Opcode = I.getOpcode();
  if (ByOpcode.size() <= Opcode)
    ByOpcode.resize(Opcode + 1);
  if (!ByOpcode[Opcode])
    ByOpcode[Opcode] = &Names.name((llvm::Twine("llvm.") + I.getOpcodeName()).str());
  return *ByOpcode[Opcode];
}

const OperationFacts &LlvmReader::factsOf(const llvm::Instruction &I, const NameFacts &Name,
                                          const TypeFacts *Result) {
  Callee Called = Callee::None;
  if (auto *Call = dyn_cast<llvm::CallBase>(&I); Call && Name.IsCall) {
    auto *Symbol = dyn_cast<llvm::GlobalValue>(Call->getCalledOperand());
    auto [Known, IsNew] = Callees.try_emplace(Symbol, Callee::Indirect);
    if (IsNew && Symbol)
      Known->second = isMathFunction(Symbol->getName()) ? Callee::Math : Callee::Direct;
    Called = Known->second;
  }
  const Operation &O = Made.Operations.back();
  const TypeFacts *Key = Result;
  if (!Result || Name.IsCompare)
    Key = O.NumOperands ? Made.Values[Made.Operands[O.FirstOperand]].Type : nullptr;
  return Names.operation(Name, Key, Result, Called);
}

//===- Values -------------------------------------------------------------===//

static ConstantKind kindOfVector(const llvm::Constant *C) {
  const llvm::Constant *Splat = C->getType()->isVectorTy() ? C->getSplatValue() : nullptr;
  auto *Number = llvm::dyn_cast_or_null<llvm::ConstantFP>(Splat);
  return Number && Number->isZero() ? ConstantKind::Free : ConstantKind::Vector;
}

static ConstantKind kindOf(const llvm::Constant *C) {
  if (isa<llvm::UndefValue>(C) || isa<llvm::ConstantAggregateZero>(C) ||
      isa<llvm::ConstantPointerNull>(C) || isa<llvm::ConstantTokenNone>(C) ||
      isa<llvm::ConstantTargetNone>(C))
    return ConstantKind::Free;
  if (isa<llvm::GlobalValue>(C) || C->getType()->isPointerTy())
    return ConstantKind::Address;
  llvm::Type *T = C->getType();
  if (auto *Number = dyn_cast<llvm::ConstantInt>(C); Number && T->isIntegerTy())
    return Number->getValue().isSignedIntN(12) || T->isIntegerTy(1) ? ConstantKind::Free
                                                                    : ConstantKind::Integer;
  if (T->isFloatingPointTy() && !T->isPPC_FP128Ty()) {
    bool IsPlain = T->isHalfTy() || T->isBFloatTy() || T->isFloatTy() || T->isDoubleTy();
    auto *Number = dyn_cast<llvm::ConstantFP>(C);
    bool IsFree = Number && IsPlain && Number->isZero() && !Number->isNegative();
    return IsFree ? ConstantKind::Free : ConstantKind::Float;
  }
  return T->isIntegerTy() ? ConstantKind::Free : kindOfVector(C);
}

unsigned LlvmReader::constantOf(const llvm::Constant *C) {
  Value Made;
  Made.Type = typeOf(C->getType());
  Made.IsConstant = true;
  Made.Kind = kindOf(C);
  Made.Identity = C;
  Made.IdentityType = C->getType();
  if (auto *Number = dyn_cast<llvm::ConstantInt>(C);
      Number && Number->getType()->isIntegerTy() && Number->getBitWidth() > 1)
    Made.Integer = Number->getValue().trySExtValue();
  else if (isa<llvm::ConstantAggregateZero>(C) || isa<llvm::ConstantPointerNull>(C))
    Made.Integer = 0;
  this->Made.Values.push_back(Made);
  return this->Made.Values.size() - 1;
}

unsigned LlvmReader::valueOf(const llvm::Value *V) {
  auto [Entry, IsNew] = Values.try_emplace(V, None);
  if (!IsNew)
    return Entry->second;
  if (auto *C = dyn_cast<llvm::Constant>(V))
    return Entry->second = constantOf(C);
  // Inline assembly and metadata are no operands of ours; anything else that
  // has no definition here counts as a constant without a kind.
  Value Unknown;
  Unknown.Type = typeOf(V->getType());
  Unknown.IsConstant = true;
  Made.Values.push_back(Unknown);
  return Entry->second = Made.Values.size() - 1;
}

/// Blocks, arguments and results get their numbers before any use is read.
void LlvmReader::defineValues(const llvm::Function &F) {
  auto Define = [&](const llvm::Value &V, const TypeFacts *Type, unsigned Block) {
    Value Defined;
    Defined.Type = Type;
    Defined.Block = Block;
    Values[&V] = Made.Values.size();
    Made.Values.push_back(Defined);
  };
  auto AddArgument = [&](const llvm::Value &V, unsigned Block, unsigned Index) {
    Define(V, typeOf(V.getType()), Block);
    Made.Values.back().Index = Index;
    Made.Arguments.push_back(Made.Values.size() - 1);
  };
  unsigned Index = 0;
  for (const llvm::BasicBlock &B : F) {
    Blocks[&B] = Index;
    Block Here;
    Here.FirstArgument = Made.Arguments.size();
    unsigned Position = 0;
    if (Index == 0)
      for (const llvm::Argument &A : F.args())
        AddArgument(A, Index, Position++);
    for (const llvm::Instruction &I : B)
      if (isa<llvm::PHINode>(I))
        AddArgument(I, Index, Position++);
      else if (const TypeFacts *Type = resultType(I))
        Define(I, Type, Index);
    Here.NumArguments = Position;
    Made.Blocks.push_back(Here);
    ++Index;
  }
}

//===- Instructions -------------------------------------------------------===//

static bool isDebug(const llvm::Instruction &I) {
  return isa<llvm::DbgInfoIntrinsic>(I) || isa<llvm::PseudoProbeInst>(I);
}

void LlvmReader::readAddress(const llvm::GetElementPtrInst &I, Operation &O) {
  O.FirstTerm = Made.Terms.size();
  llvm::Type *T = I.getSourceElementType();
  auto Size = strideOf(T);
  if (auto *Only = I.getNumIndices() == 1 ? dyn_cast<llvm::ConstantInt>(*I.idx_begin()) : nullptr;
      Only && Size && !Only->getType()->isVectorTy()) {
    int64_t Offset;
    auto Number = Only->getValue().trySExtValue();
    if (Number && !__builtin_mul_overflow(*Number, *Size, &Offset))
      O.ConstantOffset = Offset;
  }
  bool IsFirst = true;
  for (const llvm::Use &Index : I.indices()) {
    auto *Number = dyn_cast<llvm::ConstantInt>(Index);
    bool IsConstant = Number && !Number->getType()->isVectorTy() && Number->getBitWidth() > 1;
    if (!IsFirst && T) {
      auto *Struct = dyn_cast<llvm::StructType>(T);
      bool IsMember = Struct && Struct->isLiteral() && IsConstant;
      T = Struct ? (IsMember ? Struct->getTypeAtIndex(Number->getZExtValue()) : nullptr)
                 : llvm::GetElementPtrInst::getTypeAtIndex(T, uint64_t(0));
    }
    IsFirst = false;
    if (IsConstant)
      continue;
    addOperand(Index);
    Made.Terms.push_back({Made.Operands.back(), T ? strideOf(T) : std::nullopt});
  }
  O.NumTerms = Made.Terms.size() - O.FirstTerm;
}

static int predicateOf(llvm::CmpInst::Predicate P) {
  switch (P) {
  case llvm::CmpInst::ICMP_EQ: return 0;
  case llvm::CmpInst::ICMP_NE: return 1;
  case llvm::CmpInst::ICMP_SLT: return 2;
  case llvm::CmpInst::ICMP_SLE: return 3;
  case llvm::CmpInst::ICMP_SGT: return 4;
  case llvm::CmpInst::ICMP_SGE: return 5;
  case llvm::CmpInst::ICMP_ULT: return 6;
  case llvm::CmpInst::ICMP_ULE: return 7;
  case llvm::CmpInst::ICMP_UGT: return 8;
  case llvm::CmpInst::ICMP_UGE: return 9;
  default: return -1;
  }
}

/// Operands that stand in the text of an instruction, in its order.
void LlvmReader::readOperands(const llvm::Instruction &I) {
  if (auto *Call = dyn_cast<llvm::CallBase>(&I)) {
    if (!Call->isInlineAsm() && !isa<llvm::GlobalValue>(Call->getCalledOperand()))
      addOperand(Call->getCalledOperand());
    for (const llvm::Use &Argument : Call->args())
      if (!Argument->getType()->isMetadataTy())
        addOperand(Argument);
    return;
  }
  if (auto *Branch = dyn_cast<llvm::BranchInst>(&I)) {
    if (Branch->isConditional())
      addOperand(Branch->getCondition());
    return;
  }
  if (isa<llvm::SwitchInst>(I) || isa<llvm::IndirectBrInst>(I) ||
      isa<llvm::GetElementPtrInst>(I)) {
    addOperand(I.getOperand(0));
    return;
  }
  if (isa<llvm::LandingPadInst>(I))
    return;
  for (const llvm::Use &Operand : I.operands())
    if (!isa<llvm::BasicBlock>(Operand) && !Operand->getType()->isMetadataTy())
      addOperand(Operand);
}

void LlvmReader::readInstruction(const llvm::Instruction &I) {
  Made.Operations.emplace_back();
  Operation &O = Made.Operations.back();
  O.FirstOperand = Made.Operands.size();
  readOperands(I);
  if (auto *Address = dyn_cast<llvm::GetElementPtrInst>(&I))
    readAddress(*Address, O);
  const TypeFacts *Result = resultType(I);
  if (Result) {
    O.Result = Values.lookup(&I);
    Made.Values[O.Result].Owner = Made.Operations.size() - 1;
  }
  O.FirstSuccessor = Made.Successors.size();
  if (I.isTerminator())
    for (unsigned S = 0, N = I.getNumSuccessors(); S < N; ++S)
      Made.Successors.push_back(Blocks.lookup(I.getSuccessor(S)));
  O.NumSuccessors = Made.Successors.size() - O.FirstSuccessor;
  if (O.NumSuccessors)
    readForwarded(*I.getParent());
  O.NumOperands = Made.Operands.size() - O.FirstOperand;
  if (auto *Compare = dyn_cast<llvm::ICmpInst>(&I))
    O.Predicate = predicateOf(Compare->getPredicate());
  if (auto *Alloca = dyn_cast<llvm::AllocaInst>(&I)) {
    auto *Count = dyn_cast<llvm::ConstantInt>(Alloca->getArraySize());
    auto Size = strideOf(Alloca->getAllocatedType());
    O.AllocaBytes = Count && Size ? Count->getZExtValue() * *Size : 0;
  }
  O.Facts = &factsOf(I, nameOf(I), Result);
}

/// What phis of the successors take from a block, in the successors' order.
void LlvmReader::readForwarded(const llvm::BasicBlock &From) {
  const llvm::Instruction *Last = From.getTerminator();
  for (unsigned S = 0, N = Last->getNumSuccessors(); S < N; ++S)
    for (const llvm::PHINode &Phi : Last->getSuccessor(S)->phis())
      addOperand(Phi.getIncomingValueForBlock(&From));
}

void LlvmReader::readBlock(const llvm::BasicBlock &B, unsigned Index) {
  unsigned First = Made.Operations.size();
  for (const llvm::Instruction &I : B)
    if (!isa<llvm::PHINode>(I) && !isDebug(I))
      readInstruction(I);
  Made.Blocks[Index].FirstOperation = First;
  Made.Blocks[Index].NumOperations = Made.Operations.size() - First;
}

const Function &LlvmReader::read(const llvm::Function &F) {
  Made.clear();
  Values.clear();
  Blocks.clear();
  defineValues(F);
  unsigned Index = 0;
  for (const llvm::BasicBlock &B : F)
    readBlock(B, Index++);
  return Made;
}
