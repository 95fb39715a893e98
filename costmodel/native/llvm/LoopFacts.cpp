//===- LoopFacts.cpp - numbers of an innermost loop -----------------------===//

#include "LoopFacts.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/CodeMetrics.h"
#include "llvm/Analysis/LoopIterator.h"
#include "llvm/Analysis/OptimizationRemarkEmitter.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Transforms/Utils/LoopPeel.h"
#include "llvm/Transforms/Utils/LoopUtils.h"
#include "llvm/Transforms/Utils/UnrollLoop.h"

using namespace cost;
using llvm::cast;
using llvm::dyn_cast;
using llvm::isa;
using N = LoopNumber;

/// Larger functions take too long, larger bodies never gain.
static constexpr unsigned MaxFunction = 100000, MaxBody = 256;
static constexpr unsigned OptLevel = 3;
static constexpr double StoreToLoad = 5;

llvm::ArrayRef<llvm::StringRef> cost::loopNumberNames() {
  static const llvm::StringRef Names[] = {
#define COSTMODEL_LOOP_NUMBER(name) #name,
#include "LoopFacts.inc"
  };
  return Names;
}

bool cost::mayChange(const llvm::Function &F) {
  return !F.isDeclaration() && !F.hasOptNone() && !F.hasOptSize() && !F.hasMinSize() &&
         !F.isPresplitCoroutine() && F.getInstructionCount() <= MaxFunction;
}

//===- Who has spoken for the loop ----------------------------------------===//

static bool isVectorised(const llvm::Loop &L) {
  return llvm::getBooleanLoopAttribute(&L, "llvm.loop.isvectorized");
}

static llvm::StringRef nameOf(const llvm::MDOperand &Item) {
  auto *Node = dyn_cast<llvm::MDNode>(Item);
  auto *Name = Node && Node->getNumOperands() ? dyn_cast<llvm::MDString>(Node->getOperand(0)) : nullptr;
  return Name ? Name->getString() : "";
}

/// Pragmas. The vectoriser's wish not to unroll its own loop at run time is
/// none: that is the default that is to be bettered.
static bool hasPragma(const llvm::Loop &L) {
  llvm::MDNode *Id = L.getLoopID();
  if (!Id)
    return false;
  bool IsVector = isVectorised(L);
  return llvm::any_of(llvm::drop_begin(Id->operands()), [&](const llvm::MDOperand &Item) {
    llvm::StringRef Name = nameOf(Item);
    if (Name == "llvm.loop.unroll.runtime.disable" && IsVector)
      return false;
    return Name.starts_with("llvm.loop.unroll") || Name.starts_with("llvm.loop.disable_nonforced");
  });
}

static bool hasVectors(const llvm::Loop &L) {
  for (const llvm::BasicBlock *B : L.blocks())
    for (const llvm::Instruction &I : *B)
      if (I.getType()->isVectorTy() || llvm::any_of(I.operands(), [](const llvm::Use &U) { return U->getType()->isVectorTy(); }))
        return true;
  return false;
}

/// Whether the vectoriser's loop is the one for what its main loop leaves: it
/// counts on from there, not from 0.
static bool countsOn(const llvm::Loop &L) {
  const llvm::BasicBlock *Before = L.getLoopPredecessor();
  return !Before || llvm::none_of(L.getHeader()->phis(), [&](const llvm::PHINode &Phi) {
    auto *Start = dyn_cast<llvm::ConstantInt>(Phi.getIncomingValueForBlock(Before));
    return Start && Start->isZero() && Phi.getType()->isIntegerTy();
  });
}

static bool mayCopy(const llvm::Loop &L) {
  unsigned Size = 0;
  for (const llvm::BasicBlock *B : L.blocks())
    for (const llvm::Instruction &I : *B) {
      auto *Call = dyn_cast<llvm::CallBase>(&I);
      if (++Size > MaxBody || I.getType()->isTokenTy() ||
          (Call && (Call->isConvergent() || Call->cannotDuplicate())))
        return false;
    }
  return L.isSafeToClone();
}

//===- Counts -------------------------------------------------------------===//

static double latencyOf(const llvm::Instruction &I) {
  switch (I.getOpcode()) {
  case llvm::Instruction::Mul:
    return 3;
  case llvm::Instruction::SDiv: case llvm::Instruction::UDiv:
  case llvm::Instruction::SRem: case llvm::Instruction::URem:
    return 20;
  case llvm::Instruction::FAdd: case llvm::Instruction::FSub: case llvm::Instruction::FMul:
  case llvm::Instruction::FCmp:
    return 4;
  case llvm::Instruction::FDiv: case llvm::Instruction::FRem:
    return 13;
  case llvm::Instruction::FPToSI: case llvm::Instruction::FPToUI: case llvm::Instruction::SIToFP:
  case llvm::Instruction::UIToFP: case llvm::Instruction::FPExt: case llvm::Instruction::FPTrunc:
  case llvm::Instruction::Load:
    return 5;
  case llvm::Instruction::PHI: case llvm::Instruction::BitCast: case llvm::Instruction::Freeze:
  case llvm::Instruction::Trunc:
    return 0;
  case llvm::Instruction::Call:
    return isa<llvm::IntrinsicInst>(I) ? (I.getType()->isFPOrFPVectorTy() ? 4 : 1) : 40;
  default:
    return 1;
  }
}

