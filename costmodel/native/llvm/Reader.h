//===- Reader.h - llvm::Function to cost::Function ---------*- C++ -*-===//
//
// Invariant: the result is what Python's reader makes of the function's text
// (ir/llvm): same operations, names, operands, constants, block arguments.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_LLVM_READER_H
#define COSTMODEL_LLVM_READER_H

#include "../core/Function.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/Instructions.h"

namespace cost {

/// Reads functions one after another; tables of types and names are kept, so
/// a reader must not outlive the LLVMContext. Not thread-safe.
class LlvmReader {
public:
  LlvmReader();

  /// The result is overwritten by the next call.
  const Function &read(const llvm::Function &F);

private:
  const TypeFacts *typeOf(llvm::Type *T);
  const TypeFacts *memberType(const llvm::ExtractValueInst &I);
  const TypeFacts *resultType(const llvm::Instruction &I);
  const NameFacts &nameOf(const llvm::Instruction &I);
  const NameFacts &intrinsicName(const llvm::Function &Called);
  const NameFacts &callName(const llvm::CallBase &Call);
  const OperationFacts &factsOf(const llvm::Instruction &I, const NameFacts &Name,
                                const TypeFacts *Result);
  void defineValues(const llvm::Function &F);
  void readBlock(const llvm::BasicBlock &B, unsigned Index);
  void readInstruction(const llvm::Instruction &I);
  void readOperands(const llvm::Instruction &I);
  void readAddress(const llvm::GetElementPtrInst &I, Operation &O);
  void readForwarded(const llvm::BasicBlock &From);
  unsigned valueOf(const llvm::Value *V);
  unsigned constantOf(const llvm::Constant *C);
  void addOperand(const llvm::Value *V) { Made.Operands.push_back(valueOf(V)); }

  Function Made;
  NameTable Names;
  llvm::DenseMap<llvm::Type *, const TypeFacts *> Types;
  llvm::DenseMap<const llvm::Function *, const NameFacts *> Intrinsics;
  llvm::DenseMap<const llvm::Value *, Callee> Callees;
  llvm::DenseMap<const llvm::Value *, unsigned> Values;
  llvm::DenseMap<const llvm::BasicBlock *, unsigned> Blocks;
  std::vector<const NameFacts *> ByOpcode;
  const NameFacts *Br, *CondBr, *Ret, *Asm;
  std::deque<TypeFacts> Storage;
  const TypeFacts *OtherType = nullptr;
};

/// Bytes from one element to the next, natural alignment; none for a named
/// struct, for which the text of an instruction does not tell.
std::optional<int64_t> strideOf(llvm::Type *T);

} // namespace cost

#endif
