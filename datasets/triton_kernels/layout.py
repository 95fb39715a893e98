# mypy: disable-error-code="untyped-decorator,no-untyped-def"
# A kernel's annotations are read by Triton, which knows its own types only.
"""Kernels that move or gather: transposes, embeddings, stencils, sorting, histograms, windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import triton
import triton.language as tl

from .family import Case, Configuration, Family


@triton.jit
def transpose_kernel(x, y, M, N, BM: tl.constexpr, BN: tl.constexpr):
    """Y[N, M] = X[M, N]ᵀ."""
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    mask = (m < M)[:, None] & (n < N)[None, :]
    v = tl.load(x + m[:, None] * N + n[None, :], mask=mask)
    tl.store(y + n[:, None] * M + m[None, :], tl.trans(v), mask=(n < N)[:, None] & (m < M)[None, :])


@triton.jit
def embedding_kernel(table, index, y, L, N, BL: tl.constexpr, BN: tl.constexpr):
    """Y[l] = table[index[l]], BL rows a program, BN columns at a time."""
    at = tl.program_id(0) * BL + tl.arange(0, BL)
    row = tl.load(index + at, mask=at < L, other=0)
    for start in range(0, N, BN):
        n = start + tl.arange(0, BN)
        mask = (at < L)[:, None] & (n < N)[None, :]
        v = tl.load(table + row[:, None] * N + n[None, :], mask=mask)
        tl.store(y + at[:, None] * N + n[None, :], v, mask=mask)


@triton.jit
def stencil_kernel(x, y, H, W, BH: tl.constexpr, BW: tl.constexpr):
    """Y = the five-point average of X[H, W]; outside counts as zero."""
    h = tl.program_id(0) * BH + tl.arange(0, BH)
    w = tl.program_id(1) * BW + tl.arange(0, BW)
    at = x + h[:, None] * W + w[None, :]
    rows = (h < H)[:, None]
    columns = (w < W)[None, :]
    total = tl.load(at, mask=rows & columns, other=0.0).to(tl.float32)
    total += tl.load(at - W, mask=(h > 0)[:, None] & rows & columns, other=0.0).to(tl.float32)
    total += tl.load(at + W, mask=(h + 1 < H)[:, None] & columns, other=0.0).to(tl.float32)
    total += tl.load(at - 1, mask=rows & (w > 0)[None, :] & columns, other=0.0).to(tl.float32)
    total += tl.load(at + 1, mask=rows & (w + 1 < W)[None, :], other=0.0).to(tl.float32)
    tl.store(y + h[:, None] * W + w[None, :], (total * 0.2).to(y.dtype.element_ty), mask=rows & columns)


@triton.jit
def sort_rows_kernel(x, y, N, BLOCK: tl.constexpr):
    """Each row in ascending order, by a bitonic network over one block."""
    row = tl.program_id(0).to(tl.int64) * N
    n = tl.arange(0, BLOCK)
    v = tl.load(x + row + n, mask=n < N, other=float("inf"))
    tl.store(y + row + n, tl.sort(v), mask=n < N)


@triton.jit
def histogram_kernel(x, count, n, BLOCK: tl.constexpr, BINS: tl.constexpr):
    """count[b] += how many x[i] equal b, by one histogram a block and atomic sums."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=0)
    found = tl.histogram(v, BINS)
    bins = tl.arange(0, BINS)
    padding = tl.maximum((tl.program_id(0) + 1) * BLOCK - n, 0)
    tl.atomic_add(count + bins, tl.where(bins == 0, found - padding, found))