static bool isConversion(const llvm::Instruction &I) { return isa<llvm::CastInst>(I) && latencyOf(I) > 0; }

static void count(const llvm::Instruction &I, const llvm::Loop &L, LoopFacts &Found, const llvm::DataLayout &Layout) {
  ++Found.Instructions;
  llvm::Type *T = I.getType();
  Found[N::phis] += isa<llvm::PHINode>(I) && I.getParent() == L.getHeader();
  Found[N::float_phis] += isa<llvm::PHINode>(I) && I.getParent() == L.getHeader() && T->isFPOrFPVectorTy();
  Found[N::loads] += isa<llvm::LoadInst>(I);
  Found[N::stores] += isa<llvm::StoreInst>(I);
  Found[N::intrinsics] += isa<llvm::IntrinsicInst>(I);
  Found[N::calls] += isa<llvm::CallBase>(I) && !isa<llvm::IntrinsicInst>(I);
  Found[N::floats] += I.isBinaryOp() && T->isFPOrFPVectorTy();
  unsigned Opcode = I.getOpcode();
  Found[N::multiplications] += Opcode == llvm::Instruction::Mul;
  Found[N::divisions] += latencyOf(I) >= 13 && !isa<llvm::CallBase>(I);
  Found[N::selects] += isa<llvm::SelectInst>(I);
  Found[N::conversions] += isConversion(I);
  Found[N::vectors] += T->isVectorTy();
  if (auto *Branch = dyn_cast<llvm::BranchInst>(&I))
    Found[N::branches] += Branch->isConditional() && !L.isLoopExiting(I.getParent());
  llvm::Type *Accessed = isa<llvm::LoadInst>(I) ? T : isa<llvm::StoreInst>(I) ? I.getOperand(0)->getType() : nullptr;
  if (Accessed)
    Found[N::bytes] += double(Layout.getTypeStoreSize(Accessed).getKnownMinValue());
  if (T->isSized())
    Found[N::widest_bits] =
        std::max(Found[N::widest_bits], double(Layout.getTypeSizeInBits(T).getKnownMinValue()));
}

//===- Addresses ----------------------------------------------------------===//

static void countAddress(llvm::Instruction &I, const llvm::Loop &L, LoopFacts &Found, llvm::ScalarEvolution &Evolution) {
  const llvm::SCEV *Address = Evolution.getSCEV(llvm::getLoadStorePointerOperand(&I));
  if (Evolution.isLoopInvariant(Address, &L)) {
    ++Found[N::invariant_addresses];
    return;
  }
  auto *Step = dyn_cast<llvm::SCEVAddRecExpr>(Address);
  auto *Bytes = Step && Step->getLoop() == &L ? dyn_cast<llvm::SCEVConstant>(Step->getStepRecurrence(Evolution)) : nullptr;
  if (!Bytes) {
    ++Found[N::unknown_addresses];
    return;
  }
  llvm::TypeSize Size = I.getDataLayout().getTypeStoreSize(llvm::getLoadStoreType(&I));
  bool IsUnit = Bytes->getAPInt().abs().getLimitedValue() == Size.getKnownMinValue();
  ++Found[IsUnit ? N::unit_strides : N::other_strides];
}

/// Whether a load reads what the store wrote an iteration or more before.
static bool readsBack(llvm::LoadInst &Load, llvm::StoreInst &Store, const llvm::Loop &L, llvm::ScalarEvolution &Evolution) {
  const llvm::SCEV *From = Evolution.getSCEV(Load.getPointerOperand()), *To = Evolution.getSCEV(Store.getPointerOperand());
  if (From == To)
    return Evolution.isLoopInvariant(From, &L);
  if (From->getType() != To->getType())
    return false;
  auto *Step = dyn_cast<llvm::SCEVAddRecExpr>(To);
  auto *Difference = dyn_cast<llvm::SCEVConstant>(Evolution.getMinusSCEV(To, From));
  auto *Bytes = Step && Step->getLoop() == &L ? dyn_cast<llvm::SCEVConstant>(Step->getStepRecurrence(Evolution)) : nullptr;
  return Difference && Bytes && Difference->getAPInt() == Bytes->getAPInt();
}

