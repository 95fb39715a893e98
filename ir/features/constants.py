"""Constants that the machine must bring into being, and bytes of stack.

Owns which constants count. Invariant: each distinct (type, text) among operands counts once; what fits an immediate
field (integers in [-2048, 2047]) or a zeroing idiom (zero, undef, poison) does not count.
"""

from __future__ import annotations

from costmodel.ir import semantics
from costmodel.ir.features.address import type_bytes
from costmodel.ir.features.kinds import type_facts
from costmodel.ir.features.scan import Scan
from costmodel.ir.mlir.structure import Operation, Value
from costmodel.ir.mlir.types import MemRefType, parse_type

SMALL = range(-2048, 2048)
_FREE = frozenset(("llvm.mlir.zero", "llvm.mlir.undef", "llvm.mlir.poison", "ub.poison"))


def constant_counts(scan: Scan) -> dict[str, float]:
    """`constants_*` and `alloca_bytes` of a scanned function."""
    stack_bytes = sum(_stack_bytes(operation) for operation in scan.allocas)
    kinds = {
        (kind, value.type_text, text) for value in scan.outside if (found := _kind(value)) for kind, text in (found,)
    }
    names = [kind for kind, _, _ in kinds]
    return {
        **{f"constants_{name}": float(names.count(name)) for name in ("integer", "float", "vector", "address")},
        "alloca_bytes": float(stack_bytes),
    }


def _kind(value: Value) -> tuple[str, str] | None:
    """(kind, text) of a constant that counts."""
    owner = value.owner
    if not isinstance(owner, Operation) or owner.name in _FREE or owner.name not in semantics.CONSTANT_NAMES:
        return None
    text = semantics.canonical_attribute(semantics.constant_text(owner))
    if owner.name == "llvm.mlir.addressof":
        return "address", text
    kind = type_facts(value.type_text)
    if kind.width in ("vec", "other"):
        return ("vector", text) if semantics.number_of(text) != 0.0 else None
    if kind.is_float:
        number = semantics.number_of(text)
        return None if number == 0.0 and not text.startswith("-") else ("float", text)
    integer = semantics.integer_constant(value)
    if integer is None and kind.width == "ptr":
        return "address", text
    return None if integer is None or integer in SMALL else ("integer", text)


def _stack_bytes(operation: Operation) -> int:
    if operation.name == "memref.alloca" and operation.results:
        kind = parse_type(operation.results[0].type_text)
        return (kind.num_bytes or 0) if isinstance(kind, MemRefType) else 0
    if operation.name != "llvm.alloca":
        return 0
    element = operation.attribute("elem_type")
    count = semantics.integer_constant(operation.operands[0]) if operation.operands else 1
    size = type_bytes(str(element)) if element is not None else None
    return (count or 0) * (size or 0)