@triton.jit
def max_pool_kernel(x, y, H, W, BW: tl.constexpr, R: tl.constexpr, STRIDE: tl.constexpr):
    """Largest of R × R windows of X[C, H, W], no padding; one program for BW outputs of a row of a channel."""
    out_h = (H - R) // STRIDE + 1
    out_w = (W - R) // STRIDE + 1
    row = tl.program_id(1)
    w = tl.program_id(0) * BW + tl.arange(0, BW)
    base = (row // out_h) * H * W + (row % out_h) * STRIDE * W
    high = tl.full((BW,), -float("inf"), tl.float32)
    for r in tl.static_range(R):
        for s in tl.static_range(R):
            v = tl.load(x + base + r * W + w * STRIDE + s, mask=w < out_w, other=-float("inf"))
            high = tl.maximum(high, v.to(tl.float32))
    tl.store(y + row * out_w + w, high.to(y.dtype.element_ty), mask=w < out_w)


@triton.jit
def depthwise_conv1d_kernel(x, w, y, L, C, BL: tl.constexpr, BC: tl.constexpr, R: tl.constexpr):
    """Y[l, c] = sum over r of X[l - r, c] w[r, c]: causal, channels last, as in state-space models."""
    at = tl.program_id(0) * BL + tl.arange(0, BL)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    total = tl.zeros((BL, BC), tl.float32)
    for r in tl.static_range(R):
        source = at - r
        mask = ((source >= 0) & (at < L))[:, None] & (c < C)[None, :]
        v = tl.load(x + source[:, None] * C + c[None, :], mask=mask, other=0.0).to(tl.float32)
        total += v * tl.load(w + r * C + c, mask=c < C, other=0.0).to(tl.float32)[None, :]
    total = total * tl.sigmoid(total)
    tl.store(y + at[:, None] * C + c[None, :], total.to(y.dtype.element_ty), mask=(at < L)[:, None] & (c < C)[None, :])


def _transpose(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, y, t = make.rand(s["M"], s["N"]), make.empty(s["N"], s["M"]), dict(f.constants)
    return Case(
        arguments=(x, y, s["M"], s["N"]),
        grid=(-(-s["M"] // t["BM"]), -(-s["N"] // t["BN"])),
        expected=lambda: [(y, x.float().T)],
        moved_bytes=2.0 * s["M"] * s["N"] * make.itemsize,
    )


def _embedding(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    table, index = make.rand(s["V"], s["N"]), make.ints(0, s["V"], s["L"], dtype="int64")
    y = make.empty(s["L"], s["N"])
    return Case(
        arguments=(table, index, y, s["L"], s["N"]),
        grid=(-(-s["L"] // dict(f.constants)["BL"]),),
        expected=lambda: [(y, table[index].float())],
        moved_bytes=2.0 * s["L"] * s["N"] * make.itemsize,
    )


def _stencil(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, y, t = make.rand(s["H"], s["W"]), make.empty(s["H"], s["W"]), dict(f.constants)

    def expected() -> list[tuple[Any, Any]]:
        p = make.torch.nn.functional.pad(x.float(), (1, 1, 1, 1))
        return [(y, 0.2 * (x.float() + p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))]

    return Case(
        arguments=(x, y, s["H"], s["W"]),
        grid=(-(-s["H"] // t["BH"]), -(-s["W"] // t["BW"])),
        expected=expected,
        moved_bytes=2.0 * s["H"] * s["W"] * make.itemsize,
    )


def _sort(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    x, y = make.rand(s["M"], s["N"]), make.empty(s["M"], s["N"])
    moved = 2.0 * s["M"] * s["N"] * make.itemsize
    return Case(
        arguments=(x, y, s["N"]), grid=(s["M"],), expected=lambda: [(y, x.float().sort(-1)[0])], moved_bytes=moved
    )


def _histogram(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    t = dict(f.constants)
    x, count = make.ints(0, t["BINS"], s["n"], dtype="i32"), make.zeros(t["BINS"], dtype="i32")
    return Case(
        arguments=(x, count, s["n"]),
        grid=(-(-s["n"] // t["BLOCK"]),),
        expected=lambda: [(count, make.torch.bincount(x.long(), minlength=t["BINS"]))],
        moved_bytes=4.0 * s["n"],
    )


def _max_pool(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    t = dict(f.constants)
    height, width = ((s[side] - t["R"]) // t["STRIDE"] + 1 for side in "HW")
    x, y = make.rand(s["C"], s["H"], s["W"]), make.empty(s["C"], height, width)
    pool = make.torch.nn.functional.max_pool2d
    return Case(
        arguments=(x, y, s["H"], s["W"]),
        grid=(-(-width // t["BW"]), s["C"] * height),
        expected=lambda: [(y, pool(x.float()[None], t["R"], t["STRIDE"])[0])],
        moved_bytes=1.5 * s["C"] * s["H"] * s["W"] * make.itemsize,
    )


def _conv1d(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    t = dict(f.constants)
    x, w, y = make.rand(s["L"], s["C"]), make.rand(t["R"], s["C"]), make.empty(s["L"], s["C"])

    def expected() -> list[tuple[Any, Any]]:
        p = make.torch.nn.functional.pad(x.float(), (0, 0, t["R"] - 1, 0))
        total = sum(p[t["R"] - 1 - r : t["R"] - 1 - r + s["L"]] * w[r].float() for r in range(t["R"]))
        return [(y, total * total.sigmoid())]

    return Case(
        arguments=(x, w, y, s["L"], s["C"]),
        grid=(-(-s["L"] // t["BL"]), -(-s["C"] // t["BC"])),
        expected=expected,
        moved_bytes=2.0 * s["L"] * s["C"] * make.itemsize,
    )


_XY = {"x": "*T", "y": "*T"}

TRANSPOSE = Family(
    name="transpose", kernel=transpose_kernel, signature=_XY | {"M": "i32", "N": "i32"},
    choices={"BM": (8, 16, 32, 64, 128), "BN": (8, 16, 32, 64, 128)}, sizes={"M": (1024, 4096), "N": (1024, 4096)},
    case=_transpose, stages=(1, 2),
)  # fmt: skip
EMBEDDING = Family(
    name="embedding", kernel=embedding_kernel,
    signature={"table": "*T", "index": "*i64", "y": "*T", "L": "i32", "N": "i32"},
    choices={"BL": (1, 2, 4, 8, 16), "BN": (32, 64, 128, 256, 512)},
    sizes={"V": (32000,), "L": (2048, 8192), "N": (512, 1024)}, case=_embedding,
)  # fmt: skip
STENCIL = Family(
    name="stencil", kernel=stencil_kernel, signature=_XY | {"H": "i32", "W": "i32"},
    choices={"BH": (1, 2, 4, 8, 16, 32), "BW": (32, 64, 128, 256)}, sizes={"H": (1024, 2048), "W": (1024, 2048)},
    case=_stencil, stages=(1, 2),
)  # fmt: skip
SORT_ROWS = Family(
    name="sort_rows", kernel=sort_rows_kernel, signature=_XY | {"N": "i32"}, choices={"BLOCK": (32, 64, 128, 256, 512)},
    sizes={"M": (1024, 4096), "N": (32,)}, case=_sort, stages=(1,),
)  # fmt: skip
HISTOGRAM = Family(
    name="histogram", kernel=histogram_kernel, signature={"x": "*T", "count": "*i32", "n": "i32"},
    choices={"BLOCK": (128, 256, 512, 1024, 2048), "BINS": (32, 64, 128, 256, 512)}, sizes={"n": (1 << 20, 1 << 22)},
    case=_histogram, dtypes=("i32",), stages=(1, 2),
)  # fmt: skip
MAX_POOL = Family(
    name="max_pool", kernel=max_pool_kernel, signature=_XY | {"H": "i32", "W": "i32"},
    choices={"BW": (16, 32, 64, 128, 256), "R": (2, 3, 5), "STRIDE": (1, 2)},
    sizes={"C": (64, 128), "H": (64, 128), "W": (64, 128)}, case=_max_pool, stages=(1, 2),
)  # fmt: skip
DEPTHWISE_CONV1D = Family(
    name="depthwise_conv1d", kernel=depthwise_conv1d_kernel,
    signature={"x": "*T", "w": "*T", "y": "*T", "L": "i32", "C": "i32"},
    choices={"BL": (4, 8, 16, 32, 64), "BC": (32, 64, 128), "R": (3, 4)}, sizes={"L": (2048, 4096), "C": (512, 1024)},
    case=_conv1d, stages=(1, 2), legal=lambda c, dtype, warps: c["BL"] * c["BC"] <= 128 * 32 * warps,
)  # fmt: skip
