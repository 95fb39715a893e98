//===- TypeFacts.h - types as the features see them -------------*- C++ -*-===//
//
// What ir/features/kinds.py says about a type. Both front ends describe their
// types through the functions below, so that equal types give equal facts.
//
//===----------------------------------------------------------------------===//

#ifndef COSTMODEL_CORE_TYPEFACTS_H
#define COSTMODEL_CORE_TYPEFACTS_H

#include <cstdint>
#include <string>

namespace cost {

enum class Width : uint8_t { I32, I64, F32, F64, Ptr, Vec, Other };
enum RegisterClass : uint8_t { General, FloatVector, Predicate, NoRegister };
constexpr unsigned NumRegisterClasses = 4;

struct TypeFacts {
  Width Class = Width::Other;
  RegisterClass Register = General;
  bool IsFloat = false;
  bool IsVector = false;
  uint64_t Lanes = 1;
  uint64_t Bits = 0;  ///< Of a value; 0 where the element has no known width.
  uint64_t Bytes = 0; ///< Of a value in memory; 0 where not known.
  uint64_t Units = 1; ///< Registers of 64 or 128 bits.
  std::string Label;  ///< Short word of counts by type: `i32`, `vector4xf32`.
};

/// \p Name is MLIR's: `i32`, `bf16`.
TypeFacts scalarFacts(uint64_t Bits, bool IsFloat, const std::string &Name);
TypeFacts pointerFacts();
/// Structs, arrays and everything else; void, labels, tokens and metadata take
/// no register.
TypeFacts otherFacts(bool HasRegister, const std::string &Label);
/// \p ElementBits is 0 for elements that are no numbers (pointers).
TypeFacts vectorFacts(uint64_t Lanes, uint64_t ElementBits, bool IsFloat,
                      const std::string &Element);

} // namespace cost

#endif
