//===- Loops.cpp - natural loops and their trip counts --------------------===//

#include "Loops.h"
#include <algorithm>

using namespace cost;
using llvm::ArrayRef;
using llvm::SmallVector;

/// What a loop of unknown length counts as in executed counts.
static constexpr double UnknownTrips = 16;
static constexpr double MaxExecuted = 1e15;

bool Loops::contains(unsigned Outer, unsigned Block) const {
  for (unsigned L = OfBlock[Block]; L != None; L = All[L].Parent)
    if (L == Outer)
      return true;
  return false;
}

namespace {
/// A comparison `stay(start + k * step, bound)` that keeps a loop running.
enum class Order : uint8_t { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };

class Finder {
public:
  explicit Finder(const Function &F) : F(F) {}
  Loops run();

private:
  void number();
  void order();
  void dominators();
  bool dominates(unsigned Upper, unsigned Lower) const;
  void makeLoop(unsigned Header);
  std::optional<int64_t> trips(unsigned Header, unsigned Latch) const;
  std::optional<std::pair<int64_t, int64_t>> counter(unsigned Tested, unsigned Header,
                                                     unsigned Latch) const;
  std::optional<std::pair<int64_t, int64_t>>
  start(unsigned Index, unsigned Following, bool TestsFollowing, unsigned Header,
        unsigned Latch) const;
  unsigned incoming(unsigned From, unsigned Header, unsigned Index) const;
  std::optional<int64_t> integer(unsigned V) const { return F.Values[V].Integer; }
  bool inBody(unsigned B) const { return Stamp[B] == Current; }

  const Function &F;
  Loops Found;
  std::vector<unsigned> PostOrder; ///< Reversed: entry first.
  std::vector<unsigned> Number;    ///< Position in PostOrder, None if unreachable.
  std::vector<unsigned> Dominator;
  std::vector<unsigned> Stamp;
  SmallVector<unsigned, 16> Body;
  unsigned Current = 0;
};
} // namespace

void Finder::number() {
  size_t N = F.Blocks.size();
  Found.Predecessors.assign(N, {});
  for (unsigned B = 0; B < N; ++B)
    for (unsigned Target : F.successors(F.Blocks[B]))
      Found.Predecessors[Target].push_back(B);
}

void Finder::order() {
  Number.assign(F.Blocks.size(), None);
  std::vector<bool> Seen(F.Blocks.size());
  SmallVector<std::pair<unsigned, unsigned>, 32> Stack = {{0, 0}};
  Seen[0] = true;
  while (!Stack.empty()) {
    auto &[B, Next] = Stack.back();
    ArrayRef<unsigned> Targets = F.successors(F.Blocks[B]);
    while (Next < Targets.size() && Seen[Targets[Next]])
      ++Next;
    if (Next == Targets.size()) {
      PostOrder.push_back(B);
      Stack.pop_back();
      continue;
    }
    unsigned Target = Targets[Next];
    Seen[Target] = true;
    Stack.push_back({Target, 0});
  }
  std::reverse(PostOrder.begin(), PostOrder.end());
  for (unsigned I = 0; I < PostOrder.size(); ++I)
    Number[PostOrder[I]] = I;
}

/// Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm".
void Finder::dominators() {
  Dominator.assign(PostOrder.size(), None);
  Dominator[0] = 0;
  for (bool Changed = true; Changed;) {
    Changed = false;
    for (unsigned I = 1; I < PostOrder.size(); ++I) {
      unsigned Best = None;
      for (unsigned P : Found.Predecessors[PostOrder[I]]) {
        unsigned Other = Number[P];
        if (Other == None || Dominator[Other] == None)
          continue;
        if (Best == None) {
          Best = Other;
          continue;
        }
        while (Best != Other) {
          while (Best > Other)
            Best = Dominator[Best];
          while (Other > Best)
            Other = Dominator[Other];
        }
      }
      if (Best != Dominator[I]) {
        Dominator[I] = Best;
        Changed = true;
      }
    }
  }
}

bool Finder::dominates(unsigned Upper, unsigned Lower) const {
  while (Lower > Upper)
    Lower = Dominator[Lower];
  return Lower == Upper;
}

