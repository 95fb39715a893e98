"""Attributes of memref and tensor operations that their custom form writes in brackets.

Owns slices (`[%i, 0] [4, 8] [1, 1]`), paddings, allocations and reshapes. Invariant: what is added reads as the generic
form prints it; a text of another shape adds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.syntax import split_items

DYNAMIC = -(2**63)
_BRACKET = re.compile(r"\[([^\[\]<>]*)\]")
_GROUPS = re.compile(r"\[(?:\s*\[[\d, ]*\]\s*,?)*\s*\]")
_ALLOCATION = re.compile(r"\s*\(([^()]*)\)\s*(?:\[([^\[\]]*)\])?")
_PADDING = re.compile(r"\b(low|high)\s*\[([^\[\]]*)\]")
_OUTPUT_SHAPE = re.compile(r"\boutput_shape\s*\[([^\[\]]*)\]")


def static_values(text: str) -> list[int]:
    """The items of a list, `DYNAMIC` where one is a value."""
    items = [item.strip() for item in split_items(text)]
    return [int(item) if item.lstrip("-").isdigit() and len(item) < 20 else DYNAMIC for item in items]


def array(values: list[int]) -> str:
    """`array<i64: 1, 2>`."""
    return f"array<i64: {', '.join(map(str, values))}>" if values else "array<i64>"


def segments(*counts: int) -> str:
    """`operandSegmentSizes`."""
    return f"operandSegmentSizes = array<i32: {', '.join(map(str, counts))}>"


def _slice(sources: int) -> Callable[[Operation, str], None]:
    def found(operation: Operation, text: str) -> None:
        columns = [static_values(match[1]) for match in _BRACKET.finditer(text)][:3]
        if len(columns) != 3:
            return
        dynamic = [sum(value == DYNAMIC for value in column) for column in columns]
        offsets, sizes, strides = (array(column) for column in columns)
        operation._property_text = (
            f"{segments(*[1] * sources, *dynamic)}, static_offsets = {offsets}, static_sizes = {sizes}, "
            f"static_strides = {strides}"
        )

    return found


def _pad(operation: Operation, text: str) -> None:
    columns = {match[1]: static_values(match[2]) for match in _PADDING.finditer(text)}
    if len(columns) == 2:
        low, high = columns["low"], columns["high"]
        operation._property_text = (
            f"{segments(1, low.count(DYNAMIC), high.count(DYNAMIC))}, static_high = {array(high)}, "
            f"static_low = {array(low)}"
        )


def _allocation(operation: Operation, text: str) -> None:
    match = _ALLOCATION.match(text)
    if match is not None:
        operation._property_text = segments(match[1].count("%"), (match[2] or "").count("%"))


def _reshape(operation: Operation, text: str) -> None:
    groups = _GROUPS.search(text)
    if groups is None:
        return
    operation._property_text = f"reassociation = {groups[0]}"
    shape = _OUTPUT_SHAPE.search(text)
    if shape is not None:
        operation._property_text += f", static_output_shape = {array(static_values(shape[1]))}"


INHERENT: dict[str, Callable[[Operation, str], None]] = {
    "memref.subview": _slice(1),
    "memref.reinterpret_cast": _slice(1),
    "tensor.extract_slice": _slice(1),
    "tensor.insert_slice": _slice(2),
    "tensor.parallel_insert_slice": _slice(2),
    "tensor.pad": _pad,
    "memref.alloc": _allocation,
    "memref.alloca": _allocation,
    "memref.expand_shape": _reshape,
    "memref.collapse_shape": _reshape,
    "tensor.expand_shape": _reshape,
    "tensor.collapse_shape": _reshape,
}
