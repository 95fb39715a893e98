"""Rules for what takes vectors, arrays and structs apart and puts them together."""

from __future__ import annotations

import re

from costmodel.ir.llvm.operands import Parsed, items_of, operand
from costmodel.ir.mlir.syntax import split_items


def extractelement(opcode: str, rest: str) -> Parsed:
    """`<4 x float> %v, i32 1`."""
    operands = [operand(item) for item in items_of(rest)]
    kind = operands[0][0]
    return Parsed("llvm.extractelement", operands, kind[kind.rindex("x") + 1 : -1])


def insertelement(opcode: str, rest: str) -> Parsed:
    """`<4 x float> %v, float %x, i32 1`."""
    operands = [operand(item) for item in items_of(rest)]
    return Parsed("llvm.insertelement", operands, operands[0][0])


def shufflevector(opcode: str, rest: str) -> Parsed:
    """Two vectors and a mask, which becomes an attribute."""
    operands = [operand(item) for item in items_of(rest)]
    kind, mask_kind = operands[0][0], operands[2][0]
    result = f"{mask_kind[: mask_kind.rindex('x') + 1]}{kind[kind.rindex('x') + 1 :]}"
    values = re.findall(r"i32 (-?\d+)", operands[2][1])
    return Parsed(
        "llvm.shufflevector", operands[:2], result, f"mask = array<i32: {', '.join(values)}>" if values else ""
    )


def extractvalue(opcode: str, rest: str) -> Parsed:
    """`{ i32, i1 } %s, 1`: the member's type from the aggregate's."""
    items = items_of(rest)
    kind, value = operand(items[0])
    result = kind
    for index in items[1:]:
        result = _member(result, int(index))
    return Parsed("llvm.extractvalue", [(kind, value)], result, f"position = array<i64: {', '.join(items[1:])}>")


def _member(kind: str, index: int) -> str:
    if kind.startswith("!llvm.array<"):
        return kind[len("!llvm.array<") : -1].partition(" x ")[2]
    if kind.startswith("!llvm.struct<") and "(" in kind:
        fields = split_items(kind[kind.index("(") + 1 : -2])
        if index < len(fields):
            return fields[index]
    return "!llvm<member>"


def insertvalue(opcode: str, rest: str) -> Parsed:
    """`{ i32, i1 } %s, i1 %x, 1`."""
    items = items_of(rest)
    operands = [operand(items[0]), operand(items[1])]
    return Parsed("llvm.insertvalue", operands, operands[0][0], f"position = array<i64: {', '.join(items[2:])}>")