//===- Paths --------------------------------------------------------------===//

namespace {
/// Longest paths of latency inside one iteration, over values.
class Paths {
public:
  Paths(const llvm::Loop &L, llvm::LoopInfo &Loops) : L(L) {
    llvm::LoopBlocksRPO Order(const_cast<llvm::Loop *>(&L));
    Order.perform(&Loops);
    for (llvm::BasicBlock *B : Order)
      for (llvm::Instruction &I : *B)
        Instructions.push_back(&I);
  }
  /// From \p Start, or from anywhere if it is null, to every instruction.
  const llvm::DenseMap<const llvm::Value *, double> &from(const llvm::Instruction *Start) {
    Known.clear();
    for (const llvm::Instruction *I : Instructions) {
      double Longest = I == Start || !Start ? 0 : -1;
      bool IsHeaderPhi = isa<llvm::PHINode>(I) && I->getParent() == L.getHeader();
      if (!IsHeaderPhi && I != Start)
        for (const llvm::Use &Operand : I->operands())
          if (auto At = Known.find(Operand.get()); At != Known.end())
            Longest = std::max(Longest, At->second);
      if (Longest >= 0)
        Known[I] = Longest + (I == Start ? 0 : latencyOf(*I));
    }
    return Known;
  }
  double longest(const llvm::Instruction *From, const llvm::Value *To) {
    auto &Found = from(From);
    auto At = Found.find(To);
    return At == Found.end() ? 0 : At->second;
  }
  double longest() {
    double Most = 0;
    for (auto &Entry : from(nullptr))
      Most = std::max(Most, Entry.second);
    return Most;
  }

private:
  const llvm::Loop &L;
  llvm::SmallVector<const llvm::Instruction *, 64> Instructions;
  llvm::DenseMap<const llvm::Value *, double> Known;
};
} // namespace

static void findPaths(llvm::Loop &L, llvm::LoopInfo &Loops, llvm::ScalarEvolution &Evolution, LoopFacts &Found) {
  Paths Latency(L, Loops);
  Found[N::path] = Latency.longest();
  for (const llvm::PHINode &Phi : L.getHeader()->phis())
    Found[N::recurrence] =
        std::max(Found[N::recurrence], Latency.longest(&Phi, Phi.getIncomingValueForBlock(L.getLoopLatch())));
  llvm::SmallVector<llvm::LoadInst *, 8> Loads;
  llvm::SmallVector<llvm::StoreInst *, 8> Stores;
  for (llvm::BasicBlock *B : L.blocks())
    for (llvm::Instruction &I : *B)
      if (auto *Load = dyn_cast<llvm::LoadInst>(&I))
        Loads.push_back(Load);
      else if (auto *Store = dyn_cast<llvm::StoreInst>(&I))
        Stores.push_back(Store);
  for (llvm::LoadInst *Load : Loads)
    for (llvm::StoreInst *Store : Stores)
      if (Loads.size() * Stores.size() <= 64 && readsBack(*Load, *Store, L, Evolution))
        Found[N::memory_recurrence] = std::max(
            Found[N::memory_recurrence], StoreToLoad + Latency.longest(Load, Store->getValueOperand()));
}

//===- LLVM's own choice --------------------------------------------------===//

/// The factor of LLVM's own unroller; none where it unrolls or peels the loop
/// completely or must not touch it.
static std::optional<unsigned> llvmFactor(llvm::Loop &L, llvm::Function &F, llvm::FunctionAnalysisManager &Manager,
                                          LoopFacts &Found) {
  auto &Loops = Manager.getResult<llvm::LoopAnalysis>(F);
  auto &Evolution = Manager.getResult<llvm::ScalarEvolutionAnalysis>(F);
  auto &Dominators = Manager.getResult<llvm::DominatorTreeAnalysis>(F);
  auto &Machine = Manager.getResult<llvm::TargetIRAnalysis>(F);
  auto &Assumptions = Manager.getResult<llvm::AssumptionAnalysis>(F);
  llvm::OptimizationRemarkEmitter Remarks(&F);
  auto UP = llvm::gatherUnrollingPreferences(&L, Evolution, Machine, nullptr, nullptr, Remarks, OptLevel, std::nullopt,
                                             std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt);
  auto PP = llvm::gatherPeelingPreferences(&L, Evolution, Machine, std::nullopt, std::nullopt, true);
  llvm::SmallPtrSet<const llvm::Value *, 32> Ephemeral;
  llvm::CodeMetrics::collectEphemeralValues(&L, &Assumptions, Ephemeral);
  llvm::UnrollCostEstimator Size(&L, Machine, Ephemeral, UP.BEInsns);
  if (!Size.canUnroll() || Size.Convergence != llvm::ConvergenceKind::None)
    return std::nullopt;
  Found[N::size] = double(Size.getRolledLoopSize());
  unsigned Trips = Evolution.getSmallConstantTripCount(&L), MostTrips = Evolution.getSmallConstantMaxTripCount(&L);
  unsigned Multiple = Evolution.getSmallConstantTripMultiple(&L);
  Found[N::trips] = Trips;
  Found[N::most_trips] = MostTrips > 4096 ? 0 : MostTrips;
  Found[N::multiple] = std::min(Multiple, 64u);
  Found[N::is_countable] = Evolution.hasLoopInvariantBackedgeTakenCount(&L);
  Found[N::llvm_is_runtime] = UP.Runtime;
  if (Size.NumInlineCandidates)
    return 1;
  bool UseUpperBound = false;
  llvm::computeUnrollCount(&L, Machine, Dominators, &Loops, &Assumptions, Evolution, Ephemeral, &Remarks, Trips,
                           MostTrips, Evolution.isBackedgeTakenCountMaxOrZero(&L), Multiple, Size, UP, PP,
                           UseUpperBound);
  if (PP.PeelCount || (Trips && UP.Count >= Trips) || (UseUpperBound && UP.Count))
    return std::nullopt;
  // At run time LLVM unrolls loops that leave at their latch alone, after trips that can be told before.
  bool IsPossible = Trips || (UP.Runtime && L.getExitingBlock() == L.getLoopLatch() && Found[N::is_countable]);
  return IsPossible ? std::max(1u, UP.Count) : 1;
}

