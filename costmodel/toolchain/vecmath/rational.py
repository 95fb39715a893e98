"""tanh and erf: one odd rational function each over the whole range in which the result is below 1.

x P(x^2) / Q(x^2) with the argument clamped where the result has become 1; the idea is Eigen's (`generic_fast_tanh_float`), the
degrees and coefficients are ours (`benchmarks/vecmath_fit.py`). No cancellation: the terms that matter are positive.
"""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.toolchain.vecmath.builder import Emitter, Lanes

_TANH_LIMIT = 9.02
_TANH_TOP = (1.0, 0.1337972730398178, 0.0034940496552735567, 2.0583604054991156e-05, 1.3319907843367673e-08)
_TANH_BOTTOM = (1.0, 0.4671304523944855, 0.025871122255921364, 0.0003283113182988018, 7.762125164845202e-07)
_ERF_LIMIT = 3.93
_ERF_TOP = (
    1.1283791065216064, 0.19078168272972107, 0.052789729088544846, 0.0037795682437717915, 0.000284800014924258,
    2.0421832687134156e-06,
)  # fmt: skip
_ERF_BOTTOM = (
    1.0, 0.5024083256721497, 0.11425652354955673, 0.014997230842709541, 0.001165187219157815, 3.800413105636835e-05,
)  # fmt: skip


def _odd_rational(lanes: Lanes, x: str, limit: float, top: Sequence[float], bottom: Sequence[float]) -> str:
    clamped = lanes.at_least(lanes.at_most(x, limit), -limit)
    square = lanes.mul(clamped, clamped)
    numerator = lanes.mul(clamped, lanes.polynomial(square, top))
    return lanes.div(numerator, lanes.polynomial(square, bottom))


def tanh(emitter: Emitter, x: str, type_: str) -> str:
    """Hyperbolic tangent."""
    return _odd_rational(Lanes(emitter, type_), x, _TANH_LIMIT, _TANH_TOP, _TANH_BOTTOM)


def erf(emitter: Emitter, x: str, type_: str) -> str:
    """Error function."""
    return _odd_rational(Lanes(emitter, type_), x, _ERF_LIMIT, _ERF_TOP, _ERF_BOTTOM)
