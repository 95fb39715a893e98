"""Kernels for TVM's tuner: which are trained on, and which are tuned. No shape is in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import te, tirx

Func = Any


def matmul(m: int, n: int, k: int) -> Func:
    a, b = te.placeholder((m, k), name="A"), te.placeholder((k, n), name="B")
    r = te.reduce_axis((0, k), name="k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    return te.create_prim_func([a, b, c])


def matmul_bias_relu(m: int, n: int, k: int) -> Func:
    a, b, bias = te.placeholder((m, k), name="A"), te.placeholder((k, n), name="B"), te.placeholder((n,), name="bias")
    r = te.reduce_axis((0, k), name="k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    d = te.compute((m, n), lambda i, j: te.max(c[i, j] + bias[j], tirx.const(0.0, "float32")), name="D")
    return te.create_prim_func([a, b, bias, d])


def batch_matmul(b: int, m: int, n: int, k: int) -> Func:
    x, y = te.placeholder((b, m, k), name="X"), te.placeholder((b, k, n), name="Y")
    r = te.reduce_axis((0, k), name="k")
    z = te.compute((b, m, n), lambda h, i, j: te.sum(x[h, i, r] * y[h, r, j], axis=r), name="Z")
    return te.create_prim_func([x, y, z])


def conv2d_nhwc(o: int, c: int, f: int, w: int) -> Func:
    x, v = te.placeholder((1, o + w - 1, o + w - 1, c), name="X"), te.placeholder((w, w, c, f), name="W")
    p, q, s = te.reduce_axis((0, w), name="p"), te.reduce_axis((0, w), name="q"), te.reduce_axis((0, c), name="s")
    y = te.compute(
        (1, o, o, f), lambda n, i, j, k: te.sum(x[n, i + p, j + q, s] * v[p, q, s, k], axis=[p, q, s]), name="Y"
    )
    return te.create_prim_func([x, v, y])


def conv2d_nchw(o: int, c: int, f: int, w: int) -> Func:
    x, v = te.placeholder((1, c, o + w - 1, o + w - 1), name="X"), te.placeholder((f, c, w, w), name="W")
    p, q, s = te.reduce_axis((0, w), name="p"), te.reduce_axis((0, w), name="q"), te.reduce_axis((0, c), name="s")
    y = te.compute(
        (1, f, o, o), lambda n, k, i, j: te.sum(x[n, s, i + p, j + q] * v[k, s, p, q], axis=[s, p, q]), name="Y"
    )
    return te.create_prim_func([x, v, y])


def conv1d(o: int, c: int, f: int, w: int) -> Func:
    x, v = te.placeholder((1, o + w - 1, c), name="X"), te.placeholder((w, c, f), name="W")
    p, s = te.reduce_axis((0, w), name="p"), te.reduce_axis((0, c), name="s")
    y = te.compute((1, o, f), lambda n, i, k: te.sum(x[n, i + p, s] * v[p, s, k], axis=[p, s]), name="Y")
    return te.create_prim_func([x, v, y])


def depthwise(o: int, c: int, w: int) -> Func:
    x, v = te.placeholder((1, o + w - 1, o + w - 1, c), name="X"), te.placeholder((w, w, c), name="W")
    p, q = te.reduce_axis((0, w), name="p"), te.reduce_axis((0, w), name="q")
    y = te.compute((1, o, o, c), lambda n, i, j, k: te.sum(x[n, i + p, j + q, k] * v[p, q, k], axis=[p, q]), name="Y")
    return te.create_prim_func([x, v, y])


def softmax(m: int, n: int) -> Func:
    x = te.placeholder((m, n), name="X")
    r, t = te.reduce_axis((0, n), name="r"), te.reduce_axis((0, n), name="t")
    high = te.compute((m,), lambda i: te.max(x[i, r], axis=r), name="high")
    e = te.compute((m, n), lambda i, j: te.exp(x[i, j] - high[i]), name="e")
    total = te.compute((m,), lambda i: te.sum(e[i, t], axis=t), name="total")
    y = te.compute((m, n), lambda i, j: e[i, j] / total[i], name="Y")
    return te.create_prim_func([x, y])


def row_norms(m: int, n: int) -> Func:
    x = te.placeholder((m, n), name="X")
    r = te.reduce_axis((0, n), name="r")
    y = te.compute((m,), lambda i: te.sum(x[i, r] * x[i, r], axis=r), name="Y")
    return te.create_prim_func([x, y])


TRAINING: dict[str, Callable[[], Func]] = {
    "matmul_192x256x320": lambda: matmul(192, 256, 320),
    "matmul_768x128x256": lambda: matmul(768, 128, 256),
    "matmul_64x1000x512": lambda: matmul(64, 1000, 512),
    "matmul_300x300x300": lambda: matmul(300, 300, 300),
    "batch_matmul_6x128x64x96": lambda: batch_matmul(6, 128, 64, 96),
    "batch_matmul_16x32x128x64": lambda: batch_matmul(16, 32, 128, 64),
    "conv2d_nhwc_28x32x64x3": lambda: conv2d_nhwc(28, 32, 64, 3),
    "conv2d_nhwc_14x128x96x1": lambda: conv2d_nhwc(14, 128, 96, 1),
    "conv2d_nhwc_40x16x24x5": lambda: conv2d_nhwc(40, 16, 24, 5),
    "depthwise_28x96x3": lambda: depthwise(28, 96, 3),
    "depthwise_48x40x5": lambda: depthwise(48, 40, 5),
    "softmax_128x640": lambda: softmax(128, 640),
    "softmax_512x96": lambda: softmax(512, 96),
    "row_norms_256x1024": lambda: row_norms(256, 1024),
}
"""What the shipped model learned from."""

TUNED: dict[str, Callable[[], Func]] = {
    "matmul_512x512x512": lambda: matmul(512, 512, 512),
    "matmul_bias_relu_256x768x384": lambda: matmul_bias_relu(256, 768, 384),
    "batch_matmul_12x96x96x64": lambda: batch_matmul(12, 96, 96, 64),
    "conv2d_nchw_28x64x64x3": lambda: conv2d_nchw(28, 64, 64, 3),
    "conv2d_nhwc_20x48x80x3": lambda: conv2d_nhwc(20, 48, 80, 3),
    "conv1d_400x64x96x5": lambda: conv1d(400, 64, 96, 5),
    "depthwise_56x64x3": lambda: depthwise(56, 64, 3),
    "softmax_300x900": lambda: softmax(300, 900),
}
"""What the comparison tunes. The families of conv2d_nchw, conv1d and matmul_bias_relu are not trained on at all."""
