//===- Strides.cpp - how addresses move with loops ------------------------===//

#include "Strides.h"
#include <algorithm>
#include <cstdlib>
#include <memory>

using namespace cost;
using llvm::ArrayRef;
using llvm::SmallVector;

/// Longer chains of computations are unknown.
static constexpr unsigned MaxChain = 48;

namespace {
/// Bytes (or units) an iteration of each loop moves by; 0 for a loop absent.
struct Strides {
  SmallVector<std::pair<unsigned, Stride>, 4> Entries;

  void set(unsigned Loop, Stride S) {
    for (auto &Entry : Entries)
      if (Entry.first == Loop) {
        Entry.second = S;
        return;
      }
    Entries.push_back({Loop, S});
  }
  Stride get(unsigned Loop) const {
    for (const auto &Entry : Entries)
      if (Entry.first == Loop)
        return Entry.second;
    return 0;
  }
};

class Analysis {
public:
  Analysis(const Function &F, const Loops &L) : F(F), L(L), Known(F.Values.size(), None) {}
  std::vector<Access> run();

private:
  unsigned pointerOf(const Operation &O) const;
  unsigned root(unsigned Value) const;
  void add(const Operation &O, unsigned Block);
  Strides of(unsigned Value, unsigned Depth = 0);
  Strides compute(unsigned Value, unsigned Depth);
  Strides argument(unsigned Value, unsigned Depth);
  Stride step(unsigned Value, unsigned Following) const;
  Strides operation(unsigned Value, const Operation &O, unsigned Depth);
  Strides binary(unsigned Value, const Operation &O, unsigned Depth);
  Strides opaque(unsigned Value, const Operation &O, unsigned Depth);
  Strides address(const Operation &O, unsigned Depth);
  Strides unknownAt(unsigned Value) const;
  Strides unknownIn(unsigned Loop) const;
  void keep(unsigned Value, Strides S);
  Stride integer(unsigned V) const { return F.Values[V].Integer; }

  const Function &F;
  const Loops &L;
  std::vector<unsigned> Known; ///< Index into Answers, by value.
  std::vector<Strides> Answers;
  std::vector<Access> Found;
};
} // namespace

static Stride times(Stride A, Stride B) {
  int64_t Product;
  if (!A || !B)
    return std::nullopt;
  return __builtin_mul_overflow(*A, *B, &Product) ? INT64_MAX : Product;
}

static Stride plus(Stride A, Stride B) {
  int64_t Sum;
  if (!A || !B)
    return std::nullopt;
  return __builtin_add_overflow(*A, *B, &Sum) ? INT64_MAX : Sum;
}

/// `Left + Factor * Right`; an unknown factor makes what moves unknown.
static Strides sum(Strides Left, const Strides &Right, Stride Factor) {
  if (Factor && *Factor == 0)
    return Left;
  for (const auto &[Loop, Moved] : Right.Entries)
    Left.set(Loop, plus(Left.get(Loop), times(Moved, Factor)));
  return Left;
}

void Analysis::keep(unsigned Value, Strides S) {
  if (Known[Value] == None) {
    Known[Value] = Answers.size();
    Answers.push_back(std::move(S));
  } else {
    Answers[Known[Value]] = std::move(S);
  }
}

Strides Analysis::of(unsigned Value, unsigned Depth) {
  if (Known[Value] != None)
    return Answers[Known[Value]];
  Strides Found = Depth < MaxChain ? compute(Value, Depth) : unknownAt(Value);
  keep(Value, Found);
  return Found;
}

Strides Analysis::compute(unsigned Value, unsigned Depth) {
  const cost::Value &V = F.Values[Value];
  if (V.IsConstant)
    return {};
  const Operation *Owner = F.owner(Value);
  if (!Owner)
    return argument(Value, Depth);
  if (!Owner->NumOperands)
    return Owner->Facts->Name->MayChange ? unknownAt(Value) : Strides();
  return operation(Value, *Owner, Depth);
}

Strides Analysis::argument(unsigned Value, unsigned Depth) {
  unsigned Block = F.Values[Value].Block, Index = F.Values[Value].Index;
  unsigned Loop = L.OfHeader[Block];
  if (Loop == None)
    return Block ? unknownAt(Value) : Strides(); // the entry's do not change
  SmallVector<unsigned, 2> Back, Starts;
  SmallVector<unsigned, 4> Seen;
  for (unsigned Source : L.Predecessors[Block]) {
    if (llvm::is_contained(Seen, Source))
      continue;
    Seen.push_back(Source);
    ArrayRef<unsigned> Targets = F.successors(F.Blocks[Source]);
    for (unsigned I = 0; I < Targets.size(); ++I) {
      ArrayRef<unsigned> Values = F.forwarded(F.Blocks[Source], I);
      if (Targets[I] != Block || Index >= Values.size())
        continue;
      if (L.contains(Loop, Source))
        Back.push_back(Values[Index]);
      else if (!llvm::is_contained(Starts, Values[Index]))
        Starts.push_back(Values[Index]);
    }
  }
  Stride Step = Back.size() == 1 ? step(Value, Back[0]) : std::nullopt;
  if (!Step || Starts.size() != 1)
    return unknownAt(Value);
  Strides Itself;
  Itself.set(Loop, Step);
  keep(Value, Itself);
  Strides Found = of(Starts[0], Depth + 1);
  Found.set(Loop, Step);
  return Found;
}

