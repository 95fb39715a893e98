"""exp, exp2, expm1 and the logistic function.

x = n ln 2 + r with |r| <= ln 2 / 2 by a two-part (Cody-Waite) constant and fused multiply-adds, a degree-6 minimax
polynomial (`benchmarks/vecmath_fit.py`), then a power of two (Muller, "Elementary Functions", ch. 11). n is rounded by
adding 1.5 * 2^23, which leaves n, plus a bias of our choice, in the low bits of the sum: no conversion to integer,
hence no undefined lane for NaN and infinity.
"""

from __future__ import annotations

from costmodel.toolchain.vecmath.builder import Emitter, Lanes

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.693147182464599609375
LN2_LOW = -1.904654299957768e-09
ROUNDER = 12582912.0
"""1.5 * 2^23: adding it to |x| < 2^22 rounds x to an integer, held in the low bits."""

_EXP = (
    1.0,
    1.0,
    0.4999999403953552,
    0.1666652113199234,
    0.04166826605796814,
    0.008368677459657192,
    0.001382073387503624,
)
_EXP2 = (
    1.0, 0.6931471824645996, 0.24022647738456726, 0.05550359562039375, 0.009618503041565418, 0.0013390997191891074,
    0.00015327802975662053,
)  # fmt: skip
EXPM1 = (0.4999999701976776, 0.1666654646396637, 0.04166743531823158, 0.00836626160889864, 0.0013870657421648502)
_SCALE_BIAS = 254.0
_EXP_HIGH = 89.0
_EXP_LOW = -104.0


def round_product(lanes: Lanes, x: str, factor: float | None, bias: float) -> tuple[str, str]:
    """Round `x * factor`, or x, to an integer n; returns (n + bias in the low bits of a float, n as a float)."""
    rounder = lanes.c(ROUNDER + bias)
    shifted = lanes.add(x, rounder) if factor is None else lanes.fma(x, lanes.c(factor), rounder)
    return shifted, lanes.sub(shifted, rounder)


def reduce_by_ln2(lanes: Lanes, x: str, bias: float) -> tuple[str, str]:
    """Returns (n + bias in the low bits of a float, r) with x = n ln 2 + r."""
    shifted, n = round_product(lanes, x, LOG2_E, bias)
    r = lanes.fma(n, lanes.c(-LN2_HIGH), x)
    return shifted, lanes.fma(n, lanes.c(-LN2_LOW), r)


def scale(lanes: Lanes, x: str, shifted: str) -> str:
    """`x * 2^n` for |n| <= 250, in two factors, so that it is right for subnormal and infinite results too.

    `shifted` holds n + 254 in its low bits: half of it is the exponent field of the first factor, the rest that of the
    second.
    """
    n = lanes.bits(shifted)
    by_23 = lanes.k(23)
    first = lanes.iop("arith.shli", lanes.iop("arith.shrui", n, lanes.k(1)), by_23)
    second = lanes.iop("arith.subi", lanes.iop("arith.shli", n, by_23), first)
    return lanes.mul(lanes.mul(x, lanes.from_bits(first)), lanes.from_bits(second))


def _exp_not_above(lanes: Lanes, x: str) -> str:
    """The exponential of x <= 89 or NaN."""
    shifted, r = reduce_by_ln2(lanes, lanes.at_least(x, _EXP_LOW), _SCALE_BIAS)
    return scale(lanes, lanes.polynomial(r, _EXP), shifted)


def exp(emitter: Emitter, x: str, type_: str) -> str:
    """e^x."""
    lanes = Lanes(emitter, type_)
    return _exp_not_above(lanes, lanes.at_most(x, _EXP_HIGH))


def exp2_of_parts(lanes: Lanes, r: str, shifted: str) -> str:
    """2^(n + r), |r| slightly above 1/2 at most; `shifted` as in `scale`."""
    return scale(lanes, lanes.polynomial(r, _EXP2), shifted)


def exp2(emitter: Emitter, x: str, type_: str) -> str:
    """2^x."""
    lanes = Lanes(emitter, type_)
    x = lanes.at_least(lanes.at_most(x, 129.0), -151.0)
    shifted, n = round_product(lanes, x, None, _SCALE_BIAS)
    return exp2_of_parts(lanes, lanes.sub(x, n), shifted)


def expm1(emitter: Emitter, x: str, type_: str) -> str:
    """e^x - 1, accurate near 0.

    With m = 2^(n-1) it is 2 (m (e^r - 1) + m - 1/2): halved, so that n = 128 does not overflow too early.
    """
    lanes = Lanes(emitter, type_)
    clamped = lanes.at_least(lanes.at_most(x, _EXP_HIGH), -18.0)
    shifted, r = reduce_by_ln2(lanes, clamped, 126.0)
    small = lanes.fma(lanes.mul(r, r), lanes.polynomial(r, EXPM1), r)
    half_power = lanes.from_bits(lanes.iop("arith.shli", lanes.bits(shifted), lanes.k(23)))
    half = lanes.fma(small, half_power, lanes.sub(half_power, lanes.c(0.5)))
    return lanes.fop("math.copysign", lanes.add(half, half), x)


def sigmoid(emitter: Emitter, x: str, type_: str) -> str:
    """1 / (1 + e^-x), as (x < 0 ? e : 1) / (1 + e) with e = e^-|x|, which underflows gradually."""
    lanes = Lanes(emitter, type_)
    one = lanes.c(1.0)
    e = _exp_not_above(lanes, lanes.fop("arith.negf", lanes.fop("math.absf", x)))
    top = lanes.select(lanes.cmp("olt", x, lanes.c(0.0)), e, one)
    return lanes.div(top, lanes.add(one, e))
