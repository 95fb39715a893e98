"""Operator families for data sets: those of `costmodel.datasets.linalg` in four element types, and more of them.

Owns the table. Invariant: text depends on the sizes and the element type only; where a family varies in structure
(chains, permutations, reductions), a size named `variant` seeds the choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.datasets.generators import linalg_elementwise as elementwise
from costmodel.datasets.generators import linalg_products as products
from costmodel.datasets.generators import linalg_rows as rows
from costmodel.datasets.generators.linalg_text import LOWEST
from costmodel.datasets.linalg import FAMILIES as NAMED
from costmodel.datasets.linalg import Sizes

FLOATS = ("f32", "f16", "bf16")
ALL = ("f32", "f16", "bf16", "i8")
MAX_POINTS = 3e7
"""Small enough that the constants of sizes differ and nobody waits for a run; code does not grow with sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """`text(sizes, dtype)`, the range of each size, and the element types that make sense."""

    text: Callable[[Sizes, str], str]
    ranges: Mapping[str, tuple[int, int]]
    dtypes: tuple[str, ...]


def _in_dtype(text: Callable[[Sizes], str]) -> Callable[[Sizes, str], str]:
    def changed(sizes: Sizes, dtype: str) -> str:
        return text(sizes).replace("0xFF800000", LOWEST[dtype]).replace("f32", dtype)

    return changed


_ONLY_F32 = ("softmax", "elementwise_gelu", "layer_norm")
_MN = {"m": (4, 512), "n": (4, 1024)}
_MNK = {"m": (4, 384), "n": (4, 384), "k": (4, 384)}
_BMNK = {"b": (2, 16), "m": (8, 128), "n": (8, 128), "k": (8, 128)}
_IMAGE = {"o": (4, 48), "c": (3, 96), "w": (2, 3), "stride": (1, 2)}
_CONV = {**_IMAGE, "f": (4, 96), "w": (1, 5)}
_CUBE = {"a": (2, 48), "b": (2, 64), "c": (4, 96)}
_VARIANT = {"variant": (0, 999)}

FORMS: dict[str, Form] = {
    name: Form(text=_in_dtype(family.text), ranges=family.ranges, dtypes=("f32",) if name in _ONLY_F32 else FLOATS)
    for name, family in NAMED.items()
} | {
    "matmul_mixed": Form(text=products.matmul_mixed, ranges=_MNK, dtypes=("f16", "bf16", "i8")),
    "matmul_tn": Form(text=products.matmul_tn, ranges=_MNK, dtypes=ALL),
    "matmul_requantised": Form(text=products.matmul_requantised, ranges=_MNK, dtypes=("i8",)),
    "matmul_residual_norm": Form(text=products.matmul_residual, ranges=_MNK, dtypes=FLOATS),
    "batch_matmul_mixed": Form(text=products.batch_matmul_mixed, ranges=_BMNK, dtypes=("f16", "bf16", "i8")),
    "batch_matmul_transposed": Form(text=products.batch_matmul_transposed, ranges=_BMNK, dtypes=ALL),
    "batch_matvec": Form(text=products.batch_matvec, ranges={"b": (2, 64), "m": (8, 256), "k": (8, 256)}, dtypes=ALL),
    "conv2d_mixed": Form(text=products.conv2d_mixed, ranges=_CONV, dtypes=("f16", "bf16", "i8")),
    "conv2d_bias_relu": Form(text=products.conv2d_bias_relu, ranges=_CONV, dtypes=FLOATS),
    "conv2d_dilated": Form(text=products.conv2d_dilated, ranges=_CONV, dtypes=ALL),
    "conv1d_channels_last": Form(
        text=products.conv1d_last, ranges={"o": (16, 512), "c": (4, 96), "f": (4, 96), "w": (1, 7)}, dtypes=ALL
    ),
    "depthwise_conv1d": Form(
        text=products.depthwise1d, ranges={"o": (16, 1024), "c": (4, 256), "w": (2, 7)}, dtypes=ALL
    ),
    "depthwise_mixed": Form(text=products.depthwise_mixed, ranges=_IMAGE, dtypes=("f16", "bf16", "i8")),
    "pooling_average": Form(text=products.pooling_average, ranges=_IMAGE, dtypes=FLOATS),
    "pooling_max_nhwc": Form(text=products.pooling_max_last, ranges=_IMAGE, dtypes=ALL),
    "pooling_global": Form(text=products.pooling_global, ranges={"o": (4, 48), "c": (8, 256)}, dtypes=FLOATS),
    "rms_norm": Form(text=rows.rms_norm, ranges=_MN, dtypes=FLOATS),
    "batch_norm": Form(text=rows.batch_norm, ranges=_CUBE, dtypes=FLOATS),
    "group_norm": Form(text=rows.group_norm, ranges=_CUBE, dtypes=FLOATS),
    "log_softmax": Form(text=rows.log_softmax, ranges=_MN, dtypes=FLOATS),
    "softmax_masked": Form(text=rows.softmax_masked, ranges=_MN, dtypes=FLOATS),
    "attention": Form(text=rows.attention, ranges={"h": (1, 8), "l": (8, 128), "d": (8, 64)}, dtypes=FLOATS),
    "elementwise_random": Form(text=elementwise.elementwise_random, ranges={**_MN, **_VARIANT}, dtypes=FLOATS),
    "elementwise_integer": Form(text=elementwise.elementwise_integer, ranges={**_MN, **_VARIANT}, dtypes=("i8",)),
    "gated": Form(text=elementwise.gated, ranges={**_MN, **_VARIANT}, dtypes=FLOATS),
    "quantise": Form(text=elementwise.quantise, ranges=_MN, dtypes=FLOATS),
    "dequantise": Form(text=elementwise.dequantise, ranges=_MN, dtypes=("i8",)),
    "reduce_random": Form(text=elementwise.reduce_random, ranges={**_CUBE, **_VARIANT}, dtypes=ALL),
    "reduce_norm": Form(text=rows.reduce_norm, ranges=_MN, dtypes=FLOATS),
    "permute": Form(text=elementwise.permute, ranges={**_CUBE, "d": (1, 16), **_VARIANT}, dtypes=ALL),
    "gather": Form(text=elementwise.gather, ranges={"v": (16, 2048), "l": (4, 256), "n": (4, 256)}, dtypes=ALL),
    "stencil": Form(text=products.stencil, ranges={"h": (8, 256), "w": (8, 256)}, dtypes=FLOATS),
}  # fmt: skip


def draw_sizes(form: Form, rng: np.random.Generator) -> dict[str, int]:
    """Log-uniform sizes, half of the large ones multiples of 8, of bounded work."""
    while True:
        sizes = {}
        for key, (low, high) in form.ranges.items():
            if key == "variant":
                sizes[key] = int(rng.integers(low, high + 1))
                continue
            value = round(float(np.exp(rng.uniform(np.log(low), np.log(high + 1)))) - 0.5)
            if high > 16 and rng.random() < 0.5:
                value = max(8, value // 8 * 8)
            sizes[key] = int(np.clip(value, low, high))
        if float(np.prod([v for k, v in sizes.items() if k not in ("variant", "stride")])) <= MAX_POINTS:
            return sizes
