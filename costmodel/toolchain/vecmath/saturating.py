"""tanh and erf by way of expm1, each in one piece, exactly 1 where it saturates.

tanh |x| = H / (H + 1) with H = expm1(2 |x|) / 2, in which errors of a large H cancel (fdlibm's `tanh` has the formula).
erf |x| = -expm1(log erfc |x|), where log erfc is smooth: y + y P(y) in y = -|x|, fitted with the weight erfc / erf,
so a polynomial of degree 9 is enough down to -4 (N. Juffa's `erff` uses the same formula for large |x| only).
Coefficients: `benchmarks/vecmath_fit.py`.
"""

from __future__ import annotations

from costmodel.toolchain.vecmath.builder import Emitter, Lanes
from costmodel.toolchain.vecmath.exponential import EXPM1, LN2_HIGH, LN2_LOW, LOG2_E, reduce_by_ln2, round_product

_TANH_LIMIT = 10.0
_EXPM1_OF_DOUBLE = tuple(coefficient * 2.0 ** (power + 1) for power, coefficient in enumerate(EXPM1))
"""expm1(2 r) / 2 = r + r^2 P(r): the same coefficients times powers of two."""

_ERF_LIMIT = 4.0
_LOG_ERFC = (
    0.12837916612625122, -0.6366195678710938, 0.10277630388736725, 0.019147822633385658, -0.00016950472490862012,
    -0.001675677951425314, -0.000637365214060992, -0.0001188621754408814, -9.388109901919961e-06,
)  # fmt: skip


def _power_of_two(lanes: Lanes, shifted: str) -> str:
    """2^n for -126 <= n <= 127, where `shifted` holds n + 127 in its low bits."""
    return lanes.from_bits(lanes.iop("arith.shli", lanes.bits(shifted), lanes.k(23)))


def tanh(emitter: Emitter, x: str, type_: str) -> str:
    """Hyperbolic tangent."""
    lanes = Lanes(emitter, type_)
    magnitude = lanes.at_most(lanes.fop("math.absf", x), _TANH_LIMIT)
    shifted, n = round_product(lanes, magnitude, 2 * LOG2_E, 127.0)
    r = lanes.fma(n, lanes.c(-LN2_LOW / 2), lanes.fma(n, lanes.c(-LN2_HIGH / 2), magnitude))
    small = lanes.fma(lanes.mul(r, r), lanes.polynomial(r, _EXPM1_OF_DOUBLE), r)
    power = _power_of_two(lanes, shifted)
    h = lanes.fma(small, power, lanes.fma(power, lanes.c(0.5), lanes.c(-0.5)))
    return lanes.fop("math.copysign", lanes.div(h, lanes.add(h, lanes.c(1.0))), x)


def erf(emitter: Emitter, x: str, type_: str) -> str:
    """Error function."""
    lanes = Lanes(emitter, type_)
    y = lanes.at_least(lanes.fop("arith.negf", lanes.fop("math.absf", x)), -_ERF_LIMIT)
    log_erfc = lanes.fma(y, lanes.polynomial(y, _LOG_ERFC), y)
    shifted, r = reduce_by_ln2(lanes, log_erfc, 127.0)
    small = lanes.fma(lanes.mul(r, r), lanes.polynomial(r, EXPM1), r)
    power = _power_of_two(lanes, shifted)
    return lanes.fop("math.copysign", lanes.fma(small, power, lanes.sub(power, lanes.c(1.0))), x)
