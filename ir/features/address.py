"""Sizes of types and what address computations add: bytes of elements, of struct fields, along dimensions.

Owns layout: natural alignment up to 8 bytes, none in packed structs; a named struct has no known size.
"""

from __future__ import annotations

import re
from functools import lru_cache

from costmodel.ir import costs
from costmodel.ir.mlir.attributes import parse_int_array
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.syntax import split_items
from costmodel.ir.mlir.types import MemRefType, ShapedType, TensorType, parse_type

DYNAMIC_INDEX = -(2**31)
_PACKED = "!llvm.struct<packed"
_STRIDED = re.compile(r"strided<\[([^\]]*)\]")


def element_sizes(owner: Operation) -> tuple[int | None, ...]:
    """0, then the bytes that one more of each dynamic index of an address computation moves; () where not known."""
    attribute, indices = owner.attribute("elem_type"), owner.attribute("rawConstantIndices")
    if attribute is None or indices is None:
        return ()
    found: list[int | None] = [0]
    text: str | None = str(attribute)
    for place, index in enumerate(integers(str(indices))):
        if place:
            text = _member(text, index)
        if index == DYNAMIC_INDEX:
            found.append(type_bytes(text) if text is not None else None)
    return tuple(found)


@lru_cache(maxsize=4096)
def integers(text: str) -> tuple[int, ...]:
    """The numbers of an attribute `array<i32: ...>`."""
    return parse_int_array(text)


def single_offset(owner: Operation) -> int | None:
    """Bytes that a `getelementptr` of one constant index adds; None for any other."""
    attribute, indices = owner.attribute("elem_type"), owner.attribute("rawConstantIndices")
    if attribute is None or indices is None:
        return None
    numbers = integers(str(indices))
    size = type_bytes(str(attribute))
    return numbers[0] * size if len(numbers) == 1 and size is not None else None


@lru_cache(maxsize=4096)
def type_bytes(text: str) -> int | None:
    """Bytes from one element to the next of an LLVM type, natural alignment; None for a named struct."""
    text = _whole(text.strip())
    if text.startswith("!llvm.array<"):
        count, _, element = text[len("!llvm.array<") : -1].partition(" x ")
        size = type_bytes(element)
        return int(count) * size if size is not None and count.strip().isdigit() else None
    if text.startswith("!llvm.struct<") and "(" in text and '"' not in text:
        return _struct_bytes(text)
    size = costs.num_bytes(text)
    if size is None:
        return None
    return 1 << (size - 1).bit_length() if size else 0


def _struct_bytes(text: str) -> int | None:
    """Size of a literal struct, 0 fields included; packed ones have no gaps."""
    ends = _field_ends(text)
    return None if ends is None else -(-ends[-1] // _alignment(text)) * _alignment(text) if ends else 0


def _field_ends(text: str) -> tuple[int, ...] | None:
    """Where each field of a literal struct ends."""
    offset, ends = 0, []
    packed = text.startswith(_PACKED)
    for field in _fields(text):
        size = type_bytes(field)
        if size is None:
            return None
        align = 1 if packed else _alignment(field)
        offset = -(-offset // align) * align + size
        ends.append(offset)
    return tuple(ends)


def _fields(text: str) -> list[str]:
    return split_items(text[text.index("(") + 1 : text.rindex(")")])


def _whole(text: str) -> str:
    """A type as it stands alone: inside of its own types the LLVM dialect prints `ptr`, `array<`, `struct<`."""
    return f"!llvm.{text}" if text == "ptr" or text.startswith(("ptr<", "array<", "struct<")) else text


@lru_cache(maxsize=4096)
def _alignment(text: str) -> int:
    """Natural alignment in bytes, at most 8."""
    text = _whole(text)
    if text.startswith("!llvm.array<"):
        return _alignment(text[len("!llvm.array<") : -1].partition(" x ")[2])
    if text.startswith("!llvm.struct<") and "(" in text:
        return 1 if text.startswith(_PACKED) else max([_alignment(field) for field in _fields(text)], default=1)
    size = type_bytes(text)
    return min(8, size & -size) if size else 1


@lru_cache(maxsize=4096)
def _member(text: str | None, index: int) -> str | None:
    if text is None:
        return None
    text = _whole(text)
    if text.startswith("!llvm.array<"):
        return text[len("!llvm.array<") : -1].partition(" x ")[2]
    if text.startswith("!llvm.struct<") and "(" in text and index >= 0:
        fields = split_items(text[text.index("(") + 1 : text.rindex(")")])
        return fields[index] if index < len(fields) else None
    kind = parse_type(text)
    return str(kind.element) if isinstance(kind, ShapedType) else None


@lru_cache(maxsize=4096)
def pointee_bytes(text: str) -> int | None:
    """Bytes of what a Triton pointer points at; 1 for other types."""
    start = text.find("!tt.ptr<")
    return (
        costs.num_bytes(split_items(text[start + len("!tt.ptr<") : text.rindex(">")].rstrip(">"))[0])
        if start >= 0
        else 1
    )


@lru_cache(maxsize=4096)
def strides_of(type_text: str) -> tuple[int | None, ...]:
    """Bytes from one element to the next along each dimension of a memref or tensor; None where dynamic."""
    kind = parse_type(type_text)
    if not isinstance(kind, (MemRefType, TensorType)) or kind.shape is None:
        return ()
    element = costs.num_bytes(str(kind.element))
    if element is None:
        return (None,) * len(kind.shape)
    strided = _STRIDED.search(kind.suffix)
    if strided is not None:
        parts = [item.strip() for item in strided[1].split(",")]
        return tuple(int(item) * element if item.lstrip("-").isdigit() else None for item in parts)
    found: list[int | None] = []
    size: int | None = element
    for dimension in reversed(kind.shape):
        found.append(size)
        size = None if size is None or dimension is None else size * dimension
    return tuple(reversed(found))


def constant_offset(owner: Operation) -> int | None:
    """Bytes that the constant indices of a `getelementptr` add together; None where a size is not known."""
    attribute, indices = owner.attribute("elem_type"), owner.attribute("rawConstantIndices")
    if attribute is None or indices is None:
        return None
    total, text = 0, str(attribute)
    for place, index in enumerate(integers(str(indices))):
        constant = index if index != DYNAMIC_INDEX else 0
        if place and text.startswith("!llvm.struct<"):
            offset = _field_offset(text, constant)
            if offset is None:
                return None
            total += offset
            text = _member(text, constant) or ""
            continue
        text = _member(text, 0) or "" if place else text
        if constant:
            size = type_bytes(text)
            if size is None:
                return None
            total += constant * size
    return total


@lru_cache(maxsize=4096)
def _field_offset(text: str, index: int) -> int | None:
    """Bytes before a field of a literal struct."""
    ends = _field_ends(text) if "(" in text and '"' not in text else None
    if ends is None or not 0 <= index < len(ends):
        return None
    size = type_bytes(_fields(text)[index])
    return None if size is None else ends[index] - size
