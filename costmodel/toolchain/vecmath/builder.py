"""Emission of single `arith`, `math` operations on scalar or vector lanes.

Owns the spelling of operations and types. Invariant: every operation works lane by lane, carries no fast-math flag,
and maps to instructions on any target with a fused multiply-add; none becomes a library call. Does not own SSA names:
the caller's `Emitter` does.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

from costmodel.core.errors import UnsupportedError


class Emitter(Protocol):
    """Where text goes; given by the caller, called in program order, owned by the caller."""

    def op(self, text: str, result_type: str) -> str:
        """Append `%name = <text>` and return `%name`; `result_type` is the type of the one result."""
        ...

    def const(self, value: float | int, type_: str) -> str:
        """Return the name of a (splat) constant of an f32, f64 or i32 scalar or vector type.

        `value` is an int exactly for integer types. A float must be emitted bit for bit: see `constant_text`.
        """
        ...


def element_type(type_: str) -> str:
    """`"f32"` for both `"f32"` and `"vector<16xf32>"`."""
    return type_.removesuffix(">").rsplit("x", 1)[-1] if type_.startswith("vector<") else type_


def with_element(type_: str, element: str) -> str:
    """`type_` with the same lanes and another element type."""
    if not type_.startswith("vector<"):
        return element
    return f"{type_.removesuffix('>').rsplit('x', 1)[0]}x{element}>"


def constant_text(value: float | int, type_: str) -> str:
    """`arith.constant ...` of a splat of `value`, floats by their bits; raises `UnsupportedError` for other types."""
    element = element_type(type_)
    if element == "f32":
        literal = f"0x{struct.unpack('<I', struct.pack('<f', value))[0]:08X}"
    elif element == "f64":
        literal = f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    elif element in ("i1", "i8", "i16", "i32", "i64", "index"):
        literal = str(int(value))
    else:
        raise UnsupportedError(f"constant of type {type_}: expected an f32, f64 or integer element type")
    return (
        f"arith.constant dense<{literal}> : {type_}"
        if type_.startswith("vector<")
        else f"arith.constant {literal} : {type_}"
    )


class Lanes:
    """Shorthand for operations on one lane type; holds no state but the emitter and the types.

    `f` is the float type in use, `i` the integer type of the same width, `b` the type of comparisons.
    """

    __slots__ = ("b", "emitter", "f", "i")

    def __init__(self, emitter: Emitter, type_: str) -> None:
        """Raises `UnsupportedError` unless `type_` is f32 or f64, or a vector of them."""
        integer = {"f32": "i32", "f64": "i64"}.get(element_type(type_))
        if integer is None:
            raise UnsupportedError(f"vector math on {type_}: expected f32 or vector<...xf32>; extend or truncate first")
        self.emitter = emitter
        self.f = type_
        self.i = with_element(type_, integer)
        self.b = with_element(type_, "i1")

    def c(self, value: float) -> str:
        """A float constant."""
        return self.emitter.const(float(value), self.f)

    def k(self, value: int) -> str:
        """An integer constant."""
        return self.emitter.const(value, self.i)

    def fop(self, name: str, *operands: str) -> str:
        """A float operation such as `arith.addf` or `math.fma`."""
        return self.emitter.op(f"{name} {', '.join(operands)} : {self.f}", self.f)

    def iop(self, name: str, *operands: str) -> str:
        """An integer operation such as `arith.addi`."""
        return self.emitter.op(f"{name} {', '.join(operands)} : {self.i}", self.i)

    def add(self, a: str, b: str) -> str:
        """`a + b`."""
        return self.fop("arith.addf", a, b)

    def sub(self, a: str, b: str) -> str:
        """`a - b`."""
        return self.fop("arith.subf", a, b)

    def mul(self, a: str, b: str) -> str:
        """`a * b`."""
        return self.fop("arith.mulf", a, b)

    def div(self, a: str, b: str) -> str:
        """`a / b`, correctly rounded."""
        return self.fop("arith.divf", a, b)

    def fma(self, a: str, b: str, c: str) -> str:
        """`a * b + c`, rounded once."""
        return self.fop("math.fma", a, b, c)

    def cmp(self, predicate: str, a: str, b: str) -> str:
        """Float comparison; the result has type `b`."""
        return self.emitter.op(f"arith.cmpf {predicate}, {a}, {b} : {self.f}", self.b)

    def icmp(self, predicate: str, a: str, b: str) -> str:
        """Integer comparison; the result has type `b`."""
        return self.emitter.op(f"arith.cmpi {predicate}, {a}, {b} : {self.i}", self.b)

    def both(self, a: str, b: str) -> str:
        """Conjunction of two comparisons."""
        return self.emitter.op(f"arith.andi {a}, {b} : {self.b}", self.b)

    def select(self, condition: str, a: str, b: str, type_: str | None = None) -> str:
        """`condition ? a : b`, of the float type unless told otherwise."""
        type_ = type_ or self.f
        prefix = f"{self.b}, " if type_.startswith("vector<") else ""
        return self.emitter.op(f"arith.select {condition}, {a}, {b} : {prefix}{type_}", type_)

    def at_most(self, x: str, high: float) -> str:
        """Minimum with a constant that hands NaN through; one instruction on x86."""
        bound = self.c(high)
        return self.select(self.cmp("olt", bound, x), bound, x)

    def at_least(self, x: str, low: float) -> str:
        """Maximum with a constant that hands NaN through; one instruction on x86."""
        bound = self.c(low)
        return self.select(self.cmp("ogt", bound, x), bound, x)

    def bits(self, x: str) -> str:
        """The integer with the bits of float `x`."""
        return self.emitter.op(f"arith.bitcast {x} : {self.f} to {self.i}", self.i)

    def from_bits(self, x: str) -> str:
        """The float with the bits of integer `x`."""
        return self.emitter.op(f"arith.bitcast {x} : {self.i} to {self.f}", self.f)

    def to_float(self, x: str) -> str:
        """Integer to float, rounded to nearest."""
        return self.emitter.op(f"arith.sitofp {x} : {self.i} to {self.f}", self.f)

    def extend(self, x: str, wide: Lanes) -> str:
        """Float of this type to the wider type of `wide`."""
        return self.emitter.op(f"arith.extf {x} : {self.f} to {wide.f}", wide.f)

    def truncate(self, x: str, narrow: Lanes) -> str:
        """Float of this type to the narrower type of `narrow`, rounded to nearest."""
        return self.emitter.op(f"arith.truncf {x} : {self.f} to {narrow.f}", narrow.f)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Horner's scheme with fused multiply-adds; `coefficients` constant term first, at least two."""
        value = self.c(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = self.fma(value, x, self.c(coefficient))
        return value
