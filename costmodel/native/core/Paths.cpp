//===- Paths.cpp - longest dependence chains ------------------------------===//

#include "Paths.h"
#include <algorithm>

using namespace cost;
using llvm::ArrayRef;

/// Carried values of a loop that are followed.
static constexpr unsigned MaxCarried = 8;

namespace {
class Walker {
public:
  Walker(const Function &F, const Loops &L) : F(F), L(L), Ready(F.Values.size()) {}
  CriticalPath run();

private:
  uint64_t longest(unsigned Block);
  uint64_t recurrence(unsigned Block);
  uint64_t chain(unsigned Block, unsigned From, unsigned To);

  const Function &F;
  const Loops &L;
  std::vector<uint64_t> Ready; ///< Of values of the block at hand, else 0.
  std::vector<int64_t> At;
};
} // namespace

uint64_t Walker::longest(unsigned Block) {
  uint64_t Longest = 0;
  ArrayRef<Operation> Operations = F.operations(F.Blocks[Block]);
  for (const Operation &O : Operations) {
    uint64_t Start = 0;
    for (unsigned V : F.operands(O))
      Start = std::max(Start, Ready[V]);
    Start += O.Facts->Latency;
    Longest = std::max(Longest, Start);
    if (O.Result != None && !F.Values[O.Result].IsConstant)
      Ready[O.Result] = Start;
  }
  for (const Operation &O : Operations)
    if (O.Result != None)
      Ready[O.Result] = 0;
  return Longest;
}

/// Longest chain from one value to another inside a block, 0 without any.
uint64_t Walker::chain(unsigned Block, unsigned From, unsigned To) {
  if (At.empty())
    At.assign(F.Values.size(), -1);
  ArrayRef<Operation> Operations = F.operations(F.Blocks[Block]);
  At[From] = 0;
  for (const Operation &O : Operations) {
    int64_t Start = -1;
    for (unsigned V : F.operands(O))
      Start = std::max(Start, At[V]);
    if (Start >= 0 && O.Result != None && !F.Values[O.Result].IsConstant)
      At[O.Result] = Start + O.Facts->Latency;
  }
  uint64_t Found = std::max<int64_t>(0, At[To]);
  At[From] = -1;
  for (const Operation &O : Operations)
    if (O.Result != None)
      At[O.Result] = -1;
  return Found;
}

uint64_t Walker::recurrence(unsigned Block) {
  const cost::Block &B = F.Blocks[Block];
  ArrayRef<unsigned> Targets = F.successors(B);
  const auto *Itself = llvm::find(Targets, Block);
  if (Itself == Targets.end())
    return 0;
  ArrayRef<unsigned> Following = F.forwarded(B, Itself - Targets.begin());
  ArrayRef<unsigned> Arguments = F.arguments(B);
  uint64_t Longest = 0;
  for (unsigned I = 0; I < Following.size() && I < MaxCarried; ++I)
    if (!F.Values[Following[I]].IsConstant)
      Longest = std::max(Longest, chain(Block, Arguments[I], Following[I]));
  return Longest;
}

CriticalPath Walker::run() {
  CriticalPath Path;
  for (unsigned B = 0; B < F.Blocks.size(); ++B) {
    const Loop &Around = L.All[L.OfBlock[B]];
    uint64_t Length = longest(B), Latencies = 0;
    for (const Operation &O : F.operations(F.Blocks[B]))
      Latencies += O.Facts->Latency;
    Path.Longest = std::max(Path.Longest, Length);
    Path.Executed += Length * Around.Executed;
    Path.Work += Latencies * Around.Executed;
    if (!Around.Depth)
      continue;
    Path.LongestInLoop = std::max(Path.LongestInLoop, Length);
    if (Around.NumBlocks == 1)
      Path.Recurrence = std::max(Path.Recurrence, recurrence(B));
  }
  return Path;
}

CriticalPath cost::criticalPath(const Function &F, const Loops &L) {
  return Walker(F, L).run();
}
