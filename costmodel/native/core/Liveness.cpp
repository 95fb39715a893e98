//===- Liveness.cpp - values alive at once --------------------------------===//

#include "Liveness.h"
#include <algorithm>

using namespace cost;
using llvm::SmallVector;

void Peak::raiseTo(const Peak &Other) {
  Values = std::max(Values, Other.Values);
  Vectors = std::max(Vectors, Other.Vectors);
  for (unsigned C = 0; C < NumRegisterClasses; ++C) {
    Counts[C] = std::max(Counts[C], Other.Counts[C]);
    Units[C] = std::max(Units[C], Other.Units[C]);
  }
}

namespace {
class Sweeper {
public:
  Sweeper(const Function &F, const Loops &L)
      : F(F), L(L), LiveOut(F.Blocks.size()), InStamp(F.Blocks.size(), None),
        OutStamp(F.Blocks.size(), None), IsLive(F.Values.size(), 0) {}
  Pressure run();

private:
  void mark(unsigned Value, unsigned Block);
  Peak sweep(unsigned Block);
  void add(unsigned Value);
  void remove(unsigned Value);
  void clear();

  const Function &F;
  const Loops &L;
  std::vector<SmallVector<unsigned, 8>> LiveOut;
  std::vector<unsigned> InStamp, OutStamp;
  std::vector<char> IsLive;
  SmallVector<unsigned, 64> Added;
  Peak Now, Best;
};
} // namespace

/// The value is used in \p Block, where it is not defined.
void Sweeper::mark(unsigned Value, unsigned Block) {
  SmallVector<unsigned, 16> Stack = {Block};
  unsigned Home = F.Values[Value].Block;
  while (!Stack.empty()) {
    unsigned Current = Stack.pop_back_val();
    if (InStamp[Current] == Value)
      continue;
    InStamp[Current] = Value;
    for (unsigned Source : L.Predecessors[Current]) {
      if (OutStamp[Source] != Value) {
        OutStamp[Source] = Value;
        LiveOut[Source].push_back(Value);
      }
      if (Source != Home)
        Stack.push_back(Source);
    }
  }
}

void Sweeper::add(unsigned Value) {
  if (IsLive[Value])
    return;
  IsLive[Value] = true;
  Added.push_back(Value);
  const TypeFacts &Type = *F.Values[Value].Type;
  RegisterClass R = Type.Register;
  ++Now.Values;
  Now.Vectors += Type.IsVector;
  Best.Counts[R] = std::max(Best.Counts[R], ++Now.Counts[R]);
  Now.Units[R] += Type.Units;
  Best.Units[R] = std::max(Best.Units[R], Now.Units[R]);
}

void Sweeper::remove(unsigned Value) {
  if (!IsLive[Value])
    return;
  IsLive[Value] = false;
  const TypeFacts &Type = *F.Values[Value].Type;
  --Now.Values;
  Now.Vectors -= Type.IsVector;
  --Now.Counts[Type.Register];
  Now.Units[Type.Register] -= Type.Units;
}

void Sweeper::clear() {
  for (unsigned V : Added)
    IsLive[V] = false;
  Added.clear();
  Now = Best = Peak();
}

Peak Sweeper::sweep(unsigned Block) {
  clear();
  auto Keep = [&] {
    Best.Values = std::max(Best.Values, Now.Values);
    Best.Vectors = std::max(Best.Vectors, Now.Vectors);
  };
  for (unsigned V : LiveOut[Block])
    add(V);
  Keep();
  for (const Operation &O : llvm::reverse(F.operations(F.Blocks[Block]))) {
    if (O.Result != None)
      remove(O.Result);
    for (unsigned V : F.operands(O))
      if (!F.Values[V].IsConstant)
        add(V);
    Keep();
  }
  return Best;
}

Pressure Sweeper::run() {
  // Uses outside the home block, by value, so that one stamp serves each.
  std::vector<std::pair<unsigned, unsigned>> Exposed;
  for (unsigned B = 0; B < F.Blocks.size(); ++B)
    for (const Operation &O : F.operations(F.Blocks[B]))
      for (unsigned V : F.operands(O))
        if (!F.Values[V].IsConstant && F.Values[V].Block != B)
          Exposed.push_back({V, B});
  llvm::sort(Exposed);
  Exposed.erase(std::unique(Exposed.begin(), Exposed.end()), Exposed.end());
  for (auto [V, B] : Exposed)
    mark(V, B);
  unsigned Depth = 0;
  for (unsigned Around : L.OfBlock)
    Depth = std::max(Depth, L.All[Around].Depth);
  Pressure Found;
  for (unsigned B = 0; B < F.Blocks.size(); ++B) {
    Peak Here = sweep(B);
    Found.Widest.raiseTo(Here);
    if (L.All[L.OfBlock[B]].Depth == Depth)
      Found.Deepest.raiseTo(Here);
  }
  return Found;
}

Pressure cost::pressureOf(const Function &F, const Loops &L) {
  return Sweeper(F, L).run();
}
