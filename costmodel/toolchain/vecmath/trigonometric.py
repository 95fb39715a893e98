"""sin and cos.

x = n pi/2 + r with a three-part (Cody-Waite) constant and fused multiply-adds, then minimax polynomials on |r| <= pi/4
(`benchmarks/vecmath_fit.py`; Muller, "Elementary Functions", ch. 11). There is no Payne-Hanek reduction: beyond `ACCURATE_LIMIT` the
result is some number in [-1, 1].
"""

from __future__ import annotations

from costmodel.toolchain.vecmath.builder import Emitter, Lanes
from costmodel.toolchain.vecmath.exponential import round_product

ACCURATE_LIMIT = 2.0**20
"""Largest |x|, in radians, for which the stated bound in ULP holds."""

_TWO_OVER_PI = 0.6366197723675814
_HALF_PI = (1.57079625129699707031, 7.54978941586159635335e-08, 5.390302529957764765e-15)
"""pi/2 in float32 parts, each rounded down, so that no term flips the sign of a zero."""
_SIN = (1.0, -0.16666655242443085, 0.008332188241183758, -0.0001951809972524643)
_COS = (1.0, -0.5, 0.04166664555668831, -0.0013887310633435845, 2.4432552891084924e-05)
_QUARTER_PI = 0.7854


def _sine(emitter: Emitter, x: str, type_: str, quadrant: int) -> str:
    """sin(x + quadrant pi/2)."""
    lanes = Lanes(emitter, type_)
    shifted, n = round_product(lanes, x, _TWO_OVER_PI, quadrant)
    r = x
    for part in _HALF_PI:
        r = lanes.fma(n, lanes.c(-part), r)
    r = lanes.at_least(lanes.at_most(r, _QUARTER_PI), -_QUARTER_PI)
    square = lanes.mul(r, r)
    sine = lanes.mul(r, lanes.polynomial(square, _SIN))
    cosine = lanes.polynomial(square, _COS)
    turns = lanes.bits(shifted)
    one = lanes.k(1)
    odd = lanes.icmp("eq", lanes.iop("arith.andi", turns, one), one)
    sign = lanes.iop("arith.shli", lanes.iop("arith.shrui", turns, one), lanes.k(31))
    return lanes.from_bits(lanes.iop("arith.xori", lanes.bits(lanes.select(odd, cosine, sine)), sign))


def sin(emitter: Emitter, x: str, type_: str) -> str:
    """Sine of radians."""
    return _sine(emitter, x, type_, 0)


def cos(emitter: Emitter, x: str, type_: str) -> str:
    """Cosine of radians."""
    return _sine(emitter, x, type_, 1)
