"""Types as the features see them: width class, register class, registers taken, bytes.

Owns `TypeFacts`. Invariant: any text gives facts; equal texts share one object.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from costmodel.ir.costs import num_bytes
from costmodel.ir.mlir.types import OtherType, ScalarType, ShapedType, VectorType, parse_type

GENERAL, FLOAT_VECTOR, PREDICATE, NO_REGISTER = 0, 1, 2, 3
REGISTER_CLASSES = ("general", "float_vector", "predicate")
_UNIT_BITS = {GENERAL: 64, FLOAT_VECTOR: 128, PREDICATE: 64}
_WIDE_BITS = 32
_NO_VALUE = ("!llvm.void", "!llvm.label", "!llvm.token", "!llvm.metadata", "none")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TypeFacts:
    """Facts of one type; one object for each text, so that objects are compared.

    `width` is one of i32 (integers of up to 32 bits), i64 (wider, and index), f32 (floats of up to 32 bits), f64
    (wider), ptr, vec (vectors and tensors), other. `units` are registers: of 64 bits (general, predicate) or 128 bits.
    """

    width: str
    is_float: bool
    is_vector: bool
    lanes: int
    bits: int
    num_bytes: int
    register: int
    units: int


@lru_cache(maxsize=65536)
def type_facts(text: str) -> TypeFacts:
    """Facts of a type in MLIR's spelling; dynamic dimensions count as 1."""
    kind = parse_type(text)
    if isinstance(kind, ScalarType):
        width = (
            ("f64" if kind.bits > _WIDE_BITS else "f32")
            if kind.is_float
            else "i64"
            if kind.bits > _WIDE_BITS
            else "i32"
        )
        return _facts(text, width, kind, 1, FLOAT_VECTOR if kind.is_float else GENERAL)
    if isinstance(kind, OtherType):
        pointer = text.startswith(("!llvm.ptr", "!tt.ptr"))
        return _facts(text, "ptr" if pointer else "other", None, 1, NO_REGISTER if text in _NO_VALUE else GENERAL)
    if not isinstance(kind, VectorType):
        is_memory = text.lstrip().startswith("memref")
        element = kind.element if isinstance(kind.element, ScalarType) else None
        return _facts(text, "ptr" if is_memory else "vec", element, _lanes(kind), GENERAL)
    element = kind.element if isinstance(kind.element, ScalarType) else None
    predicate = element is not None and element.name == "i1"
    return _facts(text, "vec", element, _lanes(kind), PREDICATE if predicate else FLOAT_VECTOR, is_vector=True)


def _lanes(kind: ShapedType) -> int:
    count = 1
    for size in kind.shape or ():
        count *= 1 if size is None else size
    return count


def _facts(
    text: str, width: str, element: ScalarType | None, lanes: int, register: int, *, is_vector: bool = False
) -> TypeFacts:
    element_bits = element.bits if element is not None else 64
    in_register = is_vector or width not in ("vec", "ptr", "other")
    bits = lanes * element_bits
    unit = _UNIT_BITS.get(register, 1)
    return TypeFacts(
        width=width,
        is_float=element is not None and element.is_float,
        is_vector=is_vector,
        lanes=lanes,
        bits=lanes * (element.bits if element is not None else 0),
        num_bytes=num_bytes(text) or 0,
        register=register,
        units=max(1, -(-bits // unit)) if in_register and register != NO_REGISTER else int(register != NO_REGISTER),
    )
