"""The table of elementary functions: what each is called, takes, and promises.

Invariant: the stated bound holds for every float32 input of the stated domain, and is checked by the tests
and by `benchmarks/vecmath.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from costmodel.core.errors import UnknownNameError, UnsupportedError, UsageError
from costmodel.toolchain.vecmath import exponential, logarithm, power, saturating, trigonometric
from costmodel.toolchain.vecmath.builder import Emitter, Lanes, element_type


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementaryFunction:
    """One function; call it with an emitter, `arity` operand names and their common type, to get the result's name."""

    emit: Callable[..., str]
    arity: int = 1
    max_ulp: float
    """Largest error in units in the last place of the float32 result, against the exact value."""
    domain: tuple[float, float] = (float("-inf"), float("inf"))
    """Where `max_ulp` holds."""

    def __call__(self, emitter: Emitter, *operands_and_type: str) -> str:
        """Emit the lines and return the name of the result; raises `UnsupportedError` unless the lanes are f32."""
        *operands, type_ = operands_and_type
        if len(operands) != self.arity:
            raise UsageError(f"elementary function of {self.arity} operand(s) called with {len(operands)}: {operands}")
        if element_type(type_) != "f32":
            raise UnsupportedError(f"vector math on {type_}: expected f32 or vector<...xf32>; extend or truncate first")
        return self.emit(emitter, *operands, type_)


def _native(name: str, arity: int = 1) -> ElementaryFunction:
    """An operation that is one instruction, or a few, on every target: kept as it is."""

    def emit(emitter: Emitter, *operands_and_type: str) -> str:
        *operands, type_ = operands_and_type
        return Lanes(emitter, type_).fop(name, *operands)

    return ElementaryFunction(emit=emit, arity=arity, max_ulp=0.5)


_TRIGONOMETRIC_DOMAIN = (-trigonometric.ACCURATE_LIMIT, trigonometric.ACCURATE_LIMIT)

FUNCTIONS: dict[str, ElementaryFunction] = {
    "math.exp": ElementaryFunction(emit=exponential.exp, max_ulp=1.5),
    "math.exp2": ElementaryFunction(emit=exponential.exp2, max_ulp=1.5),
    "math.expm1": ElementaryFunction(emit=exponential.expm1, max_ulp=2.0),
    "sigmoid": ElementaryFunction(emit=exponential.sigmoid, max_ulp=2.5),
    "math.tanh": ElementaryFunction(emit=saturating.tanh, max_ulp=3.0),
    "math.erf": ElementaryFunction(emit=saturating.erf, max_ulp=3.0),
    "math.log": ElementaryFunction(emit=logarithm.log, max_ulp=2.0),
    "math.log2": ElementaryFunction(emit=logarithm.log2, max_ulp=2.0),
    "math.log1p": ElementaryFunction(emit=logarithm.log1p, max_ulp=2.0),
    "math.sin": ElementaryFunction(emit=trigonometric.sin, max_ulp=2.5, domain=_TRIGONOMETRIC_DOMAIN),
    "math.cos": ElementaryFunction(emit=trigonometric.cos, max_ulp=2.5, domain=_TRIGONOMETRIC_DOMAIN),
    "math.powf": ElementaryFunction(emit=power.powf, arity=2, max_ulp=1.5),
    "math.rsqrt": ElementaryFunction(emit=power.rsqrt, max_ulp=1.0),
    "math.sqrt": _native("math.sqrt"),
    "math.absf": _native("math.absf"),
    "math.floor": _native("math.floor"),
    "math.ceil": _native("math.ceil"),
    "math.roundeven": _native("math.roundeven"),
    "math.copysign": _native("math.copysign", arity=2),
    "math.fma": _native("math.fma", arity=3),
}


def lower_math(op_name: str, emitter: Emitter, operands: Sequence[str], type_: str) -> str:
    """Emit `op_name` on `operands`, all of `type_` (f32 or a vector of it), and return the name of the result.

    Raises `UnknownNameError` for a function not in `FUNCTIONS`, `UsageError` for a wrong number of operands and
    `UnsupportedError` for lanes other than f32.
    """
    if op_name not in FUNCTIONS:
        raise UnknownNameError(f"unknown elementary function {op_name!r}; known: {', '.join(sorted(FUNCTIONS))}")
    return FUNCTIONS[op_name](emitter, *operands, type_)
