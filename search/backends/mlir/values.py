"""Scalar bodies on scalars or vectors: each body operation becomes the same operation on as many lanes.

Owns the mapping from `ScalarOp` to MLIR text. Invariant: an operand is broadcast only where a vector is needed, so what
does not depend on the vector dimension stays scalar.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.search.backends.mlir.text import Text
from costmodel.search.kernel.form import Const, ScalarOp
from costmodel.toolchain.vecmath import lower_math

CASTS = frozenset(
    "arith.extf arith.truncf arith.sitofp arith.uitofp arith.fptosi arith.fptoui arith.extsi arith.extui "
    "arith.trunci arith.index_cast arith.index_castui arith.bitcast".split()
)
_FUSABLE = frozenset(["arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.negf"])


@dataclass(frozen=True, slots=True)
class Value:
    """An SSA value of element type `dtype`, with `lanes` lanes; 0 for a scalar."""

    name: str
    dtype: str
    lanes: int

    @property
    def type(self) -> str:
        """MLIR type."""
        return f"vector<{self.lanes}x{self.dtype}>" if self.lanes else self.dtype


def vector_type(lanes: int, dtype: str) -> str:
    """MLIR type of `lanes` elements, scalar for 0."""
    return f"vector<{lanes}x{dtype}>" if lanes else dtype


def broadcast(text: Text, value: Value, lanes: int) -> Value:
    """`value` on all lanes; itself where it has them already."""
    if value.lanes == lanes or lanes == 0:
        return value
    type_ = vector_type(lanes, value.dtype)
    return Value(text.op(f"vector.broadcast {value.name} : {value.dtype} to {type_}", type_), value.dtype, lanes)


def constant(text: Text, const: Const, lanes: int = 0) -> Value:
    """A literal."""
    return Value(text.const(const.value, vector_type(lanes, const.dtype)), const.dtype, lanes)


def apply(text: Text, op: ScalarOp, operands: list[Value]) -> Value:
    """Emit one body operation on the widest of its operands."""
    lanes = max((v.lanes for v in operands), default=0)
    wide = [broadcast(text, v, lanes) for v in operands]
    type_ = vector_type(lanes, op.dtype)
    names = [v.name for v in wide]
    if op.name.startswith("math."):
        return Value(lower_math(op.name, text, names, type_), op.dtype, lanes)
    if op.name in CASTS:
        return Value(text.op(f"{op.name} {names[0]} : {wide[0].type} to {type_}", type_), op.dtype, lanes)
    if op.name == "arith.select":
        return Value(text.op(f"arith.select {', '.join(names)} : {wide[0].type}, {type_}", type_), op.dtype, lanes)
    of = wide[0].type if op.name in ("arith.cmpf", "arith.cmpi") else type_
    flags = " fastmath<contract>" if op.name in _FUSABLE else ""
    return Value(text.op(f"{op.name} {op.attrs}{', '.join(names)}{flags} : {of}", type_), op.dtype, lanes)


def combine(text: Text, name: str, acc: Value, value: Value) -> Value:
    """Fold `value` into the accumulator with the reduction operation `name`."""
    wide = broadcast(text, value, acc.lanes)
    return Value(text.effect(f"{name} {acc.name}, {wide.name} : {acc.type}"), acc.dtype, acc.lanes)


def fma(text: Text, a: Value, b: Value, acc: Value) -> Value:
    """`a * b + acc` with one rounding."""
    names = [broadcast(text, v, acc.lanes).name for v in (a, b)]
    return Value(text.effect(f"math.fma {names[0]}, {names[1]}, {acc.name} : {acc.type}"), acc.dtype, acc.lanes)
