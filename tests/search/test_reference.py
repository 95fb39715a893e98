"""The reference against plain numpy formulas, for every family and for single operations."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.datasets.linalg import FAMILIES

sys.path.insert(0, str(Path(__file__).parent))
from kernel_extras import EXTRAS, t
from kernel_samples import SMALL, evaluate_parts, generic, parts_of

sys.path.pop(0)


def windows(x, w, stride, axes):
    """`x` with a window axis appended for each of `axes`."""
    view = np.lib.stride_tricks.sliding_window_view(x, (w,) * len(axes), axis=axes)
    return view[tuple(slice(None, None, stride) if i in axes else slice(None) for i in range(x.ndim))]


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def layer_norm(x, g, b):
    d = x - x.mean(1, keepdims=True)
    return d / np.sqrt((d**2).mean(1, keepdims=True) + 1e-5) * g + b


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def formulas(s):
    st, w = s.get("stride", 1), s.get("w", 1)
    return {
        "matmul": lambda a, b: a @ b,
        "matmul_bias_relu": lambda a, b, v: np.maximum(a @ b + v, 0),
        "matmul_transposed": lambda a, b: a @ b.T,
        "batch_matmul": lambda a, b: a @ b,
        "matvec": lambda a, b: a @ b,
        "conv2d_nhwc": lambda a, b: np.einsum("nhwcxy,xycf->nhwf", windows(a, w, st, (1, 2)), b),
        "conv2d_nchw": lambda a, b: np.einsum("nchwxy,fcxy->nfhw", windows(a, w, st, (2, 3)), b),
        "depthwise_nchw": lambda a, b: np.einsum("nchwxy,cxy->nchw", windows(a, w, st, (2, 3)), b),
        "depthwise_nhwc": lambda a, b: np.einsum("nhwcxy,xyc->nhwc", windows(a, w, st, (1, 2)), b),
        "conv1d": lambda a, b: np.einsum("ncwx,fcx->nfw", windows(a, w, st, (2,)), b),
        "pooling_max": lambda a: windows(a, w, st, (2, 3)).max((-1, -2)),
        "softmax": softmax,
        "layer_norm": layer_norm,
        "reduce_rows": lambda a: a.sum(1),
        "reduce_columns": lambda a: a.max(0),
        "elementwise_gelu": lambda a, v: gelu(a + v),
        "elementwise_chain": lambda a, b, c, d: np.maximum(a * b + c, 0) - d,
        "transpose": lambda a: a.T + 1,
    }


def compute(text, seed=0):
    """Random arguments of a function, and its results by the reference."""
    parts = parts_of(text)
    rng = np.random.default_rng(seed)
    arrays = [_array(rng, parts.graph.buffers[n]) for n in parts.graph.inputs]
    return arrays, evaluate_parts(parts, arrays)


def _array(rng, buffer):
    kinds = {"f32": "f4", "f64": "f8", "f16": "f2", "i1": "?", "i8": "i1", "i32": "i4", "i64": "i8"}
    if buffer.dtype.startswith("i"):
        return rng.integers(0, 2 if buffer.dtype == "i1" else 6, buffer.shape).astype(kinds[buffer.dtype])
    return rng.standard_normal(buffer.shape).astype(kinds[buffer.dtype])


@pytest.mark.parametrize("name", FAMILIES)
def test_families_mean_what_they_are_called(name):
    arrays, (found,) = compute(FAMILIES[name].text(SMALL[name]))
    expected = formulas(SMALL[name])[name](*(a.astype("f8") for a in arrays))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


SLICE = np.s_[1:7:2, 2:17:3]


def _inserted(part, base):
    out = base.copy()
    out[SLICE] = part
    return out


def _stencil(a):
    p = np.pad(a, ((0, 0), (1, 1)))
    return p[:, :-2] + p[:, 1:-1] + p[:, 2:]


ROW, COLUMN = np.indices((5, 23))
FORMULAS = {
    "matmul_f64": lambda a, b: a @ b,
    "matmul_i32": lambda a, b: a @ b,
    "matmul_onto": lambda a, b, c: c + a @ b,
    "sum_from_5": lambda a: 5 + a.sum(1),
    "product_from_3": lambda a: 3 * a.prod(1),
    "max_from_0": lambda a: np.maximum(a.max(1), 0),
    "min": lambda a: a.min(1),
    "sum_to_scalar": lambda a: a.sum(),
    "scalar": lambda a: 2 * a,
    "less": lambda a, b: a < b,
    "select": lambda c, a: np.where(c, a, 2),
    "indices": lambda: ROW * COLUMN + COLUMN,
    "weighted_rows": lambda a: (a * COLUMN).sum(1),
    "matmul_to_i1": lambda a, b: a @ b > 0,
    "matmul_plus_column": lambda a, b: a @ b + np.arange(19),
    "padded": lambda a: np.pad(a, ((1, 0), (2, 3)), constant_values=2.5),
    "padded_convolution": lambda a, w: np.einsum(
        "nchwxy,fcxy->nfhw", windows(np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1))), 3, 1, (2, 3)), w
    ),
    "concatenated": lambda a, b: np.concatenate([a, b], 1),
    "sliced": lambda a: -a[SLICE],
    "inserted": _inserted,
    "stencil": _stencil,
    "differences": lambda a: np.diff(np.exp(a), axis=1),
    "reshaped": lambda a: 2 * np.exp(a).reshape(-1),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_other_functions_mean_what_they_are_called(name):
    arrays, (found,) = compute(EXTRAS[name])
    wide = [a.astype("f8") if a.dtype.kind == "f" else a for a in arrays]
    np.testing.assert_allclose(found, FORMULAS[name](*wide), rtol=1e-12, atol=1e-12)


def test_several_results_come_in_the_function_s_order():
    (a, b), (first, second) = compute(EXTRAS["both_are_results"])
    np.testing.assert_allclose(first, np.exp(a.astype("f8")))
    np.testing.assert_allclose(second, np.exp(a.astype("f8")) + b)


UNARY = {
    "arith.negf": np.negative,
    "math.exp": np.exp,
    "math.exp2": np.exp2,
    "math.expm1": np.expm1,
    "math.tanh": np.tanh,
    "math.log": np.log,
    "math.log2": np.log2,
    "math.log1p": np.log1p,
    "math.sin": np.sin,
    "math.cos": np.cos,
    "math.sqrt": np.sqrt,
    "math.rsqrt": lambda x: x**-0.5,
    "math.absf": np.abs,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.roundeven": np.round,
}


def test_unary_operations():
    names = list(UNARY)
    body = "".join(f"%r{i} = {name} %x0 : f32\n    " for i, name in enumerate(names))
    total = "%r0"
    for i in range(1, len(names)):
        body += f"%s{i} = arith.addf {total}, %r{i} : f32\n    "
        total = f"%s{i}"
    text = generic(["(i)", "(i)"], "p", [t(50)], t(50), f"{body}%q = arith.addf {total}, {total} : f32", dims="i")
    parts = parts_of(text)
    x = np.linspace(0.1, 3.0, 50, dtype="f4")
    (found,) = evaluate_parts(parts, [x])
    np.testing.assert_allclose(found, 2 * sum(f(x.astype("f8")) for f in UNARY.values()), rtol=1e-12)


INTEGER = {
    "divsi": lambda a, b: np.trunc(a / b),
    "remsi": np.fmod,
    "andi": np.bitwise_and,
    "ori": np.bitwise_or,
    "xori": np.bitwise_xor,
    "maxsi": np.maximum,
    "minsi": np.minimum,
    "subi": np.subtract,
}


@pytest.mark.parametrize("name", INTEGER)
def test_integer_operations(name):
    v = t(40, dtype="i32")
    text = generic(["(i)"] * 3, "p", [v, v], v, f"%q = arith.{name} %x0, %x1 : i32", dims="i")
    rng = np.random.default_rng(1)
    a, b = rng.integers(-50, 50, 40).astype("i4"), rng.integers(1, 9, 40).astype("i4")
    (found,) = evaluate_parts(parts_of(text), [a, b])
    np.testing.assert_array_equal(found, INTEGER[name](a, b))


def test_order_of_evaluation_in_chunks_does_not_show():
    n = 3000
    body = "%s = arith.mulf %x0, %x0 : f32\n    %q = arith.maximumf %s, %y : f32"
    text = generic(["(i, j)", "(j)"], "rp", [t(n, 1500)], t(1500), body, init="0xFF800000")
    x = np.random.default_rng(2).standard_normal((n, 1500)).astype("f4")
    (found,) = evaluate_parts(parts_of(text), [x])
    np.testing.assert_array_equal(found, (x.astype("f8") ** 2).max(0))
