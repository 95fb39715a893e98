"""MLIR types from their text: shapes and element types of what a cost model must know, the rest kept as text.

Owns `parse_type`. Invariant: any text gives a type (`OtherType` at worst); results are cached and immutable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from costmodel.ir.mlir.syntax import split_items

_SHAPED = re.compile(r"(tensor|memref|vector)\s*<(.*)>", re.DOTALL)
_DIMENSION = re.compile(r"\s*(\[?\d{1,18}\]?|\?|\*)\s*x")
_SCALAR = re.compile(r"(?:[su]?i\d{1,9}|index|bf16|tf32|f\d{1,3}\w*)")
_BITS = re.compile(r"[su]?i(\d+)|bf(\d+)|tf(\d+)|f(\d+)")


@dataclass(frozen=True, slots=True)
class ScalarType:
    """`i32`, `f32`, `bf16`, `index`, ... ."""

    name: str

    @property
    def bits(self) -> int:
        """Width in bits; `index` counts as 64, `tf32` as 32 (its storage)."""
        if self.name == "tf32":
            return 32
        match = _BITS.match(self.name)
        return int(next(group for group in match.groups() if group)) if match else 64

    @property
    def is_float(self) -> bool:
        """True for every floating-point type."""
        return self.name[0] in "fbt"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class OtherType:
    """A type that is neither shaped nor scalar (`!llvm.ptr`, `() -> i32`, `complex<f32>`), as text."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class _ShapedType:
    """Shape (None for a dynamic dimension), element type, and what follows (layout, memory space, encoding).

    `shape` itself is None for an unranked type.
    """

    shape: tuple[int | None, ...] | None
    element: ScalarType | OtherType
    suffix: str = ""

    @property
    def rank(self) -> int | None:
        """Number of dimensions, None when unranked."""
        return None if self.shape is None else len(self.shape)

    @property
    def num_elements(self) -> int | None:
        """Product of the dimensions; None when one is dynamic."""
        if self.shape is None:
            return None
        sizes = [size for size in self.shape if size is not None]
        return prod(sizes) if len(sizes) == len(self.shape) else None

    @property
    def num_bytes(self) -> int | None:
        """Bytes of the elements, rounded up; None when dynamic or of unknown width."""
        count = self.num_elements
        return None if count is None or isinstance(self.element, OtherType) else (count * self.element.bits + 7) // 8


@dataclass(frozen=True, slots=True)
class TensorType(_ShapedType):
    """`tensor<4x?xf32>`; `suffix` is the encoding."""


@dataclass(frozen=True, slots=True)
class MemRefType(_ShapedType):
    """`memref<4x4xf32, strided<[4, 1]>, 1>`; `suffix` is layout and memory space."""


@dataclass(frozen=True, slots=True)
class VectorType(_ShapedType):
    """`vector<4x8xf32>`; a scalable dimension `[4]` counts with its base size."""


ShapedType = _ShapedType
Type = ScalarType | OtherType | TensorType | MemRefType | VectorType
_CLASSES: dict[str, type[TensorType] | type[MemRefType] | type[VectorType]] = {
    "tensor": TensorType,
    "memref": MemRefType,
    "vector": VectorType,
}


def _element(text: str) -> ScalarType | OtherType:
    stripped = text.strip()
    return ScalarType(stripped) if _SCALAR.fullmatch(stripped) else OtherType(stripped)


@lru_cache(maxsize=65536)
def parse_type(text: str) -> Type:
    """Parse one type; never raises."""
    text = text.strip()
    match = _SHAPED.fullmatch(text)
    if match is None:
        return _element(text)
    inside = match[2]
    dims: list[int | None] = []
    unranked = False
    position = 0
    while dimension := _DIMENSION.match(inside, position):
        size = dimension[1].strip("[]")
        unranked = unranked or size == "*"
        dims.append(int(size) if size.isdigit() else None)
        position = dimension.end()
    parts = split_items(inside[position:])
    if not parts:
        return OtherType(text)
    return _CLASSES[match[1]](None if unranked else tuple(dims), _element(parts[0]), ", ".join(parts[1:]))
