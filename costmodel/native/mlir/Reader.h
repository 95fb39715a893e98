//===- Reader.h - llvm.func to cost::Function -------------------*- C++ -*-===//
//
// Invariant: the result is what Python's reader makes of the function's generic
// form (ir/mlir). Functions of the LLVM dialect alone: operations with regions
// are refused.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_MLIR_READER_H
#define COSTMODEL_MLIR_READER_H

#include "../core/Function.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace cost {

/// Reads functions one after another; must not outlive the MLIRContext. Not
/// thread-safe.
class MlirReader {
public:
  /// Null where an operation is not of the LLVM dialect or holds a region; the
  /// result is overwritten by the next call.
  const Function *read(mlir::LLVM::LLVMFuncOp F);

private:
  const TypeFacts *typeOf(mlir::Type T);
  const NameFacts &nameOf(mlir::OperationName Name);
  void defineValues(mlir::Region &Body);
  void define(mlir::Value V, unsigned Block, unsigned Index);
  void describeConstant(mlir::Operation &O, Value &V);
  void readOperation(mlir::Operation &O);
  void readAddress(mlir::LLVM::GEPOp Address, Operation &O);
  Callee calleeOf(mlir::Operation &O, const NameFacts &Name);

  Function Made;
  NameTable Names;
  llvm::DenseMap<mlir::Type, const TypeFacts *> Types;
  llvm::DenseMap<const void *, const NameFacts *> ByName;
  llvm::DenseMap<mlir::Value, unsigned> Values;
  llvm::DenseMap<mlir::Block *, unsigned> Blocks;
  std::deque<TypeFacts> Storage;
};

/// Bytes from one element to the next, natural alignment; none for a named
/// struct.
std::optional<int64_t> strideOf(mlir::Type T);

} // namespace cost

#endif
