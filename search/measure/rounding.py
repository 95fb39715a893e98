"""How rounding errors arise in one scalar operation and pass through it.

Owns the rules, u being the unit roundoff of the operation's type: arithmetic adds 2u|v|, an elementary function 8u|v|,
flushing a denormal the smallest normal number; errors of operands pass through by their effect on the result. A value
whose interval holds a singularity, or that leaves the type's range, has an infinite bound.
Source: running error analysis (Wilkinson; Higham, Accuracy and Stability of Numerical Algorithms, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from costmodel.search.kernel import reference
from costmodel.search.kernel.form import ScalarOp
from costmodel.search.kernel.reference import numpy_dtype

ARITHMETIC_ROUNDINGS = 2.0
FUNCTION_ROUNDINGS = 8.0
_EXACT = frozenset(
    """arith.negf math.absf arith.maximumf arith.minimumf arith.maxnumf arith.minnumf math.floor math.ceil
    math.roundeven arith.select arith.extf math.copysign arith.cmpf arith.cmpi""".split()
)


@dataclass(frozen=True, slots=True)
class Bounded:
    """`value` in double precision (integers in their own type); `error` of the same shape, or None where exact."""

    value: Any
    error: Any = None


def limits(dtype: str) -> tuple[float, float, float]:
    """Unit roundoff, smallest normal and largest number of a floating type."""
    info = np.finfo(numpy_dtype(dtype))
    return float(info.eps) / 2, float(info.smallest_normal), float(info.max)


def rounded(value: Any, error: Any, dtype: str, roundings: float) -> Bounded:
    """`value` after rounding to `dtype` that many times; beyond the range of the type nothing is known."""
    unit, tiny, top = limits(dtype)
    if dtype == "f64":
        roundings *= 2  # the reference rounds as well
    magnitude = np.abs(value)
    total = roundings * unit * magnitude + tiny if roundings else np.zeros(np.shape(value))
    if error is not None:
        total = total + error
    total = np.where(np.isfinite(value) & (magnitude + total < top / 2), total, np.inf)
    return Bounded(value, total)


def _smooth(slope: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Error of a function without singularities from a bound of its derivative, given argument and result."""
    return lambda x, out, e: slope(x, out) * e


_SLOPES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "math.exp": lambda x, out, e: out * np.expm1(e),
    "math.exp2": lambda x, out, e: out * np.expm1(0.7 * e),
    "math.tanh": lambda x, out, e: np.minimum(e, 2.0),
    "math.erf": lambda x, out, e: np.minimum(1.13 * np.exp(-np.square(np.maximum(np.abs(x) - e, 0.0))) * e, 2.0),
    "math.sin": _smooth(lambda x, out: 1.0),
    "math.cos": _smooth(lambda x, out: 1.0),
    "arith.negf": _smooth(lambda x, out: 1.0),
    "math.absf": _smooth(lambda x, out: 1.0),
    "math.rsqrt": lambda x, out, e: np.where(2 * e < np.abs(x), out * e / np.abs(x), np.inf),
    "math.log": lambda x, out, e: np.where(2 * e < np.abs(x), 2 * e / np.abs(x), np.inf),
    "math.log2": lambda x, out, e: np.where(2 * e < np.abs(x), 3 * e / np.abs(x), np.inf),
    "math.log1p": lambda x, out, e: np.where(2 * e < np.abs(1 + x), 2 * e / np.abs(1 + x), np.inf),
    "math.sqrt": lambda x, out, e: np.minimum(e / np.where(out > 0, out, 1e-300), np.sqrt(e)),
}


def error_of(v: Bounded) -> Any:
    """The bound, 0 where exact."""
    return 0.0 if v.error is None else v.error


def _propagated(op: ScalarOp, args: list[Bounded], value: Any) -> Any:
    """The error of the result that comes from the operands' errors; None where they have none."""
    if all(a.error is None for a in args):
        return None
    if op.name in ("arith.addf", "arith.subf"):
        return error_of(args[0]) + error_of(args[1])
    if op.name in ("arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf"):
        return np.maximum(error_of(args[0]), error_of(args[1]))
    if op.name in ("arith.mulf", "math.fma"):
        a, b = args[0], args[1]
        cross = np.abs(a.value) * error_of(b) + np.abs(b.value) * error_of(a) + error_of(a) * error_of(b)
        return cross if len(args) == 2 else cross + error_of(args[2])
    if op.name == "arith.divf":
        a, b = args
        room = np.abs(b.value) - error_of(b)
        return np.where(room > 0, (error_of(a) + np.abs(value) * error_of(b)) / np.where(room > 0, room, 1.0), np.inf)
    if op.name in _SLOPES:
        return _SLOPES[op.name](args[0].value, value, error_of(args[0]))
    if op.name == "arith.select":
        return _selecterror_of(args)
    return _stepped(op, args, value)


def _selecterror_of(args: list[Bounded]) -> Any:
    """Where the condition is in doubt either side may come out."""
    doubt = np.asarray(error_of(args[0])) > 0
    gap = np.abs(np.asarray(args[1].value, float) - np.asarray(args[2].value, float))
    sides = np.where(args[0].value, error_of(args[1]), error_of(args[2]))
    return np.where(doubt, gap + np.maximum(error_of(args[1]), error_of(args[2])), sides)


def _stepped(op: ScalarOp, args: list[Bounded], value: Any) -> Any:
    """Largest change of the result when each operand moves to either end of its interval."""
    total: Any = 0.0
    for i, argument in enumerate(args):
        if argument.error is None:
            continue
        worst: Any = 0.0
        for sign in (1.0, -1.0):
            moved = [a.value for a in args]
            moved[i] = np.asarray(argument.value + sign * argument.error)
            if np.asarray(argument.value).dtype.kind in "biu":
                return np.where(np.asarray(argument.error) > 0, np.inf, 0.0) + np.zeros(np.shape(value))
            change = np.abs(np.asarray(reference.operation(op, moved), float) - np.asarray(value, float))
            worst = np.maximum(worst, np.where(np.isnan(change), np.inf, change))
        total = total + worst
    return total


def operate(op: ScalarOp, args: list[Bounded]) -> Bounded:
    """One scalar operation on whole arrays."""
    value = reference.operation(op, [a.value for a in args])
    error = _propagated(op, args, value)
    if op.dtype not in ("f16", "f32", "f64"):
        return Bounded(value, error)
    if op.name in _EXACT:
        return Bounded(value, error)
    function = op.name.startswith("math.") and op.name not in ("math.fma", "math.sqrt")
    return rounded(value, error, op.dtype, FUNCTION_ROUNDINGS if function else ARITHMETIC_ROUNDINGS)
