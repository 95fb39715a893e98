"""log, log2, log1p.

x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)], a minimax polynomial in f (`benchmarks/vecmath_fit.py`), the layout
of Cephes' `logf` and Muller, "Elementary Functions", ch. 11. Subnormals are scaled by 2^23 first.
"""

from __future__ import annotations

from costmodel.toolchain.vecmath.builder import Emitter, Lanes
from costmodel.toolchain.vecmath.exponential import LN2_HIGH, LN2_LOW

_SMALLEST_NORMAL = 2.0**-126
_SQRT_HALF_BITS = 0x3F3504F3
_ONE_BITS = 0x3F800000
_INFINITY = float("inf")
_NAN = float("nan")

_LOG = (
    0.3333333134651184, -0.250008225440979, 0.2000124752521515, -0.1662331223487854, 0.1420137882232666,
    -0.13160356879234314, 0.12763898074626923, -0.07636455446481705,
)  # fmt: skip
_LOG2 = (
    1.4426950216293335, -0.7213475108146667, 0.4809037446975708, -0.3606826364994049, 0.2883061468601227,
    -0.23978878557682037, 0.20883555710315704, -0.1932927370071411, 0.16362684965133667, -0.08005313575267792,
)  # fmt: skip


def split_exponent(lanes: Lanes, x: str) -> tuple[str, str]:
    """For positive normal x: (integer e, 1 + f in [sqrt(1/2), sqrt(2)]); harmless nonsense for any other x."""
    bits = lanes.bits(x)
    e = lanes.iop("arith.shrsi", lanes.iop("arith.subi", bits, lanes.k(_SQRT_HALF_BITS)), lanes.k(23))
    return e, lanes.from_bits(lanes.iop("arith.subi", bits, lanes.iop("arith.shli", e, lanes.k(23))))


def reduce(lanes: Lanes, x: str) -> tuple[str, str]:
    """For positive finite x, subnormal too: (float e, f) with x = 2^e (1 + f)."""
    tiny = lanes.cmp("olt", x, lanes.c(_SMALLEST_NORMAL))
    scaled = lanes.select(tiny, lanes.mul(x, lanes.c(2.0**23)), x)
    e, m = split_exponent(lanes, scaled)
    exponent = lanes.add(lanes.to_float(e), lanes.select(tiny, lanes.c(-23.0), lanes.c(0.0)))
    return exponent, lanes.sub(m, lanes.c(1.0))


def _special(lanes: Lanes, x: str, value: str, pole: float) -> str:
    """`value`, but x itself for infinity and NaN, -infinity at the pole, NaN below it."""
    value = lanes.select(lanes.cmp("olt", x, lanes.c(_INFINITY)), value, x)
    at_pole = lanes.select(lanes.cmp("oeq", x, lanes.c(pole)), lanes.c(-_INFINITY), lanes.c(_NAN))
    return lanes.select(lanes.cmp("ole", x, lanes.c(pole)), at_pole, value)


def _log_of_parts(lanes: Lanes, e: str, f: str) -> str:
    """E ln 2 + log(1 + f), as f + f^2 (f P(f) - 1/2)."""
    tail = lanes.polynomial(f, (-0.5, *_LOG))
    tail = lanes.fma(e, lanes.c(LN2_LOW), lanes.mul(lanes.mul(f, f), tail))
    return lanes.fma(e, lanes.c(LN2_HIGH), lanes.add(f, tail))


def log(emitter: Emitter, x: str, type_: str) -> str:
    """Natural logarithm."""
    lanes = Lanes(emitter, type_)
    e, f = reduce(lanes, x)
    return _special(lanes, x, _log_of_parts(lanes, e, f), 0.0)


def log2(emitter: Emitter, x: str, type_: str) -> str:
    """Logarithm to base 2."""
    lanes = Lanes(emitter, type_)
    e, f = reduce(lanes, x)
    return _special(lanes, x, lanes.fma(f, lanes.polynomial(f, _LOG2), e), 0.0)


def log1p(emitter: Emitter, x: str, type_: str) -> str:
    """log(1 + x), accurate near 0: e comes from the rounded 1 + x, f = 2^-e x + (2^-e - 1) from x itself."""
    lanes = Lanes(emitter, type_)
    one = lanes.c(1.0)
    e, _ = split_exponent(lanes, lanes.add(x, one))
    exponent_field = lanes.iop("arith.shli", e, lanes.k(23))
    scaled = lanes.from_bits(lanes.iop("arith.subi", lanes.bits(x), exponent_field))
    power_bits = lanes.iop("arith.maxsi", lanes.iop("arith.subi", lanes.k(_ONE_BITS), exponent_field), lanes.k(0))
    f = lanes.add(scaled, lanes.sub(lanes.from_bits(power_bits), one))
    value = lanes.fop("math.copysign", _log_of_parts(lanes, lanes.to_float(e), f), x)
    return _special(lanes, x, value, -1.0)