Loops Finder::run() {
  Found.All.push_back({});
  Found.OfBlock.assign(F.Blocks.size(), 0);
  Found.OfHeader.assign(F.Blocks.size(), None);
  number();
  order();
  dominators();
  Stamp.assign(F.Blocks.size(), 0);
  for (unsigned Header : PostOrder)
    makeLoop(Header);
  for (unsigned B = 0; B < F.Blocks.size(); ++B) {
    Loop &Around = Found.All[Found.OfBlock[B]];
    ++Around.NumBlocks;
    Around.NumOperations += F.Blocks[B].NumOperations;
    for (const Operation &O : F.operations(F.Blocks[B]))
      Around.IsBusy |= O.Facts->IsBusy;
  }
  return std::move(Found);
}

void Finder::makeLoop(unsigned Header) {
  SmallVector<unsigned, 4> Latches;
  for (unsigned P : Found.Predecessors[Header])
    if (Number[P] != None && dominates(Number[Header], Number[P]) &&
        !llvm::is_contained(Latches, P))
      Latches.push_back(P);
  if (Latches.empty())
    return;
  ++Current;
  Body.assign(1, Header);
  Stamp[Header] = Current;
  SmallVector<unsigned, 16> Stack(Latches.begin(), Latches.end());
  while (!Stack.empty()) {
    unsigned B = Stack.pop_back_val();
    if (inBody(B))
      continue;
    Stamp[B] = Current;
    Body.push_back(B);
    for (unsigned P : Found.Predecessors[B])
      if (Number[P] != None)
        Stack.push_back(P);
  }
  Loop Made;
  Made.Header = Header;
  Made.Parent = Found.OfBlock[Header];
  if (Latches.size() == 1)
    Made.Trips = trips(Header, Latches[0]);
  const Loop &Outer = Found.All[Made.Parent];
  Made.Depth = Outer.Depth + 1;
  double Known = Made.Trips ? double(*Made.Trips) : 1.0;
  double Assumed = Made.Trips ? double(*Made.Trips) : UnknownTrips;
  Made.Weight = std::min(MaxExecuted, Outer.Weight * Known);
  Made.Executed = std::min(MaxExecuted, Outer.Executed * std::min(Assumed, MaxExecuted));
  unsigned Index = Found.All.size();
  Found.All[Made.Parent].Children.push_back(Index);
  Found.All.push_back(std::move(Made));
  Found.OfHeader[Header] = Index;
  for (unsigned B : Body)
    Found.OfBlock[B] = Index;
}

static std::optional<std::pair<Order, bool>> parse(int Predicate) {
  switch (Predicate) {
  case 0: return {{Order::Equal, true}};
  case 1: return {{Order::NotEqual, true}};
  case 2: case 6: return {{Order::Less, true}};
  case 3: case 7: return {{Order::LessEqual, true}};
  case 4: case 8: return {{Order::Greater, true}};
  case 5: case 9: return {{Order::GreaterEqual, true}};
  default: return std::nullopt;
  }
}

static Order opposite(Order O) {
  switch (O) {
  case Order::Equal: return Order::NotEqual;
  case Order::NotEqual: return Order::Equal;
  case Order::Less: return Order::GreaterEqual;
  case Order::LessEqual: return Order::Greater;
  case Order::Greater: return Order::LessEqual;
  case Order::GreaterEqual: return Order::Less;
  }
  return O;
}

static Order mirrored(Order O) {
  switch (O) {
  case Order::Less: return Order::Greater;
  case Order::LessEqual: return Order::GreaterEqual;
  case Order::Greater: return Order::Less;
  case Order::GreaterEqual: return Order::LessEqual;
  default: return O;
  }
}

static __int128 roundedDown(__int128 A, __int128 B) {
  __int128 Quotient = A / B;
  return Quotient - ((A % B != 0) && ((A < 0) != (B < 0)));
}

/// How often the test holds in a row from the start; none if it may not end.
static std::optional<int64_t> passes(__int128 Start, __int128 Step, __int128 Bound,
                                     Order Stay) {
  auto Narrow = [](__int128 N) -> std::optional<int64_t> {
    return N > INT64_MAX ? INT64_MAX : int64_t(N);
  };
  if (Stay == Order::NotEqual) {
    __int128 Distance = Bound - Start;
    if (Distance % Step != 0 || roundedDown(Distance, Step) < 0)
      return std::nullopt;
    return Narrow(Distance / Step);
  }
  if (Stay == Order::Equal)
    return Start == Bound;
  if (Stay == Order::LessEqual)
    ++Bound;
  if (Stay == Order::GreaterEqual)
    --Bound;
  if (Stay == Order::Greater || Stay == Order::GreaterEqual) {
    Start = -Start;
    Step = -Step;
    Bound = -Bound;
  }
  if (Start >= Bound)
    return 0;
  if (Step <= 0)
    return std::nullopt;
  return Narrow((Bound - Start + Step - 1) / Step);
}

