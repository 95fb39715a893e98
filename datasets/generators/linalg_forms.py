"""The functions of `linalg_families`, each linalg text from sizes and an element type."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from costmodel.datasets.generators.linalg_text import LOWEST, Function, compute_type
from costmodel.datasets.linalg import Sizes

_ADD = {"f32": "arith.addf", "i32": "arith.addi"}
_MUL = {"f32": "arith.mulf", "i32": "arith.muli"}
_MAX = {"f32": "arith.maximumf", "i32": "arith.maxsi"}


def _zero(wide: str) -> str:
    return "0.0" if wide.startswith("f") else "0"


def _product(f: Function, dims: str, ins: list[tuple[str, str]], out: str, dtype: str) -> str:
    """A sum of products in the computed type."""
    wide = compute_type(dtype)
    body = [f"%m = {_MUL[wide]} %x0, %x1 : $T", f"%q = {_ADD[wide]} %y, %m : $T"]
    return f.generic(dims, ins, out, body, dtype=wide, init=f.filled(out, wide, _zero(wide)))


def _narrow(f: Function, dims: str, value: str, dtype: str) -> str:
    """The value in `dtype` again."""
    wide = compute_type(dtype)
    if wide == dtype:
        return value
    one = "1.0" if wide.startswith("f") else "1"
    body = [f"%one = arith.constant {one} : $T", f"%q = {_MUL[wide]} %x0, %one : $T"]
    return f.generic(dims, [(value, dims)], dims, body, dtype=dtype)


def matmul_mixed(s: Sizes, dtype: str) -> str:
    """C[i, j] in f32 or i32 from narrow operands, as the named operation."""
    f = Function({"i": s["m"], "j": s["n"], "k": s["k"]})
    a, b, wide = f.argument("i k", dtype), f.argument("k j", dtype), compute_type(dtype)
    return f.text(f.named("matmul", [a, b], f.filled("i j", wide, _zero(wide))))


def matmul_tn(s: Sizes, dtype: str) -> str:
    """C[i, j] = A[k, i] B[k, j]."""
    f = Function({"i": s["m"], "j": s["n"], "k": s["k"]})
    a, b = f.argument("k i", dtype), f.argument("k j", dtype)
    return f.text(_product(f, "i j k", [(a, "k i"), (b, "k j")], "i j", dtype))


def matmul_requantised(s: Sizes, dtype: str) -> str:
    """int8 operands, int32 sums, scaled in f32, rounded and clamped to int8."""
    f = Function({"i": s["m"], "j": s["n"], "k": s["k"]})
    a, b, v = f.argument("i k", dtype), f.argument("k j", dtype), f.argument("j", "f32")
    total = _product(f, "i j k", [(a, "i k"), (b, "k j")], "i j", dtype)
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
    total = _product(f, "i j k", [(a, "i k"), (b, "k j")], "i j", dtype)
    body = ["%s = arith.addf %x0, %x1 : $T", "%q = arith.mulf %s, %x2 : $T"]
    return f.text(f.generic("i j", [(total, "i j"), (r, "i j"), (v, "j")], "i j", body, dtype=dtype))


def batch_matmul_mixed(s: Sizes, dtype: str) -> str:
    """Batched, wide sums of narrow operands, the named operation."""
    f = Function({"b": s["b"], "i": s["m"], "j": s["n"], "k": s["k"]})
    a, b, wide = f.argument("b i k", dtype), f.argument("b k j", dtype), compute_type(dtype)
    return f.text(f.named("batch_matmul", [a, b], f.filled("b i j", wide, _zero(wide))))


def batch_matmul_transposed(s: Sizes, dtype: str) -> str:
    """C[b, i, j] = A[b, i, k] B[b, j, k]."""
    f = Function({"b": s["b"], "i": s["m"], "j": s["n"], "k": s["k"]})
    a, b = f.argument("b i k", dtype), f.argument("b j k", dtype)
    return f.text(_product(f, "b i j k", [(a, "b i k"), (b, "b j k")], "b i j", dtype))


def batch_matvec(s: Sizes, dtype: str) -> str:
    """y[b, i] = A[b, i, k] x[b, k]."""
    f = Function({"b": s["b"], "i": s["m"], "k": s["k"]})
    a, x = f.argument("b i k", dtype), f.argument("b k", dtype)
    return f.text(_product(f, "b i k", [(a, "b i k"), (x, "b k")], "b i", dtype))


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
    return f.text(_product(f, "p t f u v c", [(a, f"{image} c"), (b, "u v c f")], "p t f", dtype))


def conv2d_bias_relu(s: Sizes, dtype: str) -> str:
    """Channels first, with bias and relu."""
    f, image = _windowed(s)
    a, b, v = f.argument(f"c {image}", dtype), f.argument("f c u v", dtype), f.argument("f", dtype)
    total = _product(f, "f p t c u v", [(a, f"c {image}"), (b, "f c u v")], "f p t", dtype)
    body = ["%s = arith.addf %x0, %x1 : $T", "%z0 = arith.constant 0.0 : $T", "%q = arith.maximumf %s, %z0 : $T"]
    return f.text(f.generic("f p t", [(total, "f p t"), (v, "f")], "f p t", body, dtype=dtype))


def conv2d_dilated(s: Sizes, dtype: str) -> str:
    """Channels first, every second pixel of the window."""
    f, image = _windowed(s, 2)
    a, b = f.argument(f"c {image}", dtype), f.argument("f c u v", dtype)
    return f.text(_product(f, "f p t c u v", [(a, f"c {image}"), (b, "f c u v")], "f p t", dtype))


def conv1d_last(s: Sizes, dtype: str) -> str:
    """One axis, channels last."""
    f = Function({"p": s["o"], "u": s["w"], "c": s["c"], "f": s["f"]})
    a, b = f.argument("p+u c", dtype), f.argument("u c f", dtype)
    return f.text(_product(f, "p f u c", [(a, "p+u c"), (b, "u c f")], "p f", dtype))


def depthwise1d(s: Sizes, dtype: str) -> str:
    """One axis, one filter a channel, channels last."""
    f = Function({"p": s["o"], "u": s["w"], "c": s["c"]})
    a, b = f.argument("p+u c", dtype), f.argument("u c", dtype)
    return f.text(_product(f, "p c u", [(a, "p+u c"), (b, "u c")], "p c", dtype))


def depthwise_mixed(s: Sizes, dtype: str) -> str:
    """Two axes, one filter a channel, channels last, wide sums."""
    f, image = _windowed(s)
    a, b = f.argument(f"{image} c", dtype), f.argument("u v c", dtype)
    return f.text(_product(f, "p t c u v", [(a, f"{image} c"), (b, "u v c")], "p t c", dtype))


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
    return f.text(_narrow(f, "p t c", _pooled(f, image, dtype, _MAX[wide], LOWEST[wide], "last"), dtype))


def pooling_global(s: Sizes, dtype: str) -> str:
    """Mean of each channel."""
    f = Function({"c": s["c"], "p": s["o"], "t": s["o"]})
    a = f.argument("c p t", dtype)
    total = f.generic(
        "c p t", [(a, "c p t")], "c", ["%q = arith.addf %x0, %y : $T"], dtype="f32", init=f.filled("c", "f32", "0.0")
    )
    body = [f"%n = arith.constant {1.0 / s['o'] ** 2!r} : $T", "%q = arith.mulf %x0, %n : $T"]
    return f.text(f.generic("c", [(total, "c")], "c", body, dtype=dtype))


def _sum(f: Function, dims: str, value: str, at: str, out: str, square: bool = False) -> str:
    body = (
        ["%m = arith.mulf %x0, %x0 : $T", "%q = arith.addf %m, %y : $T"] if square else ["%q = arith.addf %x0, %y : $T"]
    )
    return f.generic(dims, [(value, at)], out, body, dtype="f32", init=f.filled(out, "f32", "0.0"))


def _scale(n: float, eps: str) -> list[str]:
    return [
        f"%n = arith.constant {1.0 / n!r} : $T", f"%e = arith.constant {eps} : $T",
    ]  # fmt: skip


def rms_norm(s: Sizes, dtype: str) -> str:
    """Computes x · rsqrt(mean of squares) · g."""
    f = Function({"i": s["m"], "j": s["n"]})
    a, g = f.argument("i j", dtype), f.argument("j", dtype)
    total = _sum(f, "i j", a, "i j", "i", square=True)
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
    total = _sum(f, "i j k", x, "i j k", "i")
    squares = _sum(f, "i j k", x, "i j k", "i", square=True)
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
    total = _sum(f, dims, e, dims, rows)
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
    score = _product(f, "h i j d", [(q, "h i d"), (k, "h j d")], "h i j", dtype)
    body = [f"%n = arith.constant {s['d'] ** -0.5!r} : $T", "%q = arith.mulf %x0, %n : $T"]
    scaled = f.generic("h i j", [(score, "h i j")], "h i j", body, dtype="f32")
    weight = _softmax(f, "h i j", "h i", scaled, dtype)
    total = _product(f, "h i d j", [(weight, "h i j"), (v, "h j d")], "h i d", dtype)
    return f.text(_narrow(f, "h i d", total, dtype))


_UNARY = (
    ("%{o} = math.exp %{i} : $T",), ("%{o} = math.tanh %{i} : $T",), ("%{o} = math.absf %{i} : $T",),
    ("%{o} = arith.negf %{i} : $T",), ("%{o} = math.sqrt %{i} : $T",), ("%{o} = arith.mulf %{i}, %{i} : $T",),
    ("%{o}z = arith.constant 0.0 : $T", "%{o} = arith.maximumf %{i}, %{o}z : $T"),
    ("%{o}z = arith.constant 6.0 : $T", "%{o} = arith.minimumf %{i}, %{o}z : $T"),
    ("%{o}c = arith.constant 0.125 : $T", "%{o} = arith.mulf %{i}, %{o}c : $T"),
    ("%{o}c = arith.constant 3.0 : $T", "%{o} = arith.addf %{i}, %{o}c : $T"),
    ("%{o}n = arith.negf %{i} : $T", "%{o}e = math.exp %{o}n : $T", "%{o}c = arith.constant 1.0 : $T",
     "%{o}d = arith.addf %{o}e, %{o}c : $T", "%{o} = arith.divf %{o}c, %{o}d : $T"),
)  # fmt: skip
_BINARY = ("arith.addf", "arith.subf", "arith.mulf", "arith.maximumf", "arith.minimumf", "arith.divf")


def _chain(rng: np.random.Generator, inputs: int, depth: int) -> list[str]:
    """A random body over `inputs` values in which each is used."""
    lines, value = list[str](), "x0"
    waiting = [f"x{i}" for i in range(1, inputs)]
    for step in range(depth + len(waiting)):
        out = f"s{step}"
        if waiting and (rng.random() < 0.5 or depth + inputs - 1 - step <= len(waiting)):
            lines.append(f"%{out} = {_BINARY[int(rng.integers(len(_BINARY)))]} %{value}, %{waiting.pop(0)} : $T")
        else:
            lines += [t.replace("{o}", out).replace("{i}", value) for t in _UNARY[int(rng.integers(len(_UNARY)))]]
        value = out
    one = "%last = arith.constant 0.5 : $T"
    return [*lines, one, f"%q = arith.mulf %{value}, %last : $T"]


def elementwise_random(s: Sizes, dtype: str) -> str:
    """A random chain of operations over one to four operands, some broadcast along an axis."""
    rng = np.random.default_rng([7, s["variant"]])
    f = Function({"i": s["m"], "j": s["n"]})
    layouts = [("i j", "j", "i")[int(rng.choice(3, p=(0.6, 0.25, 0.15)))] for _ in range(int(rng.integers(0, 4)))]
    ins = [(f.argument(at, dtype), at) for at in ["i j", *layouts]]
    value = f.generic("i j", ins, "i j", _chain(rng, len(ins), int(rng.integers(1, 9))), dtype=dtype)
    if rng.random() < 0.4:
        extra = f.argument("i j", dtype)
        body = _chain(rng, 2, int(rng.integers(1, 4)))
        value = f.generic("i j", [(value, "i j"), (extra, "i j")], "i j", body, dtype=dtype)
    return f.text(value)


_INTEGER = (
    "arith.addi",
    "arith.subi",
    "arith.muli",
    "arith.maxsi",
    "arith.minsi",
    "arith.andi",
    "arith.xori",
    "arith.ori",
)


def elementwise_integer(s: Sizes, dtype: str) -> str:
    """A random chain of int32 operations on int8 operands, clamped back to int8."""
    rng = np.random.default_rng([11, s["variant"]])
    f = Function({"i": s["m"], "j": s["n"]})
    ins = [(f.argument("i j", dtype), "i j") for _ in range(int(rng.integers(2, 5)))]
    lines, value = list[str](), "x0"
    for step in range(len(ins) - 1 + int(rng.integers(1, 5))):
        other = f"x{step % (len(ins) - 1) + 1}"
        lines.append(f"%s{step} = {_INTEGER[int(rng.integers(len(_INTEGER)))]} %{value}, %{other} : $T")
        value = f"s{step}"
    lines += [
        "%lo = arith.constant -128 : $T", "%hi = arith.constant 127 : $T", f"%c = arith.maxsi %{value}, %lo : $T",
        "%q = arith.minsi %c, %hi : $T",
    ]  # fmt: skip
    return f.text(f.generic("i j", ins, "i j", lines, dtype=dtype))


def gated(s: Sizes, dtype: str) -> str:
    """Computes activation(x) · y, the activation by variant: sigmoid, silu, hard swish, gelu by tanh, softplus."""
    f = Function({"i": s["m"], "j": s["n"]})
    x, y = f.argument("i j", dtype), f.argument("i j", dtype)
    one = "%one = arith.constant 1.0 : $T"
    sigmoid = [
        "%n = arith.negf %x0 : $T",
        "%e = math.exp %n : $T",
        "%d = arith.addf %e, %one : $T",
        "%g = arith.divf %one, %d : $T",
    ]
    bodies = [
        [one, *sigmoid, "%a = arith.mulf %g, %one : $T"],
        [one, *sigmoid, "%a = arith.mulf %g, %x0 : $T"],
        ["%three = arith.constant 3.0 : $T", "%six = arith.constant 6.0 : $T", "%z0 = arith.constant 0.0 : $T",
         "%h = arith.addf %x0, %three : $T", "%l = arith.maximumf %h, %z0 : $T", "%u = arith.minimumf %l, %six : $T",
         "%v = arith.divf %u, %six : $T", "%a = arith.mulf %v, %x0 : $T"],
        [one, "%k = arith.constant 0.7978845 : $T", "%c = arith.constant 0.044715 : $T",
         "%s2 = arith.mulf %x0, %x0 : $T",
         "%s3 = arith.mulf %s2, %x0 : $T", "%p = arith.mulf %s3, %c : $T", "%r = arith.addf %x0, %p : $T",
         "%w = arith.mulf %r, %k : $T", "%t = math.tanh %w : $T", "%u = arith.addf %t, %one : $T",
         "%a = arith.mulf %u, %x0 : $T"],
        [one, "%e = math.exp %x0 : $T", "%d = arith.addf %e, %one : $T", "%a = math.log %d : $T"],
    ]  # fmt: skip
    body = [*bodies[s["variant"] % len(bodies)], "%q = arith.mulf %a, %x1 : $T"]
    return f.text(f.generic("i j", [(x, "i j"), (y, "i j")], "i j", body, dtype=dtype))


def quantise(s: Sizes, dtype: str) -> str:
    """Rows by their largest magnitude to int8."""
    f = Function({"i": s["m"], "j": s["n"]})
    a = f.argument("i j", dtype)
    body = ["%a = math.absf %x0 : $T", "%q = arith.maximumf %a, %y : $T"]
    high = f.generic("i j", [(a, "i j")], "i", body, dtype="f32", init=f.filled("i", "f32", "1.0e-8"))
    body = ["%n = arith.constant 127.0 : $T", "%s = arith.divf %n, %x1 : $T", "%q = arith.mulf %x0, %s : $T"]
    return f.text(f.generic("i j", [(a, "i j"), (high, "i")], "i j", body, dtype="i8", compute="f32"))


def dequantise(s: Sizes, dtype: str) -> str:
    """int8 to f32 by a scale and a shift for each column."""
    f = Function({"i": s["m"], "j": s["n"]})
    a, g, b = f.argument("i j", dtype), f.argument("j", "f32"), f.argument("j", "f32")
    body = ["%p = arith.subf %x0, %x2 : $T", "%q = arith.mulf %p, %x1 : $T"]
    return f.text(f.generic("i j", [(a, "i j"), (g, "j"), (b, "j")], "i j", body, dtype="f32"))


def reduce_random(s: Sizes, dtype: str) -> str:
    """A reduction of [a, b, c] over one or two axes by sum, largest, smallest, or sum of squares."""
    rng = np.random.default_rng([13, s["variant"]])
    wide = compute_type(dtype)
    f = Function({"i": s["a"], "j": s["b"], "k": s["c"]})
    out = ("i j", "i k", "j k", "i", "j", "k")[int(rng.integers(6))]
    minimum, high = ("arith.minimumf", "3.40282347e+38") if wide == "f32" else ("arith.minsi", "2147483647")
    ops = [
        (_zero(wide), [f"%q = {_ADD[wide]} %x0, %y : $T"]), (LOWEST[wide], [f"%q = {_MAX[wide]} %x0, %y : $T"]),
        (high, [f"%q = {minimum} %x0, %y : $T"]),
        (_zero(wide), [f"%m = {_MUL[wide]} %x0, %x0 : $T", f"%q = {_ADD[wide]} %m, %y : $T"]),
    ]  # fmt: skip
    start, body = ops[int(rng.integers(len(ops)))]
    a = f.argument("i j k", dtype)
    value = f.generic("i j k", [(a, "i j k")], out, body, dtype=wide, init=f.filled(out, wide, start))
    return f.text(value)


def reduce_norm(s: Sizes, dtype: str) -> str:
    """Computes x / |x| for each row."""
    f = Function({"i": s["m"], "j": s["n"]})
    a = f.argument("i j", dtype)
    total = _sum(f, "i j", a, "i j", "i", square=True)
    body = [
        "%e = arith.constant 1.0e-12 : $T", "%t = arith.addf %x1, %e : $T", "%r = math.sqrt %t : $T",
        "%q = arith.divf %x0, %r : $T",
    ]  # fmt: skip
    return f.text(f.generic("i j", [(a, "i j"), (total, "i")], "i j", body, dtype=dtype))


def permute(s: Sizes, dtype: str) -> str:
    """[i, j, k, l] in another order, doubled, so that it is a kernel and not a view."""
    orders = [p for p in permutations("ijkl") if p != tuple("ijkl")]
    order = " ".join(orders[s["variant"] % len(orders)])
    wide = compute_type(dtype)
    f = Function({"i": s["a"], "j": s["b"], "k": s["c"], "l": s["d"]})
    a = f.argument("i j k l", dtype)
    body = [f"%q = {_ADD[wide]} %x0, %x0 : $T"]
    return f.text(f.generic(order, [(a, "i j k l")], order, body, dtype=dtype))


def gather(s: Sizes, dtype: str) -> str:
    """y[l, n] = table[index[l], n]."""
    f = Function({"v": s["v"], "l": s["l"], "n": s["n"]})
    table, index = f.argument("v n", dtype), f.argument("l", "i64")
    body = [
        "%at = arith.index_cast %x0 : i64 to index", "%column = linalg.index 1 : index",
        f"%q = tensor.extract %{table}[%at, %column] : {f.tensor('v n', dtype)}",
    ]  # fmt: skip
    return f.text(f.generic("l n", [(index, "l")], "l n", body, dtype=dtype, compute=dtype))


def stencil(s: Sizes, dtype: str) -> str:
    """Mean of a pixel and its four neighbours, inside only."""
    f = Function({"h": s["h"], "w": s["w"], "one": 2, "two": 3})
    a = f.argument("h+two w+two", dtype)
    b = f.argument("two two", dtype)
    f.extents |= {"u": 3, "v": 3}
    total = _product(f, "h w u v", [(a, "h+u w+v"), (b, "u v")], "h w", dtype)
    body = ["%n = arith.constant 0.2 : $T", "%q = arith.mulf %x0, %n : $T"]
    return f.text(f.generic("h w", [(total, "h w")], "h w", body, dtype=dtype))
