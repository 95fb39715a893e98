# mypy: disable-error-code="untyped-decorator,no-untyped-def"
# A kernel's annotations are read by Triton, which knows its own types only.
"""Kernels that touch every element once: sums, activations, dropout, quantisation, an optimiser's step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import triton
import triton.language as tl

from .family import Case, Configuration, Family


@triton.jit
def vector_add_kernel(x, y, o, n, BLOCK: tl.constexpr):
    """Computes o = x + y."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(o + i, tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)


@triton.jit
def fused_gelu_kernel(x, b, r, o, n, W, BLOCK: tl.constexpr):
    """Computes o = gelu(x + b[column]) + r, erf form; rows are W wide."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=0.0).to(tl.float32) + tl.load(b + i % W, mask=i < n, other=0.0)
    v = 0.5 * v * (1.0 + tl.erf(v * 0.7071067811865476)) + tl.load(r + i, mask=i < n, other=0.0)
    tl.store(o + i, v.to(o.dtype.element_ty), mask=i < n)


@triton.jit
def swiglu_kernel(x, o, n, W, BLOCK: tl.constexpr):
    """Computes o[m, w] = silu(x[m, w]) · x[m, W + w]."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    at = i // W * 2 * W + i % W
    gate = tl.load(x + at, mask=i < n, other=0.0).to(tl.float32)
    up = tl.load(x + at + W, mask=i < n, other=0.0).to(tl.float32)
    tl.store(o + i, (gate * tl.sigmoid(gate) * up).to(o.dtype.element_ty), mask=i < n)


@triton.jit
def dropout_kernel(x, o, n, p, seed, BLOCK: tl.constexpr):
    """Computes o = x / (1 - p) where a counter-based random number exceeds p, else 0."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=0.0).to(tl.float32)
    kept = tl.rand(seed, i) > p
    tl.store(o + i, tl.where(kept, v / (1.0 - p), 0.0).to(o.dtype.element_ty), mask=i < n)


@triton.jit
def quantise_rows_kernel(x, q, scale, N, BLOCK: tl.constexpr):
    """Computes q[m] = round(x[m] / scale[m]) in int8, scale[m] = largest magnitude of the row / 127."""
    row = tl.program_id(0).to(tl.int64) * N
    n = tl.arange(0, BLOCK)
    v = tl.load(x + row + n, mask=n < N, other=0.0).to(tl.float32)
    step = tl.maximum(tl.max(tl.abs(v), 0), 1e-8) / 127.0
    tl.store(q + row + n, tl.floor(v / step + 0.5).to(tl.int8), mask=n < N)
    tl.store(scale + tl.program_id(0), step)


@triton.jit
def dequantise_kernel(q, scale, o, n, W, BLOCK: tl.constexpr):
    """Computes o = q · scale[row], int8 to the element type."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(q + i, mask=i < n, other=0).to(tl.float32) * tl.load(scale + i // W, mask=i < n, other=0.0)
    tl.store(o + i, v.to(o.dtype.element_ty), mask=i < n)


@triton.jit
def adam_step_kernel(p, g, m, v, n, rate, BLOCK: tl.constexpr):
    """One step of Adam in place; moments in fp32, no bias correction."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    gradient = tl.load(g + i, mask=inside, other=0.0).to(tl.float32)
    first = 0.9 * tl.load(m + i, mask=inside, other=0.0) + 0.1 * gradient
    second = 0.999 * tl.load(v + i, mask=inside, other=0.0) + 0.001 * gradient * gradient
    value = tl.load(p + i, mask=inside, other=0.0).to(tl.float32) - rate * first / (tl.sqrt(second) + 1e-8)
    tl.store(p + i, value.to(p.dtype.element_ty), mask=inside)
    tl.store(m + i, first, mask=inside)
    tl.store(v + i, second, mask=inside)


def _flat(make: Any, n: int, f: Configuration, arguments: tuple[Any, ...], expected: Any, passes: float) -> Case:
    grid = (-(-n // dict(f.constants)["BLOCK"]),)
    return Case(arguments=arguments, grid=grid, expected=expected, moved_bytes=passes * n * make.itemsize)


def _add(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, y, o = make.rand(s["n"]), make.rand(s["n"]), make.empty(s["n"])
    return _flat(make, s["n"], f, (x, y, o, s["n"]), lambda: [(o, x.float() + y.float())], 3)


def _gelu(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, r, o = make.rand(s["M"], s["W"]), make.rand(s["M"], s["W"]), make.empty(s["M"], s["W"])
    b, n = make.rand(s["W"]), s["M"] * s["W"]
    gelu = make.torch.nn.functional.gelu
    return _flat(make, n, f, (x, b, r, o, n, s["W"]), lambda: [(o, gelu(x.float() + b.float()) + r.float())], 3)


def _swiglu(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, o, n = make.rand(s["M"], 2 * s["W"]), make.empty(s["M"], s["W"]), s["M"] * s["W"]

    def expected() -> list[tuple[Any, Any]]:
        gate, up = x.float().chunk(2, -1)
        return [(o, gate * gate.sigmoid() * up)]

    return _flat(make, n, f, (x, o, n, s["W"]), expected, 3)


def _dropout(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, o = make.rand(s["n"]), make.empty(s["n"])

    def expected() -> list[tuple[Any, Any]]:
        """Which elements are dropped is the kernel's affair: what is kept must be scaled."""
        return [(o, make.torch.where(o == 0, make.torch.zeros_like(o), x.float() / 0.75))]

    return _flat(make, s["n"], f, (x, o, s["n"], 0.25, 7), expected, 2)


