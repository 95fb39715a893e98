"""Rules for memory: loads, stores, stack slots, addresses, atomic operations."""

from __future__ import annotations

import re

from costmodel.core.errors import ParseError
from costmodel.ir.llvm.operands import FLAGS, ORDERING, TYPED_QUICKLY, Parsed, alignment, items_of, operand
from costmodel.ir.llvm.types import UNKNOWN_TYPE, mlir_type

_DYNAMIC_INDEX = -2147483648
_ORDERINGS = {"unordered": 1, "monotonic": 2, "acquire": 4, "release": 5, "acq_rel": 6, "seq_cst": 7}


def load(opcode: str, rest: str) -> Parsed:
    """`T, ptr %p, align 4`."""
    flags = FLAGS.match(rest)
    items = items_of(rest[flags.end() :] if flags is not None else rest)
    if len(items) < 2:
        raise ParseError(f"expected 'TYPE, ptr VALUE' after load, found {rest[:60]!r}")
    properties = _access(flags, items)
    return Parsed("llvm.load", [operand(ORDERING.sub("", items[1]))], mlir_type(items[0]), properties)


def store(opcode: str, rest: str) -> Parsed:
    """`T %v, ptr %p, align 4`."""
    flags = FLAGS.match(rest)
    items = items_of(rest[flags.end() :] if flags is not None else rest)
    if len(items) < 2:
        raise ParseError(f"expected 'TYPE VALUE, ptr VALUE' after store, found {rest[:60]!r}")
    properties = _access(flags, items)
    return Parsed("llvm.store", [operand(items[0]), operand(ORDERING.sub("", items[1]))], None, properties)


def _access(flags: re.Match[str] | None, items: list[str]) -> str:
    """Properties of a load or store, as MLIR's LLVM dialect names them."""
    found = [alignment(items[2:])]
    if flags is not None:
        order = ORDERING.search(items[1]) if "atomic " in flags[0] else None
        found.append(f"ordering = {_ORDERINGS[order[0].split()[-1]]} : i64" if order is not None else "")
        found.append("volatile_" if "volatile " in flags[0] else "")
    return ", ".join(part for part in found if part)


def alloca(opcode: str, rest: str) -> Parsed:
    """`T, i32 %n, align 4`; one element where no number is said."""
    items = items_of(rest.removeprefix("inalloca "))
    size = next((operand(item) for item in items[1:] if TYPED_QUICKLY.fullmatch(item) and item[0] == "i"), ("i32", "1"))
    properties = [f"elem_type = {mlir_type(items[0])}", alignment(items[1:])]
    return Parsed("llvm.alloca", [size], "!llvm.ptr", ", ".join(part for part in properties if part))


def getelementptr(opcode: str, rest: str) -> Parsed:
    """Constant indices become an attribute, others operands."""
    flags = FLAGS.match(rest)
    items = items_of(rest[flags.end() :] if flags is not None else rest)
    operands = [operand(items[1])]
    indices: list[int] = []
    result = operands[0][0]
    for item in items[2:]:
        kind, value = operand(item)
        if value.lstrip("-").isdigit() and not kind.startswith("vector"):
            indices.append(int(value))
        else:
            indices.append(_DYNAMIC_INDEX)
            operands.append((kind, value))
        if kind.startswith("vector") and not result.startswith("vector"):
            result = f"{kind[: kind.rindex('x') + 1]}!llvm.ptr>"
    constants = ", ".join(map(str, indices))
    properties = f"elem_type = {mlir_type(items[0])}, rawConstantIndices = array<i32: {constants}>"
    return Parsed("llvm.getelementptr", operands, result, properties)


def atomic(opcode: str, rest: str) -> Parsed:
    """`atomicrmw` and `cmpxchg`."""
    words = rest.split(" ")
    while (words and words[0] in ("volatile", "weak")) or (
        opcode == "atomicrmw" and words and words[0].isidentifier() and words[0] != "ptr"
    ):
        words.pop(0)
    items = items_of(" ".join(words))
    operands = [operand(ORDERING.sub("", item)) for item in items if not item.startswith("align")]
    kind = operands[1][0] if len(operands) > 1 else UNKNOWN_TYPE
    result = f"!llvm.struct<({kind}, i1)>" if opcode == "cmpxchg" else kind
    return Parsed(f"llvm.{opcode}", operands, result, alignment(items))


def fence(opcode: str, rest: str) -> Parsed:
    """No operands."""
    return Parsed("llvm.fence", [], None)


def va_arg(opcode: str, rest: str) -> Parsed:
    """`ptr %list, T`."""
    items = items_of(rest)
    return Parsed("llvm.va_arg", [operand(items[0])], mlir_type(items[-1]))
