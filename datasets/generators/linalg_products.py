"""Products, convolutions, poolings and stencils of `linalg_families`, as linalg text."""

from __future__ import annotations

from costmodel.datasets.generators.linalg_parts import MAX, narrow, product, zero
from costmodel.datasets.generators.linalg_text import LOWEST, Function, compute_type
from costmodel.datasets.linalg import Sizes


def matmul_mixed(s: Sizes, dtype: str) -> str:
    """C[i, j] in f32 or i32 from narrow operands, as the named operation."""
    f = Function({"i": s["m"], "j": s["n"], "k": s["k"]})
    a, b, wide = f.argument("i k", dtype), f.argument("k j", dtype), compute_type(dtype)
    return f.text(f.named("matmul", [a, b], f.filled("i j", wide, zero(wide))))


def matmul_tn(s: Sizes, dtype: str) -> str:
    """C[i, j] = A[k, i] B[k, j]."""
    f = Function({"i": s["m"], "j": s["n"], "k": s["k"]})
    a, b = f.argument("k i", dtype), f.argument("k j", dtype)
    return f.text(product(f, "i j k", [(a, "k i"), (b, "k j")], "i j", dtype))


def matmul_requantised(s: Sizes, dtype: str) -> str:
    """int8 operands, int32 sums, scaled in f32, rounded and clamped to int8."""
    f = Function({"i": s["m"], "j": s["n"], "k": s["k"]})
    a, b, v = f.argument("i k", dtype), f.argument("k j", dtype), f.argument("j", "f32")
    total = product(f, "i j k", [(a, "i k"), (b, "k j")], "i j", dtype)
    body = [
        "%s = arith.mulf %x0, %x1 : f32", "%l = arith.constant -128.0 : f32", "%h = arith.constant 127.0 : f32",
        "%c = arith.maximumf %s, %l : f32", "%q = arith.minimumf %c, %h : f32",
    ]  # fmt: skip
    return f.text(f.generic("i j", [(total, "i j"), (v, "j")], "i j", body, dtype="i8", compute="f32"))


def matmul_residual(s: Sizes, dtype: str) -> str:
    """A B + residual, scaled by a vector."""
    f = Function({"i": s["m"], "j": s["n"], "k": s["k"]})
    a, b = f.argument("i k", dtype), f.argument("k j", dtype)
    r, v = f.argument("i j", dtype), f.argument("j", dtype)
    total = product(f, "i j k", [(a, "i k"), (b, "k j")], "i j", dtype)
    body = ["%s = arith.addf %x0, %x1 : $T", "%q = arith.mulf %s, %x2 : $T"]
    return f.text(f.generic("i j", [(total, "i j"), (r, "i j"), (v, "j")], "i j", body, dtype=dtype))


def batch_matmul_mixed(s: Sizes, dtype: str) -> str:
    """Batched, wide sums of narrow operands, the named operation."""
    f = Function({"b": s["b"], "i": s["m"], "j": s["n"], "k": s["k"]})
    a, b, wide = f.argument("b i k", dtype), f.argument("b k j", dtype), compute_type(dtype)
    return f.text(f.named("batch_matmul", [a, b], f.filled("b i j", wide, zero(wide))))


def batch_matmul_transposed(s: Sizes, dtype: str) -> str:
    """C[b, i, j] = A[b, i, k] B[b, j, k]."""
    f = Function({"b": s["b"], "i": s["m"], "j": s["n"], "k": s["k"]})
    a, b = f.argument("b i k", dtype), f.argument("b j k", dtype)
    return f.text(product(f, "b i j k", [(a, "b i k"), (b, "b j k")], "b i j", dtype))


def batch_matvec(s: Sizes, dtype: str) -> str:
    """y[b, i] = A[b, i, k] x[b, k]."""
    f = Function({"b": s["b"], "i": s["m"], "k": s["k"]})
    a, x = f.argument("b i k", dtype), f.argument("b k", dtype)
    return f.text(product(f, "b i k", [(a, "b i k"), (x, "b k")], "b i", dtype))


def _windowed(s: Sizes, dilation: int = 1) -> tuple[Function, str]:
    """A function with image dimensions, and how output `o` and window `w` index an axis."""
    extents = {"p": s["o"], "t": s["o"], "u": s["w"], "v": s["w"], "c": s["c"], "f": s.get("f", 1)}
    stride = s.get("stride", 1)
    first = f"p*{stride}+u*{dilation} t*{stride}+v*{dilation}"
    return Function(extents), first


def conv2d_mixed(s: Sizes, dtype: str) -> str:
    """Channels last, wide sums."""
    f, image = _windowed(s)
    a, b = f.argument(f"{image} c", dtype), f.argument("u v c f", dtype)
    return f.text(product(f, "p t f u v c", [(a, f"{image} c"), (b, "u v c f")], "p t f", dtype))