std::optional<int64_t> Finder::trips(unsigned Header, unsigned Latch) const {
  unsigned Test = None;
  for (unsigned B : Body)
    for (unsigned Target : F.successors(F.Blocks[B]))
      if (!inBody(Target)) {
        if (Test != None && Test != B)
          return std::nullopt;
        Test = B;
      }
  if (Test == None || (Test != Header && Test != Latch))
    return std::nullopt;
  const Operation &Branch = F.operations(F.Blocks[Test]).back();
  if (Branch.NumSuccessors != 2 || !Branch.NumOperands)
    return std::nullopt;
  const Operation *Comparison = F.owner(F.operands(Branch)[0]);
  if (!Comparison || Comparison->Facts->Name->TheRole != Role::Compare)
    return std::nullopt;
  auto Predicate = parse(Comparison->Predicate);
  if (!Predicate)
    return std::nullopt;
  bool StaysFirst = inBody(F.successors(F.Blocks[Test])[0]);
  Order Stay = StaysFirst ? Predicate->first : opposite(Predicate->first);
  unsigned Tested = F.operands(*Comparison)[0];
  auto Bound = integer(F.operands(*Comparison)[1]);
  if (!Bound) {
    Tested = F.operands(*Comparison)[1];
    Bound = integer(F.operands(*Comparison)[0]);
    Stay = mirrored(Stay);
  }
  auto Counter = counter(Tested, Header, Latch);
  if (!Counter || !Bound)
    return std::nullopt;
  auto Passes = passes(Counter->first, Counter->second, *Bound, Stay);
  if (Passes && Test == Latch && *Passes < INT64_MAX)
    return *Passes + 1;
  return Passes;
}

/// Value at the first test, and the step, if \p Tested counts by a constant.
std::optional<std::pair<int64_t, int64_t>>
Finder::counter(unsigned Tested, unsigned Header, unsigned Latch) const {
  ArrayRef<unsigned> Arguments = F.arguments(F.Blocks[Header]);
  for (unsigned I = 0; I < Arguments.size(); ++I) {
    unsigned Following = incoming(Latch, Header, I);
    if (Following == None)
      continue;
    const Operation *Sum = F.owner(Following);
    if (!Sum || Sum->Facts->Name->TheRole != Role::Add)
      continue;
    if (Tested == Arguments[I] || Tested == Following)
      return start(I, Following, Tested == Following, Header, Latch);
  }
  return std::nullopt;
}

std::optional<std::pair<int64_t, int64_t>>
Finder::start(unsigned Index, unsigned Following, bool TestsFollowing,
              unsigned Header, unsigned Latch) const {
  unsigned Argument = F.arguments(F.Blocks[Header])[Index];
  ArrayRef<unsigned> Sides = F.operands(*F.owner(Following));
  auto Step = integer(Sides[0] == Argument ? Sides[1] : Sides[0]);
  if ((Sides[0] != Argument && Sides[1] != Argument) || !Step || !*Step)
    return std::nullopt;
  std::optional<int64_t> Start;
  for (unsigned P : Found.Predecessors[Header]) {
    if (P == Latch || Number[P] == None)
      continue;
    unsigned Value = incoming(P, Header, Index);
    auto Begin = Value == None ? std::nullopt : integer(Value);
    if (!Begin || (Start && *Start != *Begin))
      return std::nullopt;
    Start = Begin;
  }
  int64_t First;
  if (!Start || __builtin_add_overflow(*Start, TestsFollowing ? *Step : 0, &First))
    return std::nullopt;
  return {{First, *Step}};
}

unsigned Finder::incoming(unsigned From, unsigned Header, unsigned Index) const {
  ArrayRef<unsigned> Targets = F.successors(F.Blocks[From]);
  for (unsigned I = 0; I < Targets.size(); ++I)
    if (Targets[I] == Header) {
      ArrayRef<unsigned> Values = F.forwarded(F.Blocks[From], I);
      return Index < Values.size() ? Values[Index] : None;
    }
  return None;
}

Loops cost::findLoops(const Function &F) { return Finder(F).run(); }
