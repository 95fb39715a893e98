"""Linalg functions on tensors by operator family: text for given sizes, and sizes drawn at random.

Owns the first generators; every family is one entry of `FAMILIES`. Invariant: text depends on the sizes only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Sizes = Mapping[str, int]
_MAX_POINTS = 3e8
_MIN_POINTS = 2e4


@dataclass(frozen=True, slots=True)
class Family:
    """A generator: `text(sizes)`, the range of each size, and how many loop iterations sizes give."""

    text: Callable[[Sizes], str]
    ranges: Mapping[str, tuple[int, int]]
    points: Callable[[Sizes], float]


def _t(*dims: int, dtype: str = "f32") -> str:
    return f"tensor<{''.join(f'{d}x' for d in dims)}{dtype}>"


def _zero(name: str, type_: str) -> str:
    fill = f"linalg.fill ins(%zero : f32) outs(%{name}e : {type_}) -> {type_}"
    return f"  %{name}e = tensor.empty() : {type_}\n  %{name} = {fill}\n"


def _function(args: list[tuple[str, str]], result: str, body: str, value: str) -> str:
    head = ", ".join(f"%{n}: {t}" for n, t in args)
    zero = "  %zero = arith.constant 0.0 : f32\n"
    return f"func.func @main({head}) -> {result} {{\n{zero}{body}  return %{value} : {result}\n}}\n"


def _named(op: str, a: tuple[str, str], b: tuple[str, str], out: str, attributes: str = "") -> str:
    body = _zero("init", out)
    body += f"  %r = linalg.{op} {attributes}ins(%{a[0]}, %{b[0]} : {a[1]}, {b[1]}) outs(%init : {out}) -> {out}\n"
    return _function([a, b], out, body, "r")


def matmul(s: Sizes) -> str:
    """C[m, n] = A[m, k] B[k, n]."""
    return _named("matmul", ("a", _t(s["m"], s["k"])), ("b", _t(s["k"], s["n"])), _t(s["m"], s["n"]))


def matmul_bias_relu(s: Sizes) -> str:
    """max(A B + bias, 0)."""
    a, b, c, v = _t(s["m"], s["k"]), _t(s["k"], s["n"]), _t(s["m"], s["n"]), _t(s["n"])
    body = _zero("init", c) + f"  %p = linalg.matmul ins(%a, %b : {a}, {b}) outs(%init : {c}) -> {c}\n"
    body += _generic("r", ["(i, j)", "(j)", "(i, j)"], "pp", [("p", c), ("v", v)], ("inite", c), [
        "%s = arith.addf %x0, %x1 : f32", "%q = arith.maximumf %s, %zero : f32",
    ])  # fmt: skip
    return _function([("a", a), ("b", b), ("v", v)], c, body, "r")


def matmul_transposed(s: Sizes) -> str:
    """C[m, n] = A[m, k] B[n, k]."""
    a, b, c = _t(s["m"], s["k"]), _t(s["n"], s["k"]), _t(s["m"], s["n"])
    body = _zero("init", c)
    body += _generic("r", ["(i, k)", "(j, k)", "(i, j)"], "ppr", [("a", a), ("b", b)], ("init", c), [
        "%m = arith.mulf %x0, %x1 : f32", "%q = arith.addf %y, %m : f32",
    ], dims="i, j, k")  # fmt: skip
    return _function([("a", a), ("b", b)], c, body, "r")


def batch_matmul(s: Sizes) -> str:
    """C[b, m, n] = A[b, m, k] B[b, k, n]."""
    b = s["b"]
    return _named("batch_matmul", ("a", _t(b, s["m"], s["k"])), ("b", _t(b, s["k"], s["n"])), _t(b, s["m"], s["n"]))


def matvec(s: Sizes) -> str:
    """y[m] = A[m, k] x[k]."""
    return _named("matvec", ("a", _t(s["m"], s["k"])), ("b", _t(s["k"])), _t(s["m"]))


def _conv_attributes(s: Sizes, rank: int) -> str:
    return f"{{strides = dense<{s.get('stride', 1)}> : tensor<{rank}xi64>}} "


def _in(s: Sizes, out: str, window: str = "w") -> int:
    return (s[out] - 1) * s.get("stride", 1) + s[window]


def conv2d_nhwc(s: Sizes) -> str:
    """Convolution, channels last; `o` is the output's side, `w` the window's, `c` in, `f` out."""
    h = _in(s, "o")
    a, b, c = _t(1, h, h, s["c"]), _t(s["w"], s["w"], s["c"], s["f"]), _t(1, s["o"], s["o"], s["f"])
    return _named("conv_2d_nhwc_hwcf", ("a", a), ("b", b), c, _conv_attributes(s, 2))


def conv2d_nchw(s: Sizes) -> str:
    """Convolution, channels first."""
    h = _in(s, "o")
    a, b, c = _t(1, s["c"], h, h), _t(s["f"], s["c"], s["w"], s["w"]), _t(1, s["f"], s["o"], s["o"])
    return _named("conv_2d_nchw_fchw", ("a", a), ("b", b), c, _conv_attributes(s, 2))


def depthwise_nchw(s: Sizes) -> str:
    """Depthwise convolution, channels first."""
    h = _in(s, "o")
    a, b, c = _t(1, s["c"], h, h), _t(s["c"], s["w"], s["w"]), _t(1, s["c"], s["o"], s["o"])
    return _named("depthwise_conv_2d_nchw_chw", ("a", a), ("b", b), c, _conv_attributes(s, 2))


def depthwise_nhwc(s: Sizes) -> str:
    """Depthwise convolution, channels last."""
    h = _in(s, "o")
    a, b, c = _t(1, h, h, s["c"]), _t(s["w"], s["w"], s["c"]), _t(1, s["o"], s["o"], s["c"])
    return _named("depthwise_conv_2d_nhwc_hwc", ("a", a), ("b", b), c, _conv_attributes(s, 2))


def conv1d(s: Sizes) -> str:
    """Convolution over one axis, channels first."""
    h = _in(s, "o")
    a, b, c = _t(1, s["c"], h), _t(s["f"], s["c"], s["w"]), _t(1, s["f"], s["o"])
    return _named("conv_1d_ncw_fcw", ("a", a), ("b", b), c, _conv_attributes(s, 1))


def pooling_max(s: Sizes) -> str:
    """Max pooling, channels first."""
    h = _in(s, "o")
    a, c = _t(1, s["c"], h, h), _t(1, s["c"], s["o"], s["o"])
    w = _t(s["w"], s["w"])
    body = f"  %low = arith.constant 0xFF800000 : f32\n  %e = tensor.empty() : {c}\n  %w = tensor.empty() : {w}\n"
    body += f"  %init = linalg.fill ins(%low : f32) outs(%e : {c}) -> {c}\n"
    body += f"  %r = linalg.pooling_nchw_max {_conv_attributes(s, 2)}ins(%a, %w : {a}, {w}) outs(%init : {c}) -> {c}\n"
    return _function([("a", a)], c, body, "r")


def _generic(
    name: str,
    maps: list[str],
    kinds: str,
    ins: list[tuple[str, str]],
    out: tuple[str, str],
    body: list[str],
    dims: str = "i, j",
) -> str:
    """One linalg.generic whose last body value is %q."""
    affine = ", ".join(f"affine_map<({dims}) -> {m}>" for m in maps)
    iterators = ", ".join('"parallel"' if k == "p" else '"reduction"' for k in kinds)
    args = ", ".join([f"%x{i}: f32" for i in range(len(ins))] + ["%y: f32"])
    text = f"  %{name} = linalg.generic {{indexing_maps = [{affine}], iterator_types = [{iterators}]}}\n"
    names, types = ", ".join("%" + n for n, _ in ins), ", ".join(t for _, t in ins)
    text += f"    ins({names} : {types}) outs(%{out[0]} : {out[1]}) {{\n"
    text += f"  ^bb0({args}):\n" + "".join(f"    {line}\n" for line in body)
    return text + f"    linalg.yield %q : f32\n  }} -> {out[1]}\n"


def softmax(s: Sizes) -> str:
    """Softmax over the last axis of [m, n]."""
    t, r = _t(s["m"], s["n"]), _t(s["m"])
    row, both = "(i)", "(i, j)"
    body = f"  %low = arith.constant 0xFF800000 : f32\n  %re = tensor.empty() : {r}\n  %te = tensor.empty() : {t}\n"
    body += f"  %li = linalg.fill ins(%low : f32) outs(%re : {r}) -> {r}\n" + _zero("zi", r)
    body += _generic("mx", [both, row], "pr", [("a", t)], ("li", r), ["%q = arith.maximumf %x0, %y : f32"])
    body += _generic(
        "ex",
        [both, row, both],
        "pp",
        [("a", t), ("mx", r)],
        ("te", t),
        ["%d = arith.subf %x0, %x1 : f32", "%q = math.exp %d : f32"],
    )
    body += _generic("sm", [both, row], "pr", [("ex", t)], ("zi", r), ["%q = arith.addf %x0, %y : f32"])
    body += _generic(
        "r", [both, row, both], "pp", [("ex", t), ("sm", r)], ("te", t), ["%q = arith.divf %x0, %x1 : f32"]
    )
    return _function([("a", t)], t, body, "r")


def layer_norm(s: Sizes) -> str:
    """Layer norm over the last axis of [m, n], with scale and shift."""
    t, r, v = _t(s["m"], s["n"]), _t(s["m"]), _t(s["n"])
    row, both, col = "(i)", "(i, j)", "(j)"
    n = float(s["n"])
    body = (
        f"  %n = arith.constant {n} : f32\n  %eps = arith.constant 1.0e-5 : f32\n  %te = tensor.empty() : {t}\n"
        + _zero("zi", r)
    )
    body += _generic("su", [both, row], "pr", [("a", t)], ("zi", r), ["%q = arith.addf %x0, %y : f32"])
    body += _generic("mu", ["(i)", "(i)"], "p", [("su", r)], ("zie", r), ["%q = arith.divf %x0, %n : f32"], dims="i")
    body += _generic("va", [both, row, row], "pr", [("a", t), ("mu", r)], ("zi", r), [
        "%d = arith.subf %x0, %x1 : f32", "%m = arith.mulf %d, %d : f32", "%q = arith.addf %m, %y : f32",
    ])  # fmt: skip
    ins = [("a", t), ("mu", r), ("va", r), ("g", v), ("b", v)]
    body += _generic("r", [both, row, row, col, col, both], "pp", ins, ("te", t), [
        "%d = arith.subf %x0, %x1 : f32", "%w = arith.divf %x2, %n : f32", "%e = arith.addf %w, %eps : f32",
        "%s = math.rsqrt %e : f32", "%p = arith.mulf %d, %s : f32", "%o = arith.mulf %p, %x3 : f32",
        "%q = arith.addf %o, %x4 : f32",
    ])  # fmt: skip
    return _function([("a", t), ("g", v), ("b", v)], t, body, "r")


def reduce_rows(s: Sizes) -> str:
    """Sum over the last axis."""
    t, r = _t(s["m"], s["n"]), _t(s["m"])
    body = _zero("zi", r) + _generic(
        "r", ["(i, j)", "(i)"], "pr", [("a", t)], ("zi", r), ["%q = arith.addf %x0, %y : f32"]
    )
    return _function([("a", t)], r, body, "r")


def reduce_columns(s: Sizes) -> str:
    """Largest of each column."""
    t, r = _t(s["m"], s["n"]), _t(s["n"])
    body = f"  %low = arith.constant 0xFF800000 : f32\n  %re = tensor.empty() : {r}\n"
    body += f"  %li = linalg.fill ins(%low : f32) outs(%re : {r}) -> {r}\n"
    body += _generic("r", ["(i, j)", "(j)"], "rp", [("a", t)], ("li", r), ["%q = arith.maximumf %x0, %y : f32"])
    return _function([("a", t)], r, body, "r")


def elementwise_gelu(s: Sizes) -> str:
    """gelu(a + bias), tanh form."""
    t, v = _t(s["m"], s["n"]), _t(s["n"])
    body = "  %k = arith.constant 0.797884561 : f32\n  %c = arith.constant 0.044715 : f32\n"
    body += f"  %one = arith.constant 1.0 : f32\n  %half = arith.constant 0.5 : f32\n  %te = tensor.empty() : {t}\n"
    body += _generic("r", ["(i, j)", "(j)", "(i, j)"], "pp", [("a", t), ("v", v)], ("te", t), [
        "%x = arith.addf %x0, %x1 : f32", "%x2 = arith.mulf %x, %x : f32", "%x3 = arith.mulf %x2, %x : f32",
        "%cx = arith.mulf %x3, %c : f32", "%sx = arith.addf %x, %cx : f32", "%kx = arith.mulf %sx, %k : f32",
        "%th = math.tanh %kx : f32", "%p = arith.addf %th, %one : f32", "%h = arith.mulf %x, %half : f32",
        "%q = arith.mulf %h, %p : f32",
    ])  # fmt: skip
    return _function([("a", t), ("v", v)], t, body, "r")


def elementwise_chain(s: Sizes) -> str:
    """relu(a * b + c) - d, in three operations that a compiler may fuse."""
    t = _t(s["m"], s["n"])
    both = "(i, j)"
    body = f"  %te = tensor.empty() : {t}\n"
    body += _generic("p", [both] * 3, "pp", [("a", t), ("b", t)], ("te", t), ["%q = arith.mulf %x0, %x1 : f32"])
    body += _generic(
        "o",
        [both] * 3,
        "pp",
        [("p", t), ("c", t)],
        ("te", t),
        ["%s = arith.addf %x0, %x1 : f32", "%q = arith.maximumf %s, %zero : f32"],
    )
    body += _generic("r", [both] * 3, "pp", [("o", t), ("d", t)], ("te", t), ["%q = arith.subf %x0, %x1 : f32"])
    return _function([("a", t), ("b", t), ("c", t), ("d", t)], t, body, "r")


def transpose(s: Sizes) -> str:
    """B[j, i] = A[i, j] + 1, so that it is a kernel and not a view."""
    t, u = _t(s["m"], s["n"]), _t(s["n"], s["m"])
    body = f"  %one = arith.constant 1.0 : f32\n  %te = tensor.empty() : {u}\n"
    body += _generic("r", ["(j, i)", "(i, j)"], "pp", [("a", t)], ("te", u), ["%q = arith.addf %x0, %one : f32"])
    return _function([("a", t)], u, body, "r")


def _mn(s: Sizes) -> float:
    return float(s["m"] * s["n"])


def _mnk(s: Sizes) -> float:
    return float(s["m"] * s["n"] * s["k"])


def _conv(s: Sizes) -> float:
    return float(s["f"] * s["c"] * s["o"] ** 2 * s["w"] ** 2)


def _windows(s: Sizes) -> float:
    return float(s["c"] * s["o"] ** 2 * s["w"] ** 2)


_MNK = {"m": (8, 1024), "n": (8, 1024), "k": (8, 1024)}
_ROWS = {"m": (16, 2048), "n": (16, 2048)}
_CONV = {"o": (6, 80), "c": (3, 160), "f": (8, 192), "w": (1, 5), "stride": (1, 2)}
_BATCH = {"b": (2, 16), "m": (16, 256), "n": (16, 256), "k": (16, 256)}
_CONV1D = {"o": (32, 1024), "c": (8, 256), "f": (8, 256), "w": (1, 9), "stride": (1, 2)}
_POOLING = {"o": (8, 96), "c": (8, 256), "w": (2, 3), "stride": (1, 2)}
_DEPTHWISE = {"o": (6, 96), "c": (16, 320), "w": (3, 5), "stride": (1, 2)}

FAMILIES: dict[str, Family] = {
    "matmul": Family(matmul, _MNK, _mnk),
    "matmul_bias_relu": Family(matmul_bias_relu, _MNK, _mnk),
    "matmul_transposed": Family(matmul_transposed, _MNK, _mnk),
    "batch_matmul": Family(batch_matmul, _BATCH, lambda s: s["b"] * _mnk(s)),
    "matvec": Family(matvec, {"m": (32, 2048), "k": (32, 2048)}, lambda s: float(s["m"] * s["k"])),
    "conv2d_nhwc": Family(conv2d_nhwc, _CONV, _conv),
    "conv2d_nchw": Family(conv2d_nchw, _CONV, _conv),
    "depthwise_nchw": Family(depthwise_nchw, _DEPTHWISE, _windows),
    "depthwise_nhwc": Family(depthwise_nhwc, _DEPTHWISE, _windows),
    "conv1d": Family(conv1d, _CONV1D, lambda s: float(s["f"] * s["c"] * s["o"] * s["w"])),
    "pooling_max": Family(pooling_max, _POOLING, _windows),
    "softmax": Family(softmax, _ROWS, _mn),
    "layer_norm": Family(layer_norm, _ROWS, _mn),
    "reduce_rows": Family(reduce_rows, _ROWS, _mn),
    "reduce_columns": Family(reduce_columns, _ROWS, _mn),
    "elementwise_gelu": Family(elementwise_gelu, _ROWS, _mn),
    "elementwise_chain": Family(elementwise_chain, _ROWS, _mn),
    "transpose": Family(transpose, _ROWS, _mn),
}  # fmt: skip


def draw_sizes(name: str, rng: np.random.Generator) -> dict[str, int]:
    """Sizes of a family: log-uniform, half of them rounded to multiples of 8, of bounded work."""
    family = FAMILIES[name]
    while True:
        sizes = {}
        for key, (low, high) in family.ranges.items():
            value = round(float(np.exp(rng.uniform(np.log(low), np.log(high + 1)))) - 0.5)
            if high > 16 and rng.random() < 0.5:
                value = max(8, value // 8 * 8)
            sizes[key] = int(np.clip(value, low, high))
        if _MIN_POINTS <= family.points(sizes) <= _MAX_POINTS:
            return sizes
