//===- Function.h - a function as the features see it -----------*- C++ -*-===//
//
// Flat arrays that a front end fills (llvm/Reader.cpp, mlir/Reader.cpp). The
// form is that of Python's readers: a phi is an argument of its block, what a
// terminator forwards are its last operands, in the order of its successors.
// Invariant: blocks are in the order of the text, the first is the entry.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_FUNCTION_H
#define COSTMODEL_CORE_FUNCTION_H

#include "Names.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>
#include <vector>

namespace cost {

constexpr unsigned None = ~0u;

enum class ConstantKind : uint8_t { Free, Integer, Float, Vector, Address };

struct Value {
  const TypeFacts *Type = nullptr;
  unsigned Block = None; ///< Where it is defined; None for constants.
  unsigned Owner = None; ///< Its operation; None for arguments.
  unsigned Index = 0;    ///< Of a block argument.
  bool IsConstant = false;
  ConstantKind Kind = ConstantKind::Free;
  const void *Identity = nullptr; ///< Equal for equal constants of one type.
  const void *IdentityType = nullptr;
  std::optional<int64_t> Integer;
};

/// One index of an address computation that is no constant.
struct AddressTerm {
  unsigned Operand;               ///< A value.
  std::optional<int64_t> Stride;  ///< Bytes; none where not known.
};

struct Operation {
  const OperationFacts *Facts = nullptr;
  unsigned FirstOperand = 0, NumOperands = 0;
  unsigned FirstSuccessor = 0, NumSuccessors = 0;
  unsigned Result = None;
  unsigned FirstTerm = 0, NumTerms = 0;
  int Predicate = -1;                        ///< Of `llvm.icmp`, MLIR's number.
  std::optional<int64_t> ConstantOffset;     ///< Bytes, of a constant address step.
  uint64_t AllocaBytes = 0;
};

struct Block {
  unsigned FirstArgument = 0, NumArguments = 0;
  unsigned FirstOperation = 0, NumOperations = 0;
};

/// Storage is kept between functions: `clear` and fill anew.
struct Function {
  std::vector<Value> Values;
  std::vector<Operation> Operations;
  std::vector<Block> Blocks;
  std::vector<unsigned> Arguments;  ///< Values; blocks hold ranges.
  std::vector<unsigned> Operands;   ///< Values; operations hold ranges.
  std::vector<unsigned> Successors; ///< Blocks; operations hold ranges.
  std::vector<AddressTerm> Terms;

  void clear();
  llvm::ArrayRef<unsigned> arguments(const Block &B) const {
    return {Arguments.data() + B.FirstArgument, B.NumArguments};
  }
  llvm::ArrayRef<Operation> operations(const Block &B) const {
    return {Operations.data() + B.FirstOperation, B.NumOperations};
  }
  llvm::ArrayRef<unsigned> operands(const Operation &O) const {
    return {Operands.data() + O.FirstOperand, O.NumOperands};
  }
  llvm::ArrayRef<AddressTerm> terms(const Operation &O) const {
    return {Terms.data() + O.FirstTerm, O.NumTerms};
  }
  /// Successors of a block's last operation.
  llvm::ArrayRef<unsigned> successors(const Block &B) const;
  /// What the terminator of \p From passes to the arguments of its
  /// \p Position th successor.
  llvm::ArrayRef<unsigned> forwarded(const Block &From, unsigned Position) const;
  /// The operation that defines a value, null for arguments.
  const Operation *owner(unsigned Value) const {
    unsigned Owner = Values[Value].Owner;
    return Owner == None ? nullptr : &Operations[Owner];
  }
};

} // namespace cost

#endif
