//===- Function.cpp - a function as the features see it -------------------===//

#include "Function.h"

using namespace cost;

void Function::clear() {
  Values.clear();
  Operations.clear();
  Blocks.clear();
  Arguments.clear();
  Operands.clear();
  Successors.clear();
  Terms.clear();
}

llvm::ArrayRef<unsigned> Function::successors(const Block &B) const {
  if (!B.NumOperations)
    return {};
  const Operation &Last = operations(B).back();
  return {Successors.data() + Last.FirstSuccessor, Last.NumSuccessors};
}

llvm::ArrayRef<unsigned> Function::forwarded(const Block &From,
                                             unsigned Position) const {
  llvm::ArrayRef<unsigned> Targets = successors(From);
  size_t After = 0;
  for (size_t I = Position; I < Targets.size(); ++I)
    After += Blocks[Targets[I]].NumArguments;
  llvm::ArrayRef<unsigned> All = operands(operations(From).back());
  if (After > All.size())
    return {};
  return All.slice(All.size() - After, Blocks[Targets[Position]].NumArguments);
}