//===- All together -------------------------------------------------------===//

std::optional<LoopFacts> cost::factsOf(llvm::Loop &L, llvm::Function &F, llvm::FunctionAnalysisManager &Manager) {
  if (!L.isInnermost() || !L.getLoopLatch() || hasPragma(L) || !mayCopy(L))
    return std::nullopt;
  LoopFacts Found;
  Found[N::is_vectorised] = isVectorised(L);
  if (isVectorised(L) && (!hasVectors(L) || countsOn(L)))
    return std::nullopt; // the vectoriser's remainders
  auto Factor = llvmFactor(L, F, Manager, Found);
  if (!Factor)
    return std::nullopt;
  Found.LlvmFactor = *Factor;
  Found[N::llvm_factor] = *Factor;
  auto &Evolution = Manager.getResult<llvm::ScalarEvolutionAnalysis>(F);
  auto &Machine = Manager.getResult<llvm::TargetIRAnalysis>(F);
  for (llvm::BasicBlock *B : L.blocks())
    for (llvm::Instruction &I : *B) {
      count(I, L, Found, F.getDataLayout());
      if (isa<llvm::LoadInst, llvm::StoreInst>(I))
        countAddress(I, L, Found, Evolution);
      llvm::InstructionCost Cost = Machine.getInstructionCost(&I, llvm::TargetTransformInfo::TCK_RecipThroughput);
      if (Cost.isValid())
        Found[N::throughput] += double(std::min<int64_t>(Cost.getValue(), 1000));
    }
  findPaths(L, Manager.getResult<llvm::LoopAnalysis>(F), Evolution, Found);
  Found[N::bound] = std::max(Found[N::recurrence], Found[N::memory_recurrence]) / std::max(1.0, Found[N::throughput]);
  Found[N::blocks] = L.getNumBlocks();
  Found[N::depth] = L.getLoopDepth();
  llvm::SmallVector<llvm::BasicBlock *, 4> Exiting;
  L.getExitingBlocks(Exiting);
  Found[N::exits] = double(Exiting.size());
  Found[N::exits_at_latch] = L.isLoopExiting(L.getLoopLatch());
  return Found;
}

void cost::askForFactor(llvm::Loop &L, unsigned Factor) {
  llvm::LLVMContext &C = L.getHeader()->getContext();
  llvm::SmallVector<llvm::Metadata *, 4> Items = {nullptr};
  if (llvm::MDNode *Id = L.getLoopID())
    for (const llvm::MDOperand &Item : llvm::drop_begin(Id->operands()))
      if (!nameOf(Item).starts_with("llvm.loop.unroll"))
        Items.push_back(Item);
  auto *Name = llvm::MDString::get(C, Factor == 1 ? "llvm.loop.unroll.disable" : "llvm.loop.unroll.count");
  auto *Number = llvm::ConstantAsMetadata::get(llvm::ConstantInt::get(llvm::Type::getInt32Ty(C), Factor));
  Items.push_back(Factor == 1 ? llvm::MDNode::get(C, {Name}) : llvm::MDNode::get(C, {Name, Number}));
  llvm::MDNode *Id = llvm::MDNode::getDistinct(C, Items);
  Id->replaceOperandWith(0, Id);
  L.setLoopID(Id);
}
