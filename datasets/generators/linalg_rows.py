"""Norms, softmax and attention of `linalg_families`, as linalg text."""

from __future__ import annotations

from costmodel.datasets.generators.linalg_parts import narrow, product, summed
from costmodel.datasets.generators.linalg_text import LOWEST, Function
from costmodel.datasets.linalg import Sizes


def _scale(n: float, eps: str) -> list[str]:
    return [
        f"%n = arith.constant {1.0 / n!r} : $T", f"%e = arith.constant {eps} : $T",
    ]  # fmt: skip


def rms_norm(s: Sizes, dtype: str) -> str:
    """Computes x · rsqrt(mean of squares) · g."""
    f = Function({"i": s["m"], "j": s["n"]})
    a, g = f.argument("i j", dtype), f.argument("j", dtype)
    total = summed(f, "i j", a, "i j", "i", square=True)
    body = [
        *_scale(s["n"], "1.0e-6"), "%v = arith.mulf %x1, %n : $T", "%w = arith.addf %v, %e : $T",
        "%r = math.rsqrt %w : $T", "%p = arith.mulf %x0, %r : $T", "%q = arith.mulf %p, %x2 : $T",
    ]  # fmt: skip
    return f.text(f.generic("i j", [(a, "i j"), (total, "i"), (g, "j")], "i j", body, dtype=dtype))


def batch_norm(s: Sizes, dtype: str) -> str:
    """(x - mean) · rsqrt(variance) · g + b with statistics given, channels first, then relu."""
    f = Function({"i": s["a"], "j": s["b"], "k": s["c"]})
    x = f.argument("i j k", dtype)
    mean, variance, g, b = (f.argument("i", dtype) for _ in range(4))
    body = [
        "%e = arith.constant 1.0e-5 : $T", "%z0 = arith.constant 0.0 : $T", "%v = arith.addf %x2, %e : $T",
        "%r = math.rsqrt %v : $T", "%d = arith.subf %x0, %x1 : $T", "%p = arith.mulf %d, %r : $T",
        "%o = arith.mulf %p, %x3 : $T", "%t = arith.addf %o, %x4 : $T", "%q = arith.maximumf %t, %z0 : $T",
    ]  # fmt: skip
    ins = [(x, "i j k"), (mean, "i"), (variance, "i"), (g, "i"), (b, "i")]
    return f.text(f.generic("i j k", ins, "i j k", body, dtype=dtype))


def group_norm(s: Sizes, dtype: str) -> str:
    """Groups of channels, each normalised over channels and pixels."""
    f = Function({"i": s["a"], "j": s["b"], "k": s["c"]})
    x, g, b = f.argument("i j k", dtype), f.argument("i j", dtype), f.argument("i j", dtype)
    total = summed(f, "i j k", x, "i j k", "i")
    squares = summed(f, "i j k", x, "i j k", "i", square=True)
    body = [
        *_scale(s["b"] * s["c"], "1.0e-5"), "%mean = arith.mulf %x1, %n : $T", "%v = arith.mulf %x2, %n : $T",
        "%mm = arith.mulf %mean, %mean : $T", "%var = arith.subf %v, %mm : $T", "%w = arith.addf %var, %e : $T",
        "%r = math.rsqrt %w : $T", "%d = arith.subf %x0, %mean : $T", "%p = arith.mulf %d, %r : $T",
        "%o = arith.mulf %p, %x3 : $T", "%q = arith.addf %o, %x4 : $T",
    ]  # fmt: skip
    ins = [(x, "i j k"), (total, "i"), (squares, "i"), (g, "i j"), (b, "i j")]
    return f.text(f.generic("i j k", ins, "i j k", body, dtype=dtype))


def _row_max(f: Function, dims: str, value: str, out: str) -> str:
    body = ["%q = arith.maximumf %x0, %y : $T"]
    return f.generic(dims, [(value, dims)], out, body, dtype="f32", init=f.filled(out, "f32", LOWEST["f32"]))


def _softmax(f: Function, dims: str, rows: str, value: str, dtype: str) -> str:
    high = _row_max(f, dims, value, rows)
    body = ["%d = arith.subf %x0, %x1 : $T", "%q = math.exp %d : $T"]
    e = f.generic(dims, [(value, dims), (high, rows)], dims, body, dtype="f32")
    total = summed(f, dims, e, dims, rows)
    return f.generic(dims, [(e, dims), (total, rows)], dims, ["%q = arith.divf %x0, %x1 : $T"], dtype=dtype)


def log_softmax(s: Sizes, dtype: str) -> str:
    """Computes x - max - log(sum(exp(x - max)))."""
    f = Function({"i": s["m"], "j": s["n"]})
    a = f.argument("i j", dtype)
    high = _row_max(f, "i j", a, "i")
    body = ["%d = arith.subf %x0, %x1 : $T", "%e = math.exp %d : $T", "%q = arith.addf %e, %y : $T"]
    total = f.generic("i j", [(a, "i j"), (high, "i")], "i", body, dtype="f32", init=f.filled("i", "f32", "0.0"))
    body = ["%l = math.log %x2 : $T", "%d = arith.subf %x0, %x1 : $T", "%q = arith.subf %d, %l : $T"]
    return f.text(f.generic("i j", [(a, "i j"), (high, "i"), (total, "i")], "i j", body, dtype=dtype))


def softmax_masked(s: Sizes, dtype: str) -> str:
    """Softmax of x + mask."""
    f = Function({"i": s["m"], "j": s["n"]})
    a, mask = f.argument("i j", dtype), f.argument("i j", dtype)
    x = f.generic("i j", [(a, "i j"), (mask, "i j")], "i j", ["%q = arith.addf %x0, %x1 : $T"], dtype="f32")
    return f.text(_softmax(f, "i j", "i", x, dtype))


def attention(s: Sizes, dtype: str) -> str:
    """softmax(Q Kᵀ / √d) V for each head."""
    f = Function({"h": s["h"], "i": s["l"], "j": s["l"], "d": s["d"]})
    q, k, v = f.argument("h i d", dtype), f.argument("h j d", dtype), f.argument("h j d", dtype)
    score = product(f, "h i j d", [(q, "h i d"), (k, "h j d")], "h i j", dtype)
    body = [f"%n = arith.constant {s['d'] ** -0.5!r} : $T", "%q = arith.mulf %x0, %n : $T"]
    scaled = f.generic("h i j", [(score, "h i j")], "h i j", body, dtype="f32")
    weight = _softmax(f, "h i j", "h i", scaled, dtype)
    total = product(f, "h i d j", [(weight, "h i j"), (v, "h j d")], "h i d", dtype)
    return f.text(narrow(f, "h i d", total, dtype))


def reduce_norm(s: Sizes, dtype: str) -> str:
    """Computes x / |x| for each row."""
    f = Function({"i": s["m"], "j": s["n"]})
    a = f.argument("i j", dtype)
    total = summed(f, "i j", a, "i j", "i", square=True)
    body = [
        "%e = arith.constant 1.0e-12 : $T", "%t = arith.addf %x1, %e : $T", "%r = math.sqrt %t : $T",
        "%q = arith.divf %x0, %r : $T",
    ]  # fmt: skip
    return f.text(f.generic("i j", [(a, "i j"), (total, "i")], "i j", body, dtype=dtype))