def conv2d_bias_relu(s: Sizes, dtype: str) -> str:
    """Channels first, with bias and relu."""
    f, image = _windowed(s)
    a, b, v = f.argument(f"c {image}", dtype), f.argument("f c u v", dtype), f.argument("f", dtype)
    total = product(f, "f p t c u v", [(a, f"c {image}"), (b, "f c u v")], "f p t", dtype)
    body = ["%s = arith.addf %x0, %x1 : $T", "%z0 = arith.constant 0.0 : $T", "%q = arith.maximumf %s, %z0 : $T"]
    return f.text(f.generic("f p t", [(total, "f p t"), (v, "f")], "f p t", body, dtype=dtype))


def conv2d_dilated(s: Sizes, dtype: str) -> str:
    """Channels first, every second pixel of the window."""
    f, image = _windowed(s, 2)
    a, b = f.argument(f"c {image}", dtype), f.argument("f c u v", dtype)
    return f.text(product(f, "f p t c u v", [(a, f"c {image}"), (b, "f c u v")], "f p t", dtype))


def conv1d_last(s: Sizes, dtype: str) -> str:
    """One axis, channels last."""
    f = Function({"p": s["o"], "u": s["w"], "c": s["c"], "f": s["f"]})
    a, b = f.argument("p+u c", dtype), f.argument("u c f", dtype)
    return f.text(product(f, "p f u c", [(a, "p+u c"), (b, "u c f")], "p f", dtype))


def depthwise1d(s: Sizes, dtype: str) -> str:
    """One axis, one filter a channel, channels last."""
    f = Function({"p": s["o"], "u": s["w"], "c": s["c"]})
    a, b = f.argument("p+u c", dtype), f.argument("u c", dtype)
    return f.text(product(f, "p c u", [(a, "p+u c"), (b, "u c")], "p c", dtype))


def depthwise_mixed(s: Sizes, dtype: str) -> str:
    """Two axes, one filter a channel, channels last, wide sums."""
    f, image = _windowed(s)
    a, b = f.argument(f"{image} c", dtype), f.argument("u v c", dtype)
    return f.text(product(f, "p t c u v", [(a, f"{image} c"), (b, "u v c")], "p t c", dtype))


def _pooled(f: Function, image: str, dtype: str, op: str, start: str, layout: str) -> str:
    source = f"c {image}" if layout == "first" else f"{image} c"
    out = "c p t" if layout == "first" else "p t c"
    a, wide = f.argument(source, dtype), compute_type(dtype)
    window = f.argument("u v", dtype)
    body = [f"%q = {op} %x0, %y : $T"]
    init = f.filled(out, wide, start)
    return f.generic(f"{out} u v", [(a, source), (window, "u v")], out, body, dtype=wide, init=init)


def pooling_average(s: Sizes, dtype: str) -> str:
    """Mean of windows, channels first."""
    f, image = _windowed(s)
    total = _pooled(f, image, dtype, "arith.addf", "0.0", "first")
    body = [f"%n = arith.constant {1.0 / s['w'] ** 2!r} : $T", "%q = arith.mulf %x0, %n : $T"]
    return f.text(f.generic("c p t", [(total, "c p t")], "c p t", body, dtype=dtype))


def pooling_max_last(s: Sizes, dtype: str) -> str:
    """Largest of windows, channels last."""
    f, image = _windowed(s)
    wide = compute_type(dtype)
    return f.text(narrow(f, "p t c", _pooled(f, image, dtype, MAX[wide], LOWEST[wide], "last"), dtype))


def pooling_global(s: Sizes, dtype: str) -> str:
    """Mean of each channel."""
    f = Function({"c": s["c"], "p": s["o"], "t": s["o"]})
    a = f.argument("c p t", dtype)
    total = f.generic(
        "c p t", [(a, "c p t")], "c", ["%q = arith.addf %x0, %y : $T"], dtype="f32", init=f.filled("c", "f32", "0.0")
    )
    body = [f"%n = arith.constant {1.0 / s['o'] ** 2!r} : $T", "%q = arith.mulf %x0, %n : $T"]
    return f.text(f.generic("c", [(total, "c")], "c", body, dtype=dtype))


def stencil(s: Sizes, dtype: str) -> str:
    """Mean of a pixel and its four neighbours, inside only."""
    f = Function({"h": s["h"], "w": s["w"], "one": 2, "two": 3})
    a = f.argument("h+two w+two", dtype)
    b = f.argument("two two", dtype)
    f.extents |= {"u": 3, "v": 3}
    total = product(f, "h w u v", [(a, "h+u w+v"), (b, "u v")], "h w", dtype)
    body = ["%n = arith.constant 0.2 : $T", "%q = arith.mulf %x0, %n : $T"]
    return f.text(f.generic("h w", [(total, "h w")], "h w", body, dtype=dtype))
