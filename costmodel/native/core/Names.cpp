//===- Names.cpp - what an operation's name tells -------------------------===//

#include "Names.h"
#include "llvm/ADT/StringSet.h"

using namespace cost;
using llvm::StringRef;

namespace cost {
enum class Columns : uint8_t { None, Integer, Float, Shape, Memory };

struct Group {
  StringRef Name;
  unsigned Latency;
  Columns Split;
  int First, FirstExecuted, ExecutedStep;
  bool IsBusy;
};

#define COSTMODEL_FEATURES_VERSION_VALUE(Version)                              \
  const unsigned FeaturesVersion = Version;
#include "Tables.inc"
#undef COSTMODEL_FEATURES_VERSION_VALUE
} // namespace cost

static const StringRef AllFeatureNames[] = {
#define COSTMODEL_FEATURE(Name) #Name,
#include "Tables.inc"
};

namespace {
enum GroupIndex : unsigned {
#define COSTMODEL_GROUP(Name, L, C, F, X, S, B) G_##Name,
#include "Tables.inc"
};

struct NamedGroup {
  StringRef Name;
  GroupIndex Index;
};
} // namespace

static const Group Groups[] = {
#define COSTMODEL_GROUP(Name, L, C, F, X, S, B)                                \
  {#Name, L, Columns::C, F, X, S, B != 0},
#include "Tables.inc"
};

static const NamedGroup NamedGroups[] = {
#define COSTMODEL_OPERATION(Name, TheGroup) {Name, G_##TheGroup},
#include "Tables.inc"
};

#define COSTMODEL_MATH(Name) Name,
static const StringRef MathNames[] = {
#include "Tables.inc"
};
#define COSTMODEL_SIMPLE_FLOP(Name) Name,
static const StringRef SimpleNames[] = {
#include "Tables.inc"
};
#define COSTMODEL_FUSED_FLOP(Name) Name,
static const StringRef FusedNames[] = {
#include "Tables.inc"
};
#define COSTMODEL_LOAD(Name) Name,
static const StringRef LoadNames[] = {
#include "Tables.inc"
};
#define COSTMODEL_STORE(Name) Name,
static const StringRef StoreNames[] = {
#include "Tables.inc"
};
#define COSTMODEL_CONSTANT(Name) Name,
static const StringRef ConstantNames[] = {
#include "Tables.inc"
};

#define COSTMODEL_MEMORY_WORD(Name) Name,
static const StringRef MemoryWords[] = {
#include "Tables.inc"
};
#define COSTMODEL_SHAPE_WORD(Name) Name,
static const StringRef ShapeWords[] = {
#include "Tables.inc"
};
#define COSTMODEL_CONVERSION_WORD(Name) Name,
static const StringRef ConversionWords[] = {
#include "Tables.inc"
};
#define COSTMODEL_TERMINATOR_WORD(Name) Name,
static const StringRef TerminatorWords[] = {
#include "Tables.inc"
};
#define COSTMODEL_INTEGER_KIND(Name) Name,
static const StringRef IntegerKinds[] = {
#include "Tables.inc"
};

static bool isOneOf(StringRef Name, llvm::ArrayRef<StringRef> Names) {
  return llvm::is_contained(Names, Name);
}

llvm::ArrayRef<StringRef> cost::featureNames() { return AllFeatureNames; }

bool cost::isMathFunction(StringRef Callee) {
  if (isOneOf(Callee, MathNames))
    return true;
  return (Callee.ends_with("f") || Callee.ends_with("l")) &&
         isOneOf(Callee.drop_back(), MathNames);
}

static const Group *byName(StringRef Name, StringRef Lower) {
  const Group *InLower = nullptr;
  for (const NamedGroup &Entry : NamedGroups) {
    if (Entry.Name == Name)
      return &Groups[Entry.Index];
    if (Entry.Name == Lower)
      InLower = &Groups[Entry.Index];
  }
  return InLower;
}

/// Operations that dialects name alike for integers and floats.
static const Group *swapped(const Group *Found, bool IsFloat) {
  static const std::pair<GroupIndex, GroupIndex> OfFloats[] = {
      {G_iadd, G_fadd}, {G_imul, G_fmul}, {G_idiv, G_fdiv},
      {G_iminmax, G_fminmax}, {G_icmp, G_fcmp}};
  static const std::pair<GroupIndex, GroupIndex> OfOthers[] = {
      {G_fneg, G_iadd}, {G_fminmax, G_iminmax}, {G_fround, G_trunc}};
  for (auto [From, To] : IsFloat ? llvm::ArrayRef(OfFloats)
                                 : llvm::ArrayRef(OfOthers))
    if (Found == &Groups[From])
      return &Groups[To];
  return Found;
}

static const Group *groupOf(StringRef Name, bool IsFloat) {
  StringRef Kind = Name.split('.').second;
  bool IsIntrinsic = Kind.consume_front("intr.");
  Kind.consume_front("experimental.constrained.");
  if (Kind.starts_with("vector.reduce."))
    return &Groups[G_reduce];
  if (Kind.starts_with("trunc") && IsIntrinsic)
    return &Groups[G_fround];
  const Group *Found = byName(Kind, Kind.lower());
  if (!Found)
    return &Groups[IsIntrinsic ? G_intrinsic : G_other];
  return swapped(Found, IsFloat);
}

static Role roleOf(StringRef Name) {
  static const StringRef Passed[] = {
      "llvm.sext",    "llvm.zext",          "llvm.trunc",    "llvm.freeze",
      "llvm.bitcast", "llvm.addrspacecast", "llvm.inttoptr", "llvm.ptrtoint"};
  static const std::pair<StringRef, Role> Roles[] = {
      {"llvm.add", Role::Add},
      {"llvm.sub", Role::Sub},
      {"llvm.mul", Role::Mul},
      {"llvm.shl", Role::Shl},
      {"llvm.or", Role::Or},
      {"llvm.getelementptr", Role::Address},
      {"llvm.icmp", Role::Compare},
      {"llvm.load", Role::Load},
      {"llvm.store", Role::Store},
      {"llvm.intr.masked.load", Role::MaskedLoad},
      {"llvm.intr.masked.store", Role::MaskedStore}};
  if (isOneOf(Name, Passed))
    return Role::Passed;
  for (auto [Known, TheRole] : Roles)
    if (Name == Known)
      return TheRole;
  return isOneOf(Name, LoadNames) || isOneOf(Name, StoreNames)
             ? Role::OtherAccess
             : Role::Opaque;
}

static void setFlops(StringRef Kind, NameFacts &Facts) {
  if (isOneOf(Kind, SimpleNames) || Facts.IsMath)
    Facts.FlopsALane = 1;
  else if (isOneOf(Kind, FusedNames))
    Facts.FlopsALane = 2;
}

static bool holdsOneOf(StringRef Kind, llvm::ArrayRef<StringRef> Words) {
  return llvm::any_of(Words, [&](StringRef Word) { return Kind.contains(Word); });
}

/// After `costs.category_of`; which calls are calls, the callee tells.
static Feature categoryOf(StringRef Name, const NameFacts &Facts) {
  StringRef Kind = Name.split('.').second;
  if (Facts.IsConstant)
    return F_mix_constant;
  if (Facts.IsMath)
    return F_mix_math_function;
  if (isOneOf(Kind, SimpleNames) || isOneOf(Kind, FusedNames) ||
      Kind.starts_with("intr.vector.reduce.f"))
    return F_mix_float_arithmetic;
  if (Kind == "icmp" || Kind == "fcmp" || Kind == "select")
    return F_mix_compare_select;
  if (isOneOf(Kind, TerminatorWords))
    return F_mix_control;
  if (Facts.IsLoad || Facts.IsStore || holdsOneOf(Kind, MemoryWords))
    return F_mix_memory;
  bool IsExtension =
      Kind.starts_with("zext") || Kind.starts_with("sext") || Kind.starts_with("ext");
  if (!IsExtension && holdsOneOf(Kind, ShapeWords))
    return F_mix_data_movement;
  if (holdsOneOf(Kind, ConversionWords))
    return F_mix_conversion;
  return isOneOf(Kind, IntegerKinds) ? F_mix_integer_arithmetic : F_mix_other;
}

static NameFacts factsOf(StringRef Name) {
  NameFacts Facts;
  StringRef Kind = Name.split('.').second, Last = Name.rsplit('.').second;
  Facts.ForFloats = groupOf(Name, true);
  Facts.ForOthers = groupOf(Name, false);
  Facts.TheRole = roleOf(Name);
  Facts.IsMath = Kind.starts_with("intr.") && isOneOf(Kind.drop_front(5), MathNames);
  Facts.IsSqrt = Facts.IsMath && Name.ends_with("sqrt");
  Facts.IsCall = Last == "call" || Last == "call_indirect" || Last == "invoke" || Last == "callbr";
  Facts.IsConstant = isOneOf(Name, ConstantNames);
  Facts.IsCompare = Name == "llvm.icmp" || Name == "llvm.fcmp" ||
                    Name == "llvm.intr.is.fpclass";
  Facts.IsLoad = isOneOf(Name, LoadNames);
  Facts.IsStore = isOneOf(Name, StoreNames);
  Facts.IsReduction = Kind.starts_with("intr.vector.reduce.");
  Facts.IsAlloca = Name == "llvm.alloca";
  Facts.MayChange = Name.ends_with("call") || Name.ends_with("invoke") ||
                    Name.ends_with("load");
  setFlops(Kind, Facts);
  Facts.Category = categoryOf(Name, Facts);
  return Facts;
}

const NameFacts &NameTable::name(StringRef Name) {
  auto [Entry, IsNew] = Names.try_emplace(Name);
  if (IsNew) {
    Entry->second = factsOf(Name);
    Entry->second.Spelling = Entry->first();
  }
  return Entry->second;
}

static unsigned columnOf(Columns Split, Width Class) {
  bool IsWide = Class == Width::I64 || Class == Width::F64 || Class == Width::Ptr;
  switch (Split) {
  case Columns::None:
    return 0;
  case Columns::Shape:
    return Class == Width::Vec;
  case Columns::Memory:
    if (Class == Width::Vec)
      return 3;
    if (Class == Width::Ptr)
      return 2;
    return Class == Width::F32 || Class == Width::F64;
  case Columns::Integer:
  case Columns::Float:
    return Class == Width::Vec ? 2 : IsWide;
  }
  return 0;
}

Feature cost::phiFeature(const TypeFacts &Type) {
  return Feature(Groups[G_phi].First + columnOf(Columns::Memory, Type.Class));
}

static const Group *groupOf(const NameFacts &Name, const TypeFacts *Key,
                            Callee Called) {
  if (Name.IsMath || Called == Callee::Math)
    return &Groups[Name.IsSqrt ? G_sqrt : G_math];
  if (Called != Callee::None)
    return &Groups[Called == Callee::Direct ? G_call : G_call_indirect];
  if (Name.IsConstant)
    return &Groups[G_constant];
  return Key && Key->IsFloat ? Name.ForFloats : Name.ForOthers;
}

static OperationFacts build(const NameFacts &Name, const TypeFacts *Key,
                            const TypeFacts *Result, Callee Called) {
  const Group *Found = groupOf(Name, Key, Called);
  unsigned Column = columnOf(Found->Split, Key ? Key->Class : Width::Other);
  OperationFacts Facts;
  Facts.Name = &Name;
  Facts.Count = Feature(Found->First + Column);
  if (Found->FirstExecuted >= 0)
    Facts.Executed = Found->FirstExecuted + Column * Found->ExecutedStep;
  Facts.Latency = Found->Latency;
  Facts.IsMath = Name.IsMath || Called == Callee::Math;
  Facts.IsCall = Called != Callee::None;
  Facts.Category = Called == Callee::Math   ? F_mix_math_function
                   : Called != Callee::None ? F_mix_call
                                            : Name.Category;
  Facts.IsAccess = Name.IsLoad || Name.IsStore;
  Facts.IsBusy = Found->IsBusy;
  if (Result)
    Facts.Flops = Result->Lanes * (Facts.IsMath ? 1 : Name.FlopsALane);
  if (Facts.IsAccess && Key)
    Facts.Bytes = Key->Bytes;
  if (Result && Result->IsVector) {
    Facts.IsVector = true;
    Facts.Lanes = Result->Lanes;
    Facts.Bits = Result->Bits;
  }
  return Facts;
}

const OperationFacts &NameTable::operation(const NameFacts &Name,
                                           const TypeFacts *Key,
                                           const TypeFacts *Result,
                                           Callee Called) {
  unsigned Kind = unsigned(Called) * 2 + (Result != nullptr);
  OperationFacts *&Found = Operations[{&Name, {Key, Kind}}];
  if (!Found) {
    Storage.push_back(build(Name, Key, Result, Called));
    Found = &Storage.back();
  }
  return *Found;
}
