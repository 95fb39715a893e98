"""Attributes of vector operations that their custom form leaves out or writes without braces.

Owns kinds, positions, permutation maps and bounds. Invariant: what is added reads as the generic form prints it; what
the operation's dictionary says is not said twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from costmodel.ir.mlir.custom.slices import DYNAMIC, array, segments, static_values
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.syntax import split_items
from costmodel.ir.mlir.types import ShapedType, VectorType, parse_type

_KIND = re.compile(r"\s*<(\w+)>")
_FLAGS = re.compile(r"\bfastmath<([^<>]*)>")
_BRACKET = re.compile(r"\[([^\[\]<>]*)\]")
_TRANSFER = re.compile(r"[^\[]*\[([^\[\]]*)\]([^:]*):(.*)", re.DOTALL)


def _kinded(operation: Operation, text: str) -> None:
    kind = _KIND.match(text)
    if kind is None:
        return
    found = f"kind = #vector.kind<{kind[1]}>"
    if operation.name == "vector.multi_reduction":
        dims = _BRACKET.search(text)
        found += f", reduction_dims = {array(static_values(dims[1]))}" if dims is not None else ""
    elif operation.name == "vector.reduction":
        flags = _FLAGS.search(text)
        found = f"fastmath = #arith.fastmath<{flags[1] if flags is not None else 'none'}>, {found}"
    operation._property_text = found


def _adding(operation: Operation, text: str) -> None:
    if "kind" not in operation._attribute_text:
        operation._property_text = "kind = #vector.kind<add>"


def _listed(name: str) -> Callable[[Operation, str], None]:
    def found(operation: Operation, text: str) -> None:
        match = _BRACKET.search(text)
        if match is not None and DYNAMIC not in static_values(match[1]):
            operation._property_text = f"{name} = {array(static_values(match[1]))}"

    return found


def _position(operation: Operation, text: str) -> None:
    match = _BRACKET.search(text)
    if match is not None:
        operation._property_text = f"static_position = {array(static_values(match[1]))}"


def _transfer(operation: Operation, text: str) -> None:
    match = _TRANSFER.match(text)
    if match is None:
        return
    kinds = [parse_type(item) for item in split_items(match[3])[:2]]
    vector = next((kind for kind in kinds if isinstance(kind, VectorType)), None)
    memory = next((kind for kind in kinds if isinstance(kind, ShapedType) and kind is not vector), None)
    if vector is None or memory is None or memory.shape is None or vector.shape is None:
        return
    masked = match[2].count("%") - (operation.name == "vector.transfer_read")
    parts = [segments(1, match[1].count("%") or 0, 1, int(masked > 0))]
    if operation.name == "vector.transfer_write":
        parts = [segments(1, 1, match[1].count("%") or 0, int(masked > 0))]
    if "permutation_map" not in operation._attribute_text:
        dims = [f"d{number}" for number in range(len(memory.shape))]
        minor = dims[len(dims) - len(vector.shape) :] if len(dims) >= len(vector.shape) else dims
        parts.append(f"permutation_map = affine_map<({', '.join(dims)}) -> ({', '.join(minor)})>")
    if "in_bounds" not in operation._attribute_text:
        parts.append(f"in_bounds = [{', '.join(['false'] * len(vector.shape))}]")
    operation._property_text = ", ".join(parts)


INHERENT: dict[str, Callable[[Operation, str], None]] = {
    "vector.constant_mask": _listed("mask_dim_sizes"),
    "vector.contract": _adding,
    "vector.extract": _position,
    "vector.insert": _position,
    "vector.multi_reduction": _kinded,
    "vector.outerproduct": _adding,
    "vector.reduction": _kinded,
    "vector.shuffle": _listed("mask"),
    "vector.transfer_read": _transfer,
    "vector.transfer_write": _transfer,
    "vector.transpose": _listed("permutation"),
}
