//===- Memory.cpp - strides, working sets, reuse distances ----------------===//

#include "Memory.h"
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

using namespace cost;

static constexpr double UnknownTrips = 16;
static constexpr double MaxExecuted = 1e15;
static constexpr uint64_t CacheLineBytes = 64;

static double tripsOf(const Loop &L) {
  return L.Trips ? std::min(double(*L.Trips), MaxExecuted) : UnknownTrips;
}

static Bucket bucketOf(double Bytes) {
  if (Bytes <= 32 << 10)
    return L1;
  if (Bytes <= 1 << 20)
    return L2;
  return Bytes <= 32 << 20 ? L3 : Farther;
}

static StrideClass classOf(Stride S, uint64_t Bytes) {
  if (!S)
    return UnknownStride;
  uint64_t Distance = std::llabs(*S);
  if (Distance == 0)
    return ZeroStride;
  if (Distance == Bytes)
    return UnitStride;
  return Distance <= CacheLineBytes ? SmallStride : LargeStride;
}

namespace {
class Footprints {
public:
  Footprints(const Function &F, const Loops &L) : F(F), L(L), Sizes(L.All.size()) {}
  void add(const Access &A);
  /// Bytes touched during one execution of each loop; none without accesses.
  std::vector<std::optional<double>> sums() const;

private:
  const Function &F;
  const Loops &L;
  /// By the number of base and strides from the innermost loop outward: the
  /// accesses that share a footprint.
  std::vector<std::map<unsigned, double>> Sizes;
  std::map<std::pair<unsigned, std::pair<bool, int64_t>>, unsigned> Signatures;
  unsigned NextBase = 0;
};
} // namespace

void Footprints::add(const Access &A) {
  double Moved = double(A.Bytes), Span = double(A.Bytes);
  // Numbers below those of values are signatures, unknown bases count alone.
  unsigned Signature = A.Base == None ? ~(NextBase++) : A.Base;
  unsigned First = F.Values.size();
  unsigned Loop = A.Loop;
  for (Stride S : A.Moves) {
    if (!S || *S != 0) {
      double Trips = tripsOf(L.All[Loop]);
      Moved = std::min(MaxExecuted, Moved * Trips);
      Span += (S ? std::fabs(double(*S)) : double(A.Bytes)) * std::max(0.0, Trips - 1);
      if (!S)
        Span = std::max(Span, Moved);
    }
    auto Key = std::make_pair(Signature, std::make_pair(S.has_value(), S.value_or(0)));
    Signature = Signatures.try_emplace(Key, First + Signatures.size()).first->second;
    double &Size = Sizes[Loop][Signature];
    Size = std::max(Size, std::min(Moved, Span));
    Loop = L.All[Loop].Parent;
  }
}

std::vector<std::optional<double>> Footprints::sums() const {
  std::vector<std::optional<double>> Found(Sizes.size());
  for (size_t I = 0; I < Sizes.size(); ++I)
    for (const auto &[Signature, Size] : Sizes[I])
      Found[I] = Found[I].value_or(0) + Size;
  return Found;
}

/// Distance to the next use of the same bytes, and the share of executions
/// that are reuses.
static std::pair<Bucket, double> reuseOf(const Access &A, const Loops &L,
                                         llvm::ArrayRef<std::optional<double>> Sets,
                                         llvm::ArrayRef<double> Own) {
  unsigned Loop = A.Loop;
  for (Stride S : A.Moves) {
    double Trips = tripsOf(L.All[Loop]);
    if (S && *S == 0 && Trips > 1) {
      double Inner = 0;
      for (unsigned Child : L.All[Loop].Children)
        Inner += Sets[Child].value_or(0);
      return {bucketOf(Inner + Own[Loop]), 1.0 - 1.0 / Trips};
    }
    Loop = L.All[Loop].Parent;
  }
  return {Never, 0.0};
}

static void addSets(const Loops &L, llvm::ArrayRef<std::optional<double>> Sets, MemoryNumbers &N) {
  for (size_t I = 0; I < Sets.size(); ++I) {
    if (!Sets[I])
      continue;
    N.LoopSets[bucketOf(*Sets[I])] += 1;
    N.LargestSet = std::max(N.LargestSet, *Sets[I]);
    if (L.All[I].Children.empty())
      N.InnermostSet = std::max(N.InnermostSet, *Sets[I]);
  }
}

MemoryNumbers cost::memoryOf(const Function &F, const Loops &L) {
  MemoryNumbers N;
  for (unsigned B = 0; B < F.Blocks.size(); ++B)
    if (L.OfBlock[B] == 0)
      for (const Operation &O : F.operations(F.Blocks[B]))
        N.ExecutedBytes[Never] += O.Facts->IsAccess ? double(O.Facts->Bytes) : 0;
  std::vector<Access> Accesses = accessesOf(F, L);
  Footprints Prints(F, L);
  std::vector<double> Own(L.All.size());
  for (const Access &A : Accesses) {
    Prints.add(A);
    Own[A.Loop] += A.Bytes;
  }
  std::vector<std::optional<double>> Sets = Prints.sums();
  for (const Access &A : Accesses) {
    const Loop &Inner = L.All[A.Loop];
    if (Inner.Children.empty())
      N.Strides[classOf(A.Moves[0], A.Bytes)] += 1;
    auto [Where, Share] = reuseOf(A, L, Sets, Own);
    double Total = A.Bytes * Inner.Executed;
    N.ExecutedBytes[Where] += Total * Share;
    N.ExecutedBytes[Never] += Total * (1.0 - Share);
  }
  addSets(L, Sets, N);
  return N;
}
