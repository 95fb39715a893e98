"""Rules for arithmetic: binary operations, casts, comparisons, select, and what keeps its operand's type."""

from __future__ import annotations

from costmodel.core.errors import ParseError
from costmodel.ir.llvm.operands import FLAGS, Parsed, flag_text, items_of, operand
from costmodel.ir.llvm.types import mlir_type

_PREDICATES = {name: number for number, name in enumerate("eq ne slt sle sgt sge ult ule ugt uge".split())}
_FLOAT_PREDICATES = {
    name: number
    for number, name in enumerate("false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true".split())
}
BINARY = frozenset("add sub mul udiv sdiv urem srem shl lshr ashr and or xor fadd fsub fmul fdiv frem".split())
CASTS = frozenset(
    "trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast addrspacecast "
    "ptrtoaddr".split()
)


def binary(opcode: str, rest: str) -> Parsed:
    """`nsw i32 %a, %b`: one type for both."""
    flags = FLAGS.match(rest)
    if flags is not None:
        rest = rest[flags.end() :]
    items = items_of(rest)
    if len(items) != 2:
        raise ParseError(f"expected two operands of {opcode}, found {rest[:60]!r}")
    kind, left = operand(items[0])
    return Parsed(f"llvm.{opcode}", [(kind, left), (kind, items[1])], kind, flag_text(flags))


def cast(opcode: str, rest: str) -> Parsed:
    """`i32 %x to i64`."""
    flags = FLAGS.match(rest)
    rest = rest[flags.end() :] if flags is not None else rest
    value, arrow, kind = rest.rpartition(" to ")
    if not arrow:
        raise ParseError(f"expected 'TYPE VALUE to TYPE' after {opcode}, found {rest[:60]!r}")
    return Parsed(f"llvm.{opcode}", [operand(value)], mlir_type(kind))


def compare(opcode: str, rest: str) -> Parsed:
    """`slt i32 %a, %b`: the predicate becomes its number in MLIR."""
    flags = FLAGS.match(rest)
    rest = rest[flags.end() :] if flags is not None else rest
    predicate, _, rest = rest.partition(" ")
    items = items_of(rest)
    kind, left = operand(items[0])
    result = "i1" if not kind.startswith("vector") else f"{kind[: kind.rindex('x') + 1]}i1>"
    table = _PREDICATES if opcode == "icmp" else _FLOAT_PREDICATES
    return Parsed(
        f"llvm.{opcode}", [(kind, left), (kind, items[-1])], result, f"predicate = {table.get(predicate, 0)} : i64"
    )


def select(opcode: str, rest: str) -> Parsed:
    """`i1 %c, T %a, T %b`."""
    flags = FLAGS.match(rest)
    operands = [operand(item) for item in items_of(rest[flags.end() :] if flags is not None else rest)]
    return Parsed("llvm.select", operands, operands[-1][0])


def same_type(opcode: str, rest: str) -> Parsed:
    """`fneg`, `freeze`: the operand's type."""
    flags = FLAGS.match(rest)
    operands = [operand(item) for item in items_of(rest[flags.end() :] if flags is not None else rest)]
    return Parsed(f"llvm.{opcode}", operands, operands[0][0])
