//===- TypeFacts.cpp - types as the features see them ---------------------===//

#include "TypeFacts.h"
#include <algorithm>

using namespace cost;

static uint64_t unitsOf(uint64_t Bits, RegisterClass Register) {
  uint64_t Unit = Register == FloatVector ? 128 : 64;
  return std::max<uint64_t>(1, (Bits + Unit - 1) / Unit);
}

TypeFacts cost::scalarFacts(uint64_t Bits, bool IsFloat, const std::string &Name) {
  TypeFacts Facts;
  Facts.Label = Name;
  bool IsWide = Bits > 32;
  Facts.Class = IsFloat ? (IsWide ? Width::F64 : Width::F32)
                        : (IsWide ? Width::I64 : Width::I32);
  Facts.Register = IsFloat ? FloatVector : General;
  Facts.IsFloat = IsFloat;
  Facts.Bits = Bits;
  Facts.Bytes = (Bits + 7) / 8;
  Facts.Units = unitsOf(Bits, Facts.Register);
  return Facts;
}

TypeFacts cost::pointerFacts() {
  TypeFacts Facts;
  Facts.Class = Width::Ptr;
  Facts.Label = "!llvm.ptr";
  Facts.Bytes = 8;
  return Facts;
}

TypeFacts cost::otherFacts(bool HasRegister, const std::string &Label) {
  TypeFacts Facts;
  Facts.Label = Label;
  Facts.Register = HasRegister ? General : NoRegister;
  Facts.Units = HasRegister;
  return Facts;
}

TypeFacts cost::vectorFacts(uint64_t Lanes, uint64_t ElementBits, bool IsFloat,
                                 const std::string &Element) {
  TypeFacts Facts;
  Facts.Label = "vector" + std::to_string(Lanes) + "x" + Element.substr(0, 16);
  Facts.Class = Width::Vec;
  Facts.Register = ElementBits == 1 && !IsFloat ? Predicate : FloatVector;
  Facts.IsFloat = IsFloat;
  Facts.IsVector = true;
  Facts.Lanes = Lanes;
  Facts.Bits = Lanes * ElementBits;
  Facts.Bytes = (Facts.Bits + 7) / 8;
  Facts.Units = unitsOf(Lanes * (ElementBits ? ElementBits : 64), Facts.Register);
  return Facts;
}