def _quantise(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, q = make.rand(s["M"], s["N"]), make.empty(s["M"], s["N"], dtype="i8")
    scale = make.empty(s["M"], dtype="fp32")
    return Case(
        arguments=(x, q, scale, s["N"]),
        grid=(s["M"],),
        expected=lambda: [(scale, x.float().abs().amax(1) / 127.0)],
        moved_bytes=s["M"] * s["N"] * (make.itemsize + 1.0),
    )


def _dequantise(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    q, scale = make.ints(-127, 128, s["M"], s["W"], dtype="i8"), make.rand(s["M"], dtype="fp32")
    o, n = make.empty(s["M"], s["W"]), s["M"] * s["W"]
    return _flat(make, n, f, (q, scale, o, n, s["W"]), lambda: [(o, q.float() * scale[:, None])], 1.5)


def _adam(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    p, g = make.rand(s["n"]), make.rand(s["n"])
    m, v = make.zeros(s["n"], dtype="fp32"), make.zeros(s["n"], dtype="fp32")

    def expected() -> list[tuple[Any, Any]]:
        """Of the first step from zero moments; the parameter itself is overwritten."""
        return [(m, 0.1 * g.float()), (v, 0.001 * g.float().square())]

    return _flat(make, s["n"], f, (p, g, m, v, s["n"], 1e-3), expected, 8)


_BLOCKS = {"BLOCK": (64, 128, 256, 512, 1024, 2048, 4096)}
_N = {"n": (1 << 20, 1 << 22)}
_MW = {"M": (512, 2048), "W": (1024, 4096)}

VECTOR_ADD = Family(
    name="vector_add", kernel=vector_add_kernel, signature={"x": "*T", "y": "*T", "o": "*T", "n": "i32"},
    choices=_BLOCKS, sizes=_N, case=_add, dtypes=("fp32", "fp16", "bf16"), stages=(1, 2),
)  # fmt: skip
FUSED_GELU = Family(
    name="fused_gelu", kernel=fused_gelu_kernel,
    signature={"x": "*T", "b": "*T", "r": "*T", "o": "*T", "n": "i32", "W": "i32"}, choices=_BLOCKS, sizes=_MW,
    case=_gelu, stages=(1, 2),
)  # fmt: skip
SWIGLU = Family(
    name="swiglu", kernel=swiglu_kernel, signature={"x": "*T", "o": "*T", "n": "i32", "W": "i32"}, choices=_BLOCKS,
    sizes=_MW, case=_swiglu, stages=(1, 2),
)  # fmt: skip
DROPOUT = Family(
    name="dropout", kernel=dropout_kernel, signature={"x": "*T", "o": "*T", "n": "i32", "p": "fp32", "seed": "i32"},
    choices=_BLOCKS, sizes=_N, case=_dropout, stages=(1, 2),
)  # fmt: skip
QUANTISE_ROWS = Family(
    name="quantise_rows", kernel=quantise_rows_kernel,
    signature={"x": "*T", "q": "*i8", "scale": "*fp32", "N": "i32"},
    choices={"BLOCK": (128, 256, 512, 1024, 2048, 4096, 8192)}, sizes={"M": (1024, 4096), "N": (128,)}, case=_quantise,
    stages=(1, 2), warps=(1, 2, 4, 8, 16),
)  # fmt: skip
DEQUANTISE = Family(
    name="dequantise", kernel=dequantise_kernel,
    signature={"q": "*i8", "scale": "*fp32", "o": "*T", "n": "i32", "W": "i32"}, choices=_BLOCKS, sizes=_MW,
    case=_dequantise, stages=(1, 2),
)  # fmt: skip
ADAM_STEP = Family(
    name="adam_step", kernel=adam_step_kernel,
    signature={"p": "*T", "g": "*T", "m": "*fp32", "v": "*fp32", "n": "i32", "rate": "fp32"}, choices=_BLOCKS,
    sizes=_N, case=_adam, stages=(1, 2),
)  # fmt: skip
