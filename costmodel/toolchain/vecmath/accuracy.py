"""How far float32 results are from the exact values: references in float64 and the error in units in the last place.

Shared by the tests and by `benchmarks/vecmath.py`; not needed to generate code.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Float64) -> Float64:
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, 1.0) / (1.0 + e))


def _rsqrt(x: Float64) -> Float64:
    return np.asarray(1.0 / np.sqrt(x))


REFERENCES: dict[str, Callable[..., Float64]] = {
    "math.exp": np.exp,
    "math.exp2": np.exp2,
    "math.expm1": np.expm1,
    "sigmoid": _sigmoid,
    "math.tanh": np.tanh,
    "math.erf": _erf,
    "math.log": np.log,
    "math.log2": np.log2,
    "math.log1p": np.log1p,
    "math.sin": np.sin,
    "math.cos": np.cos,
    "math.powf": np.power,
    "math.rsqrt": _rsqrt,
    "math.sqrt": np.sqrt,
    "math.absf": np.abs,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.roundeven": np.rint,
    "math.copysign": np.copysign,
}
"""float64 references by operation; their own error, about 1e-16 relative, is 1e-9 ULP of float32."""


def exact(op_name: str, *arguments: Float32) -> Float64:
    """Reference values of float32 `arguments`, [count] each, in float64."""
    with np.errstate(all="ignore"):
        return REFERENCES[op_name](*(a.astype(np.float64) for a in arguments))


def ulp_error(got: Float32, wanted: Float64) -> Float64:
    """Error of `got` in units in the last place of float32 at the exact value, [count].

    The unit below the smallest normal number is 2^-149. The error is 0 where both are NaN or the same infinity (an
    exact value beyond float32 counts as infinity), and infinite where only one of the two is NaN or infinite.
    """
    with np.errstate(all="ignore"):
        exponent = np.frexp(wanted)[1]
        unit = np.ldexp(1.0, np.maximum(exponent, -125) - 24)
        error = np.abs(got.astype(np.float64) - wanted) / unit
        rounded = wanted.astype(np.float32)
    finite = np.isfinite(rounded) & np.isfinite(got)
    same = (rounded == got) | (np.isnan(rounded) & np.isnan(got))
    return np.where(finite, error, np.where(same, 0.0, np.inf))
