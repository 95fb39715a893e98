"""sin and cos.

x = n pi/2 + r with a three-part (Cody-Waite) constant and fused multiply-adds, then minimax polynomials on |r| <= 0.8
(`benchmarks/vecmath_fit.py`; Muller, "Elementary Functions", ch. 11). There is no Payne-Hanek reduction: beyond
`ACCURATE_LIMIT` the result is some number in [-1, 1].
"""

from __future__ import annotations

from costmodel.toolchain.vecmath.builder import Emitter, Lanes
from costmodel.toolchain.vecmath.exponential import round_product

ACCURATE_LIMIT = 2.0**18
"""Largest |x|, in radians, for which the stated bound in ULP holds."""

_TWO_OVER_PI = 0.6366197723675814
_HALF_PI = (1.57079625129699707031, 7.54978941586159635335e-08, 5.390302529957764765e-15)
"""pi/2 in float32 parts, each rounded down, so that no term flips the sign of a zero."""
_SIN = (1.0, -0.16666653752326965, 0.008332095108926296, -0.00019505539967212826)
_COS = (1.0, -0.5, 0.04166664183139801, -0.0013887130189687014, 2.4412085622316226e-05)
_LARGEST_R = 0.8
"""Above pi/4 by what the rounding of 2/pi moves r for the largest accurate |x|; r is clamped here."""


def _sine(emitter: Emitter, x: str, type_: str, quadrant: int) -> str:
    """sin(x + quadrant pi/2)."""
    lanes = Lanes(emitter, type_)
    shifted, n = round_product(lanes, x, _TWO_OVER_PI, quadrant)
    r = x
    for part in _HALF_PI:
        r = lanes.fma(n, lanes.c(-part), r)
    r = lanes.at_least(lanes.at_most(r, _LARGEST_R), -_LARGEST_R)
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