Stride Analysis::step(unsigned Value, unsigned Following) const {
  const Operation *Owner = F.owner(Following);
  if (!Owner)
    return std::nullopt;
  ArrayRef<unsigned> Sides = F.operands(*Owner);
  Role TheRole = Owner->Facts->Name->TheRole;
  if (TheRole == Role::Address && Sides.size() == 1 && Sides[0] == Value)
    return Owner->ConstantOffset;
  if (Sides.size() != 2 || !llvm::is_contained(Sides, Value))
    return std::nullopt;
  Stride Step = integer(Sides[Sides[0] == Value ? 1 : 0]);
  if (TheRole == Role::Add)
    return Step;
  return TheRole == Role::Sub && Sides[0] == Value ? times(Step, -1) : std::nullopt;
}

Strides Analysis::operation(unsigned Value, const Operation &O, unsigned Depth) {
  Role TheRole = O.Facts->Name->TheRole;
  if (TheRole == Role::Passed)
    return of(F.operands(O)[0], Depth + 1);
  if (TheRole == Role::Address)
    return address(O, Depth);
  if (O.NumOperands == 2)
    return binary(Value, O, Depth);
  return opaque(Value, O, Depth);
}

Strides Analysis::binary(unsigned Value, const Operation &O, unsigned Depth) {
  Role TheRole = O.Facts->Name->TheRole;
  unsigned Left = F.operands(O)[0], Right = F.operands(O)[1];
  bool IsAddition = TheRole == Role::Add ||
                    (TheRole == Role::Or && (integer(Left) || integer(Right)));
  if (IsAddition || TheRole == Role::Sub) {
    Strides First = of(Left, Depth + 1);
    return sum(std::move(First), of(Right, Depth + 1), IsAddition ? 1 : -1);
  }
  Stride Factor = integer(Right);
  if (Factor && TheRole == Role::Mul)
    return sum({}, of(Left, Depth + 1), Factor);
  if (Factor && TheRole == Role::Shl && *Factor >= 0 && *Factor < 64)
    return sum({}, of(Left, Depth + 1), *Factor < 63 ? int64_t(1) << *Factor : INT64_MAX);
  Factor = integer(Left);
  if (Factor && TheRole == Role::Mul)
    return sum({}, of(Right, Depth + 1), Factor);
  return opaque(Value, O, Depth);
}

Strides Analysis::opaque(unsigned Value, const Operation &O, unsigned Depth) {
  const NameFacts &Name = *O.Facts->Name;
  if (O.Facts->IsAccess || (Name.MayChange && Name.IsCall))
    return unknownAt(Value);
  Strides Found;
  for (unsigned V : F.operands(O))
    for (const auto &[Loop, Moved] : of(V, Depth + 1).Entries)
      if (!Moved || *Moved != 0)
        Found.set(Loop, std::nullopt);
  return Found;
}

Strides Analysis::address(const Operation &O, unsigned Depth) {
  Strides Total = of(F.operands(O)[0], Depth + 1);
  for (const AddressTerm &Term : F.terms(O))
    Total = sum(std::move(Total), of(Term.Operand, Depth + 1), Term.Stride);
  return Total;
}

Strides Analysis::unknownAt(unsigned Value) const {
  unsigned Block = F.Values[Value].Block;
  return Block == None ? Strides() : unknownIn(L.OfBlock[Block]);
}

Strides Analysis::unknownIn(unsigned Loop) const {
  Strides Found;
  for (unsigned I = Loop; I != None && Found.Entries.size() < MaxChain; I = L.All[I].Parent)
    Found.set(I, std::nullopt);
  return Found;
}

/// The address of a load or store, None of those that have several.
unsigned Analysis::pointerOf(const Operation &O) const {
  switch (O.Facts->Name->TheRole) {
  case Role::Load:
  case Role::MaskedLoad:
    return F.operands(O)[0];
  case Role::Store:
  case Role::MaskedStore:
    return F.operands(O)[1];
  default:
    return None;
  }
}

/// What an address computation begins from.
unsigned Analysis::root(unsigned Value) const {
  for (unsigned I = 0; I < MaxChain; ++I) {
    const Operation *Owner = F.owner(Value);
    if (!Owner || !Owner->NumOperands)
      break;
    Role TheRole = Owner->Facts->Name->TheRole;
    if (TheRole != Role::Passed && TheRole != Role::Address)
      break;
    Value = F.operands(*Owner)[0];
  }
  return Value;
}

void Analysis::add(const Operation &O, unsigned Block) {
  unsigned Pointer = pointerOf(O);
  Strides Moved = Pointer == None ? unknownIn(L.OfBlock[Block]) : of(Pointer);
  if (!O.Facts->Bytes)
    return;
  Access Here = {Pointer == None ? None : root(Pointer), L.OfBlock[Block], O.Facts->Bytes, {}};
  for (unsigned I = Here.Loop; I != 0 && Here.Moves.size() < MaxLevels; I = L.All[I].Parent)
    Here.Moves.push_back(Moved.get(I));
  Found.push_back(std::move(Here));
}

std::vector<Access> Analysis::run() {
  // Python's order: what a chain of over MaxChain steps gives depends on it.
  std::vector<SmallVector<unsigned, 4>> BlocksOf(L.All.size());
  for (unsigned B = 0; B < F.Blocks.size(); ++B)
    BlocksOf[L.OfBlock[B]].push_back(B);
  SmallVector<unsigned, 8> Stack(L.All[0].Children.begin(), L.All[0].Children.end());
  while (!Stack.empty()) {
    unsigned Loop = Stack.pop_back_val();
    Stack.append(L.All[Loop].Children.begin(), L.All[Loop].Children.end());
    for (unsigned B : BlocksOf[Loop])
      for (const Operation &O : F.operations(F.Blocks[B]))
        if (O.Facts->IsAccess)
          add(O, B);
  }
  return std::move(Found);
}

std::vector<Access> cost::accessesOf(const Function &F, const Loops &L) {
  if (L.All.size() == 1)
    return {};
  return Analysis(F, L).run();
}
