"""rsqrt and powf.

powf is 2^(y log2 |x|) with the logarithm and the product in float64 lanes (a degree-13 minimax polynomial,
`benchmarks/vecmath_fit.py`) and the power in float32; the special cases are those of C99 annex F.9.4.4.
"""

from __future__ import annotations

from costmodel.toolchain.vecmath.builder import Emitter, Lanes, with_element
from costmodel.toolchain.vecmath.exponential import exp2_of_parts, round_product
from costmodel.toolchain.vecmath.logarithm import reduce

_INFINITY = float("inf")
_LOG2 = (
    1.4426950408686372, -0.7213475208706464, 0.4808983614360692, -0.36067367448416726, 0.28853728951540536,
    -0.24045318122069678, 0.20617549898273552, -0.18030036489519588, 0.15876769196947146, -0.14315721098938428,
    0.1447610875493061, -0.14284416667107572, 0.07735439093688269,
)  # fmt: skip
_EXPONENT_CLAMP = 2.0**40
"""A larger |y| changes no result but turns 0 * y into NaN where |x| is 1."""


def rsqrt(emitter: Emitter, x: str, type_: str) -> str:
    """1 / sqrt(x): root and division by instruction, then one Newton step that removes the error of both.

    y (1 - x y^2) / 2 is what y lacks; x y is kept in two parts, so that the difference is good to the last bit for
    subnormal x too. The step is NaN exactly where y is 0, infinite or NaN, and y is kept there.
    """
    lanes = Lanes(emitter, type_)
    one = lanes.c(1.0)
    y = lanes.div(one, lanes.fop("math.sqrt", x))
    product = lanes.mul(x, y)
    negative_y = lanes.fop("arith.negf", y)
    lost = lanes.fma(x, negative_y, product)
    residual = lanes.fma(lost, y, lanes.fma(product, negative_y, one))
    refined = lanes.fma(lanes.mul(y, lanes.c(0.5)), residual, y)
    return lanes.select(lanes.cmp("ord", refined, refined), refined, y)


def powf(emitter: Emitter, x: str, y: str, type_: str) -> str:
    """x^y."""
    lanes = Lanes(emitter, type_)
    magnitude = lanes.fop("math.absf", x)
    value = _positive_power(lanes, magnitude, lanes.at_least(lanes.at_most(y, _EXPONENT_CLAMP), -_EXPONENT_CLAMP))
    return _with_signs(lanes, x, y, value)


def _positive_power(lanes: Lanes, x: str, y: str) -> str:
    """x^y for x >= 0, |y| finite."""
    wide = Lanes(lanes.emitter, with_element(lanes.f, "f64"))
    e, f = reduce(lanes, x)
    e = lanes.select(lanes.cmp("oeq", x, lanes.c(0.0)), lanes.c(-_INFINITY), e)
    e = lanes.select(lanes.cmp("oeq", x, lanes.c(_INFINITY)), x, e)
    wide_f = lanes.extend(f, wide)
    logarithm = wide.fma(wide_f, wide.polynomial(wide_f, _LOG2), lanes.extend(e, wide))
    exponent = wide.mul(lanes.extend(y, wide), logarithm)
    exponent = wide.at_least(wide.at_most(exponent, 140.0), -160.0)
    shifted, n = round_product(lanes, wide.truncate(exponent, lanes), None, 254.0)
    r = wide.truncate(wide.sub(exponent, lanes.extend(n, wide)), lanes)
    return exp2_of_parts(lanes, r, shifted)


def _with_signs(lanes: Lanes, x: str, y: str, value: str) -> str:
    """|x|^y to x^y: odd powers keep the sign, broken powers of negative numbers are NaN, x^0 and 1^y are 1."""
    zero, one = lanes.c(0.0), lanes.c(1.0)
    floor = lanes.fop("math.floor", y)
    half = lanes.mul(y, lanes.c(0.5))
    odd = lanes.both(lanes.cmp("oeq", floor, y), lanes.cmp("une", lanes.fop("math.floor", half), half))
    value = lanes.select(odd, lanes.fop("math.copysign", value, x), value)
    negative = lanes.both(lanes.cmp("olt", x, zero), lanes.cmp("ogt", x, lanes.c(-_INFINITY)))
    value = lanes.select(lanes.both(negative, lanes.cmp("une", floor, y)), lanes.c(float("nan")), value)
    value = lanes.select(lanes.cmp("uno", x, x), x, value)
    value = lanes.select(lanes.cmp("oeq", x, one), one, value)
    return lanes.select(lanes.cmp("oeq", y, zero), one, value)
