# mypy: disable-error-code="untyped-decorator,no-untyped-def"
# A kernel's annotations are read by Triton, which knows its own types only.
"""Kernels over the rows (or columns) of a matrix: softmax, norms, losses, reductions, scans. One program a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import triton
import triton.language as tl

from .family import Case, Configuration, Family


@triton.jit
def softmax_kernel(x, y, N, BLOCK: tl.constexpr):
    """Y[M, N] = softmax of each row, which one block holds."""
    row = tl.program_id(0).to(tl.int64) * N
    n = tl.arange(0, BLOCK)
    v = tl.load(x + row + n, mask=n < N, other=-float("inf")).to(tl.float32)
    e = tl.exp(v - tl.max(v, 0))
    tl.store(y + row + n, (e / tl.sum(e, 0)).to(y.dtype.element_ty), mask=n < N)


@triton.jit
def layer_norm_kernel(x, g, b, y, N, BLOCK: tl.constexpr):
    """Layer norm of each row in three passes of blocks."""
    row = tl.program_id(0).to(tl.int64) * N
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, N, BLOCK):
        n = start + tl.arange(0, BLOCK)
        total += tl.load(x + row + n, mask=n < N, other=0.0).to(tl.float32)
    mean = tl.sum(total, 0) / N
    squares = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, N, BLOCK):
        n = start + tl.arange(0, BLOCK)
        d = tl.load(x + row + n, mask=n < N, other=0.0).to(tl.float32) - mean
        squares += tl.where(n < N, d * d, 0.0)
    scale = tl.rsqrt(tl.sum(squares, 0) / N + 1e-5)
    for start in range(0, N, BLOCK):
        n = start + tl.arange(0, BLOCK)
        v = (tl.load(x + row + n, mask=n < N, other=0.0).to(tl.float32) - mean) * scale
        v = v * tl.load(g + n, mask=n < N, other=0.0).to(tl.float32) + tl.load(b + n, mask=n < N, other=0.0)
        tl.store(y + row + n, v.to(y.dtype.element_ty), mask=n < N)


@triton.jit
def rms_norm_kernel(x, g, y, N, BLOCK: tl.constexpr):
    """Root-mean-square norm of each row, which one block holds."""
    row = tl.program_id(0).to(tl.int64) * N
    n = tl.arange(0, BLOCK)
    v = tl.load(x + row + n, mask=n < N, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(v * v, 0) / N + 1e-6)
    w = tl.load(g + n, mask=n < N, other=0.0).to(tl.float32)
    tl.store(y + row + n, (v * scale * w).to(y.dtype.element_ty), mask=n < N)


@triton.jit
def group_norm_kernel(x, g, b, y, P, BC: tl.constexpr, BP: tl.constexpr):
    """Group norm of X[G, BC, P]: one program a group of BC channels with P pixels each."""
    group = tl.program_id(0)
    c = tl.arange(0, BC)
    at = (group * BC + c)[:, None].to(tl.int64) * P
    total = tl.zeros((BC, BP), tl.float32)
    squares = tl.zeros((BC, BP), tl.float32)
    for start in range(0, P, BP):
        p = start + tl.arange(0, BP)
        v = tl.load(x + at + p[None, :], mask=(p < P)[None, :], other=0.0).to(tl.float32)
        total += v
        squares += v * v
    count = BC * P
    mean = tl.sum(tl.sum(total, 1), 0) / count
    scale = tl.rsqrt(tl.sum(tl.sum(squares, 1), 0) / count - mean * mean + 1e-5)
    weight = tl.load(g + group * BC + c).to(tl.float32)[:, None]
    shift = tl.load(b + group * BC + c).to(tl.float32)[:, None]
    for start in range(0, P, BP):
        p = start + tl.arange(0, BP)
        v = tl.load(x + at + p[None, :], mask=(p < P)[None, :], other=0.0).to(tl.float32)
        v = (v - mean) * scale * weight + shift
        tl.store(y + at + p[None, :], v.to(y.dtype.element_ty), mask=(p < P)[None, :])


@triton.jit
def cross_entropy_kernel(x, t, loss, N, BLOCK: tl.constexpr):
    """Computes loss[m] = logsumexp(X[m]) - X[m, t[m]], one pass with a running maximum."""
    row = tl.program_id(0).to(tl.int64) * N
    high = tl.full((BLOCK,), -1e30, tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, N, BLOCK):
        n = start + tl.arange(0, BLOCK)
        v = tl.load(x + row + n, mask=n < N, other=-1e30).to(tl.float32)
        higher = tl.maximum(high, v)
        total = total * tl.exp(high - higher) + tl.where(n < N, tl.exp(v - higher), 0.0)
        high = higher
    top = tl.max(high, 0)
    whole = tl.sum(total * tl.exp(high - top), 0)
    picked = tl.load(x + row + tl.load(t + tl.program_id(0))).to(tl.float32)
    tl.store(loss + tl.program_id(0), tl.log(whole) + top - picked)


@triton.jit
def row_sum_kernel(x, y, M, N, BM: tl.constexpr, BN: tl.constexpr):
    """Computes y[m] = sum of row m; BM rows a program."""
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    total = tl.zeros((BM, BN), tl.float32)
    for start in range(0, N, BN):
        n = start + tl.arange(0, BN)
        mask = (m < M)[:, None] & (n < N)[None, :]
        total += tl.load(x + m[:, None].to(tl.int64) * N + n[None, :], mask=mask, other=0.0).to(tl.float32)
    tl.store(y + m, tl.sum(total, 1).to(y.dtype.element_ty), mask=m < M)


@triton.jit
def column_max_kernel(x, y, M, N, BM: tl.constexpr, BN: tl.constexpr):
    """Computes y[n] = largest of column n; BN columns a program."""
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    high = tl.full((BM, BN), -float("inf"), tl.float32)
    for start in range(0, M, BM):
        m = start + tl.arange(0, BM)
        mask = (m < M)[:, None] & (n < N)[None, :]
        v = tl.load(x + m[:, None].to(tl.int64) * N + n[None, :], mask=mask, other=-float("inf"))
        high = tl.maximum(high, v.to(tl.float32))
    tl.store(y + n, tl.max(high, 0).to(y.dtype.element_ty), mask=n < N)


@triton.jit
def log_softmax_backward_kernel(dy, y, dx, N, BLOCK: tl.constexpr):
    """Computes dx = dy - exp(y) · sum(dy), rows held in one block."""
    row = tl.program_id(0).to(tl.int64) * N
    n = tl.arange(0, BLOCK)
    gradient = tl.load(dy + row + n, mask=n < N, other=0.0).to(tl.float32)
    v = tl.load(y + row + n, mask=n < N, other=-float("inf")).to(tl.float32)
    result = gradient - tl.exp(v) * tl.sum(gradient, 0)
    tl.store(dx + row + n, result.to(dx.dtype.element_ty), mask=n < N)


@triton.jit
def cumulative_sum_kernel(x, y, N, BLOCK: tl.constexpr):
    """Running sum along each row, block after block with a carry."""
    row = tl.program_id(0).to(tl.int64) * N
    carry = 0.0
    for start in range(0, N, BLOCK):
        n = start + tl.arange(0, BLOCK)
        v = tl.load(x + row + n, mask=n < N, other=0.0).to(tl.float32)
        tl.store(y + row + n, (tl.cumsum(v, 0) + carry).to(y.dtype.element_ty), mask=n < N)
        carry += tl.sum(v, 0)


def _case(make: Any, s: Mapping[str, int], arguments: tuple[Any, ...], grid: tuple[int, ...], expected: Any) -> Case:
    return Case(arguments=arguments, grid=grid, expected=expected, moved_bytes=2.0 * s["M"] * s["N"] * make.itemsize)


def _softmax(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, y = make.rand(s["M"], s["N"]), make.empty(s["M"], s["N"])
    return _case(make, s, (x, y, s["N"]), (s["M"],), lambda: [(y, x.float().softmax(-1))])


def _layer_norm(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, g, b, y = make.rand(s["M"], s["N"]), make.rand(s["N"]), make.rand(s["N"]), make.empty(s["M"], s["N"])
    norm = make.torch.nn.functional.layer_norm
    return _case(
        make, s, (x, g, b, y, s["N"]), (s["M"],), lambda: [(y, norm(x.float(), (s["N"],), g.float(), b.float()))]
    )


def _rms_norm(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, g, y = make.rand(s["M"], s["N"]), make.rand(s["N"]), make.empty(s["M"], s["N"])

    def expected() -> list[tuple[Any, Any]]:
        v = x.float()
        return [(y, v * (v.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * g.float())]

    return _case(make, s, (x, g, y, s["N"]), (s["M"],), expected)


def _group_norm(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    channels = dict(f.constants)["BC"]
    x, y = make.rand(s["G"] * channels, s["P"]), make.empty(s["G"] * channels, s["P"])
    g, b = make.rand(s["G"] * channels), make.rand(s["G"] * channels)
    norm = make.torch.nn.functional.group_norm
    return Case(
        arguments=(x, g, b, y, s["P"]),
        grid=(s["G"],),
        expected=lambda: [(y, norm(x.float()[None], s["G"], g.float(), b.float())[0])],
        moved_bytes=2.0 * s["G"] * channels * s["P"] * make.itemsize,
    )


def _cross_entropy(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, t = make.rand(s["M"], s["N"]), make.ints(0, s["N"], s["M"], dtype="int64")
    loss = make.empty(s["M"], dtype="fp32")
    entropy = make.torch.nn.functional.cross_entropy
    return _case(make, s, (x, t, loss, s["N"]), (s["M"],), lambda: [(loss, entropy(x.float(), t, reduction="none"))])


def _row_sum(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, y = make.rand(s["M"], s["N"]), make.empty(s["M"])
    grid = (-(-s["M"] // dict(f.constants)["BM"]),)
    return _case(make, s, (x, y, s["M"], s["N"]), grid, lambda: [(y, x.float().sum(1))])


def _column_max(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, y = make.rand(s["M"], s["N"]), make.empty(s["N"])
    grid = (-(-s["N"] // dict(f.constants)["BN"]),)
    return _case(make, s, (x, y, s["M"], s["N"]), grid, lambda: [(y, x.float().amax(0))])


def _backward(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    dy, y, dx = make.rand(s["M"], s["N"]), make.rand(s["M"], s["N"]), make.empty(s["M"], s["N"])
    y.copy_(y.float().log_softmax(-1))

    def expected() -> list[tuple[Any, Any]]:
        return [(dx, dy.float() - y.float().exp() * dy.float().sum(-1, keepdim=True))]

    return _case(make, s, (dy, y, dx, s["N"]), (s["M"],), expected)


def _cumulative(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, y = make.rand(s["M"], s["N"]), make.empty(s["M"], s["N"])
    return _case(make, s, (x, y, s["N"]), (s["M"],), lambda: [(y, x.float().cumsum(-1))])


_ONE_BLOCK = {"BLOCK": (128, 256, 512, 1024, 2048, 4096, 8192)}
_LOOP = {"BLOCK": (64, 128, 256, 512, 1024, 2048)}
_SMALL = {"M": (1024, 4096), "N": (128,)}
_LONG = {"M": (512, 2048), "N": (2048, 8192)}
_TILE = {"BM": (1, 2, 4, 8, 16, 32, 64), "BN": (32, 64, 128, 256, 512)}


def _bounded(constants: Mapping[str, int], dtype: str, warps: int) -> bool:
    return (
        32 * warps <= constants.get("BM", constants.get("BC", 1)) * constants.get("BN", constants.get("BP", 1)) <= 16384
    )


SOFTMAX = Family(
    name="softmax", kernel=softmax_kernel, signature={"x": "*T", "y": "*T", "N": "i32"}, choices=_ONE_BLOCK,
    sizes=_SMALL, case=_softmax, warps=(1, 2, 4, 8, 16), stages=(1, 2),
)  # fmt: skip
LAYER_NORM = Family(
    name="layer_norm", kernel=layer_norm_kernel,
    signature={"x": "*T", "g": "*T", "b": "*T", "y": "*T", "N": "i32"}, choices=_LOOP, sizes=_LONG, case=_layer_norm,
)  # fmt: skip
RMS_NORM = Family(
    name="rms_norm", kernel=rms_norm_kernel, signature={"x": "*T", "g": "*T", "y": "*T", "N": "i32"},
    choices=_ONE_BLOCK, sizes=_SMALL, case=_rms_norm, warps=(1, 2, 4, 8, 16), stages=(1, 2),
)  # fmt: skip
GROUP_NORM = Family(
    name="group_norm", kernel=group_norm_kernel,
    signature={"x": "*T", "g": "*T", "b": "*T", "y": "*T", "P": "i32"},
    choices={"BC": (2, 4, 8, 16, 32), "BP": (32, 64, 128, 256, 512)}, sizes={"G": (32, 64), "P": (1024, 4096)},
    case=_group_norm, legal=_bounded,
)  # fmt: skip
CROSS_ENTROPY = Family(
    name="cross_entropy", kernel=cross_entropy_kernel,
    signature={"x": "*T", "t": "*i64", "loss": "*fp32", "N": "i32"}, choices=_LOOP, sizes=_LONG, case=_cross_entropy,
)  # fmt: skip
ROW_SUM = Family(
    name="row_sum", kernel=row_sum_kernel, signature={"x": "*T", "y": "*T", "M": "i32", "N": "i32"}, choices=_TILE,
    sizes=_LONG, case=_row_sum, legal=_bounded,
)  # fmt: skip
COLUMN_MAX = Family(
    name="column_max", kernel=column_max_kernel, signature={"x": "*T", "y": "*T", "M": "i32", "N": "i32"},
    choices=_TILE, sizes=_LONG, case=_column_max, legal=_bounded,
)  # fmt: skip
LOG_SOFTMAX_BACKWARD = Family(
    name="log_softmax_backward", kernel=log_softmax_backward_kernel,
    signature={"dy": "*T", "y": "*T", "dx": "*T", "N": "i32"}, choices=_ONE_BLOCK, sizes=_SMALL, case=_backward,
    warps=(1, 2, 4, 8, 16), stages=(1, 2),
)  # fmt: skip
CUMULATIVE_SUM = Family(
    name="cumulative_sum", kernel=cumulative_sum_kernel, signature={"x": "*T", "y": "*T", "N": "i32"}, choices=_LOOP,
    sizes=_LONG, case=_cumulative,
)  # fmt: skip
