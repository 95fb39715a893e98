"""Token and numbers of one graph node, from the text of a type, an attribute or a constant.

Owns the meaning of `NUM_COLUMNS`. Invariant: a function of the text alone, cached; numbers stay numbers.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from costmodel.ir import semantics
from costmodel.ir.graph import NUM_COLUMNS
from costmodel.ir.mlir.types import MemRefType, OtherType, ScalarType, TensorType, parse_type
from costmodel.ir.vocabulary import token_id

Row = tuple[float, ...]
ZERO: Row = (0.0,) * len(NUM_COLUMNS)
_FIRST_DIM = NUM_COLUMNS.index("dim_last_log2")
_INTEGERS = re.compile(r"-?\d+")
_ARRAY = re.compile(r"array<i\d+(?::[^<>]*)?>|\[[\s\d,:i\-]*\]")
_OTHER_HEAD = re.compile(r"!?[\w$.]+")
_ADDRESS_SPACE = re.compile(r"!llvm\.ptr<(\d{1,9})>")
LIBRARY = frozenset(
    f"{name}{suffix}"
    for name in ("exp", "log", "tanh", "erf", "sin", "cos", "pow", "sqrt", "cbrt", "log2", "exp2", "fma", "fmod")
    for suffix in ("", "f", "l")
) | {"malloc", "calloc", "free", "memcpy", "memset", "memmove", "printf", "puts", "abort", "aligned_alloc"}


def log_magnitude(value: float) -> float:
    """`log2(1 + |value|)` with the sign of `value`."""
    return math.copysign(math.log2(1.0 + abs(value)), value)


def row_of(**columns: float) -> Row:
    """A row that is zero but for the columns named."""
    row = list(ZERO)
    for name, value in columns.items():
        row[NUM_COLUMNS.index(name)] = value
    return tuple(row)


@lru_cache(maxsize=65536)
def type_row(text: str) -> tuple[int, Row]:
    """Token and numbers of a type."""
    kind = parse_type(text)
    if isinstance(kind, ScalarType):
        return token_id(f"type:scalar:{kind}"), (0.0, 0.0, kind.bits / 64, float(kind.is_float), *ZERO[4:])
    if isinstance(kind, OtherType):
        head = _OTHER_HEAD.match(kind.text)
        space = _ADDRESS_SPACE.fullmatch(kind.text)
        if space is not None:
            return token_id("type:other:!llvm.ptr"), row_of(address_space=float(space[1]))
        return token_id(f"type:other:{head[0]}" if head else "type:function"), ZERO
    name = "tensor" if isinstance(kind, TensorType) else "memref" if isinstance(kind, MemRefType) else "vector"
    row = list(ZERO)
    if isinstance(kind.element, ScalarType):
        row[2], row[3] = kind.element.bits / 64, float(kind.element.is_float)
    shape = kind.shape or ()
    row[4] = float(len(shape))
    row[5] = log_magnitude(float(math.prod(size for size in shape if size is not None)))
    for index, size in enumerate(shape[::-1][:4]):
        row[_FIRST_DIM + index] = log_magnitude(float(size or 0))
    row[10] = float(sum(size is None for size in shape))
    return token_id(f"type:{name}"), tuple(row)


@lru_cache(maxsize=65536)
def attribute_row(name: str, text: str) -> tuple[int, Row]:
    """Token and numbers of an attribute: numbers stay numbers, short words become part of the token."""
    number = semantics.number_of(text)
    if number is not None:
        return token_id(f"attribute:{name}"), (log_magnitude(number), 1.0, *ZERO[2:])
    if _ARRAY.fullmatch(text):
        body = text.partition(":")[2] if text.startswith("array") else text
        values = [float(value) for value in _INTEGERS.findall(body)]
        row = list(ZERO)
        row[5] = log_magnitude(float(len(values)))
        for index, value in enumerate(values[::-1][:4]):
            row[_FIRST_DIM + index] = log_magnitude(value)
        return token_id(f"attribute:{name}"), tuple(row)
    return token_id(f"attribute:{name}={semantics.canonical_attribute(text)}"), ZERO
