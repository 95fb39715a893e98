# mypy: disable-error-code="untyped-decorator,no-untyped-def"
# A kernel's annotations are read by Triton, which knows its own types only.
"""Products of matrices: plain, with epilogue, transposed, batched, int8, split along k, as a convolution, by a vector.

All operands are dense and row-major. Sums are kept in fp32, or in int32 for int8 operands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import triton
import triton.language as tl

from .family import Case, Configuration, Family


@triton.jit
def _tile(pid, M, N, BM: tl.constexpr, BN: tl.constexpr, G: tl.constexpr):
    """Tile of a program id, in groups of G rows of tiles that reuse the same columns."""
    rows = tl.cdiv(M, BM)
    columns = tl.cdiv(N, BN)
    group = pid // (G * columns)
    height = min(rows - group * G, G)
    inside = pid % (G * columns)
    return group * G + inside % height, inside // height


@triton.jit
def matmul_kernel(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, G: tl.constexpr):
    """C[M, N] = A[M, K] B[K, N]."""
    i, j = _tile(tl.program_id(0), M, N, BM, BN, G)
    m = i * BM + tl.arange(0, BM)
    n = j * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.float32)
    for k0 in range(0, K, BK):
        inside = k0 + k < K
        x = tl.load(a + m[:, None] * K + (k0 + k)[None, :], mask=(m < M)[:, None] & inside[None, :], other=0.0)
        y = tl.load(b + (k0 + k)[:, None] * N + n[None, :], mask=inside[:, None] & (n < N)[None, :], other=0.0)
        total = tl.dot(x, y, total)
    mask = (m < M)[:, None] & (n < N)[None, :]
    tl.store(c + m[:, None] * N + n[None, :], total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def matmul_bias_gelu_kernel(a, b, v, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, G: tl.constexpr):
    """C = gelu(A B + v), sigmoid form."""
    i, j = _tile(tl.program_id(0), M, N, BM, BN, G)
    m = i * BM + tl.arange(0, BM)
    n = j * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.float32)
    for k0 in range(0, K, BK):
        inside = k0 + k < K
        x = tl.load(a + m[:, None] * K + (k0 + k)[None, :], mask=(m < M)[:, None] & inside[None, :], other=0.0)
        y = tl.load(b + (k0 + k)[:, None] * N + n[None, :], mask=inside[:, None] & (n < N)[None, :], other=0.0)
        total = tl.dot(x, y, total)
    total += tl.load(v + n, mask=n < N, other=0.0).to(tl.float32)[None, :]
    total = total * tl.sigmoid(1.702 * total)
    mask = (m < M)[:, None] & (n < N)[None, :]
    tl.store(c + m[:, None] * N + n[None, :], total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def matmul_transposed_kernel(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """C[M, N] = A[M, K] B[N, K]ᵀ."""
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.float32)
    for k0 in range(0, K, BK):
        inside = k0 + k < K
        x = tl.load(a + m[:, None] * K + (k0 + k)[None, :], mask=(m < M)[:, None] & inside[None, :], other=0.0)
        y = tl.load(b + n[:, None] * K + (k0 + k)[None, :], mask=(n < N)[:, None] & inside[None, :], other=0.0)
        total = tl.dot(x, tl.trans(y), total)
    mask = (m < M)[:, None] & (n < N)[None, :]
    tl.store(c + m[:, None] * N + n[None, :], total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def batched_matmul_kernel(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """C[B, M, N] = A[B, M, K] B[B, K, N]; the batch is the grid's second axis."""
    batch = tl.program_id(1).to(tl.int64)
    columns = tl.cdiv(N, BN)
    m = tl.program_id(0) // columns * BM + tl.arange(0, BM)
    n = tl.program_id(0) % columns * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    pa = a + batch * M * K + m[:, None] * K + k[None, :]
    pb = b + batch * K * N + k[:, None] * N + n[None, :]
    total = tl.zeros((BM, BN), tl.float32)
    for k0 in range(0, K, BK):
        inside = k0 + k < K
        x = tl.load(pa, mask=(m < M)[:, None] & inside[None, :], other=0.0)
        y = tl.load(pb, mask=inside[:, None] & (n < N)[None, :], other=0.0)
        total = tl.dot(x, y, total)
        pa += BK
        pb += BK * N
    mask = (m < M)[:, None] & (n < N)[None, :]
    tl.store(c + batch * M * N + m[:, None] * N + n[None, :], total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def matmul_int8_kernel(
    a, b, row, column, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, G: tl.constexpr
):
    """C = row ⊗ column · (A B), int8 operands, int32 sums, one scale a row and a column."""
    i, j = _tile(tl.program_id(0), M, N, BM, BN, G)
    m = i * BM + tl.arange(0, BM)
    n = j * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.int32)
    for k0 in range(0, K, BK):
        inside = k0 + k < K
        x = tl.load(a + m[:, None] * K + (k0 + k)[None, :], mask=(m < M)[:, None] & inside[None, :], other=0)
        y = tl.load(b + (k0 + k)[:, None] * N + n[None, :], mask=inside[:, None] & (n < N)[None, :], other=0)
        total = tl.dot(x, y, total, out_dtype=tl.int32)
    left = tl.load(row + m, mask=m < M, other=0.0)
    right = tl.load(column + n, mask=n < N, other=0.0)
    scaled = total.to(tl.float32) * left[:, None] * right[None, :]
    mask = (m < M)[:, None] & (n < N)[None, :]
    tl.store(c + m[:, None] * N + n[None, :], scaled.to(c.dtype.element_ty), mask=mask)


@triton.jit
def matmul_split_k_kernel(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, SPLIT: tl.constexpr):
    """C[M, N] += A[M, K] B[K, N] by atomic sums, SPLIT programs along k; C is fp32 and zero before."""
    columns = tl.cdiv(N, BN)
    m = tl.program_id(0) // columns * BM + tl.arange(0, BM)
    n = tl.program_id(0) % columns * BN + tl.arange(0, BN)
    k = tl.program_id(1) * BK + tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.float32)
    for k0 in range(0, K, BK * SPLIT):
        inside = k0 + k < K
        x = tl.load(a + m[:, None] * K + (k0 + k)[None, :], mask=(m < M)[:, None] & inside[None, :], other=0.0)
        y = tl.load(b + (k0 + k)[:, None] * N + n[None, :], mask=inside[:, None] & (n < N)[None, :], other=0.0)
        total = tl.dot(x, y, total)
    mask = (m < M)[:, None] & (n < N)[None, :]
    tl.atomic_add(c + m[:, None] * N + n[None, :], total, mask=mask)


@triton.jit
def conv2d_kernel(
    x, w, y, H, W, C, F, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, R: tl.constexpr, S: tl.constexpr
):
    """Y[Ho, Wo, F] = X[H, W, C] * W[R, S, C, F], channels last, no padding: pixels are rows of an implicit product."""
    out_w = W - S + 1
    pixels = (H - R + 1) * out_w
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    base = (m // out_w) * W + m % out_w
    total = tl.zeros((BM, BN), tl.float32)
    for r in range(R):
        for s in range(S):
            for c0 in range(0, C, BK):
                inside = c0 + k < C
                image = tl.load(
                    x + (base + r * W + s)[:, None] * C + (c0 + k)[None, :],
                    mask=(m < pixels)[:, None] & inside[None, :], other=0.0,
                )  # fmt: skip
                weight = tl.load(
                    w + ((r * S + s) * C + c0 + k)[:, None] * F + n[None, :],
                    mask=inside[:, None] & (n < F)[None, :], other=0.0,
                )  # fmt: skip
                total = tl.dot(image, weight, total)
    mask = (m < pixels)[:, None] & (n < F)[None, :]
    tl.store(y + m[:, None] * F + n[None, :], total.to(y.dtype.element_ty), mask=mask)


@triton.jit
def matvec_kernel(a, x, y, M, K, BM: tl.constexpr, BK: tl.constexpr):
    """y[M] = A[M, K] x[K]."""
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    k = tl.arange(0, BK)
    total = tl.zeros((BM, BK), tl.float32)
    for k0 in range(0, K, BK):
        inside = k0 + k < K
        row = tl.load(a + m[:, None] * K + (k0 + k)[None, :], mask=(m < M)[:, None] & inside[None, :], other=0.0)
        total += row.to(tl.float32) * tl.load(x + k0 + k, mask=inside, other=0.0).to(tl.float32)[None, :]
    tl.store(y + m, tl.sum(total, 1).to(y.dtype.element_ty), mask=m < M)


def _fits(constants: Mapping[str, int], dtype: str, warps: int) -> bool:
    """Tiles that some GPU can hold, and at least 16 outputs a thread of one warp's share, at most 512."""
    outputs = constants["BM"] * constants["BN"] // (32 * warps)
    operand_bytes = (constants["BM"] + constants["BN"]) * constants["BK"] * {"fp32": 4, "int8": 1}.get(dtype, 2)
    return 4 <= outputs <= 256 and operand_bytes <= 64 << 10


def _cdiv(a: int, b: int) -> int:
    return -(-a // b)


def _dense(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    a, b, c = make.rand(s["M"], s["K"]), make.rand(s["K"], s["N"]), make.empty(s["M"], s["N"])
    t = dict(f.constants)
    return Case(
        arguments=(a, b, c, s["M"], s["N"], s["K"]),
        grid=(_cdiv(s["M"], t["BM"]) * _cdiv(s["N"], t["BN"]),),
        expected=lambda: [(c, a.float() @ b.float())],
        flops=2.0 * s["M"] * s["N"] * s["K"],
    )


def _bias_gelu(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    a, b, v, c = make.rand(s["M"], s["K"]), make.rand(s["K"], s["N"]), make.rand(s["N"]), make.empty(s["M"], s["N"])
    t = dict(f.constants)

    def expected() -> list[tuple[Any, Any]]:
        p = a.float() @ b.float() + v.float()
        return [(c, p * (1.702 * p).sigmoid())]

    grid = (_cdiv(s["M"], t["BM"]) * _cdiv(s["N"], t["BN"]),)
    return Case(
        arguments=(a, b, v, c, s["M"], s["N"], s["K"]), grid=grid, expected=expected,
        flops=2.0 * s["M"] * s["N"] * s["K"],
    )  # fmt: skip


def _transposed(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    a, b, c = make.rand(s["M"], s["K"]), make.rand(s["N"], s["K"]), make.empty(s["M"], s["N"])
    t = dict(f.constants)
    return Case(
        arguments=(a, b, c, s["M"], s["N"], s["K"]),
        grid=(_cdiv(s["M"], t["BM"]), _cdiv(s["N"], t["BN"])),
        expected=lambda: [(c, a.float() @ b.float().T)],
        flops=2.0 * s["M"] * s["N"] * s["K"],
    )


def _batched(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    a, b = make.rand(s["B"], s["M"], s["K"]), make.rand(s["B"], s["K"], s["N"])
    c, t = make.empty(s["B"], s["M"], s["N"]), dict(f.constants)
    return Case(
        arguments=(a, b, c, s["M"], s["N"], s["K"]),
        grid=(_cdiv(s["M"], t["BM"]) * _cdiv(s["N"], t["BN"]), s["B"]),
        expected=lambda: [(c, a.float() @ b.float())],
        flops=2.0 * s["B"] * s["M"] * s["N"] * s["K"],
    )


def _int8(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    a, b = make.ints(-127, 128, s["M"], s["K"], dtype="int8"), make.ints(-127, 128, s["K"], s["N"], dtype="int8")
    row, column = (make.rand(s[name], dtype="fp32") * 2.0**-6 for name in "MN")
    c, t = make.empty(s["M"], s["N"], dtype="fp16"), dict(f.constants)

    def expected() -> list[tuple[Any, Any]]:
        return [(c, (a.double() @ b.double()).float() * row[:, None] * column[None, :])]

    grid = (_cdiv(s["M"], t["BM"]) * _cdiv(s["N"], t["BN"]),)
    return Case(
        arguments=(a, b, row, column, c, s["M"], s["N"], s["K"]), grid=grid, expected=expected,
        flops=2.0 * s["M"] * s["N"] * s["K"],
    )  # fmt: skip


def _split_k(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    a, b, c = make.rand(s["M"], s["K"]), make.rand(s["K"], s["N"]), make.zeros(s["M"], s["N"], dtype="fp32")
    t = dict(f.constants)
    return Case(
        arguments=(a, b, c, s["M"], s["N"], s["K"]),
        grid=(_cdiv(s["M"], t["BM"]) * _cdiv(s["N"], t["BN"]), t["SPLIT"]),
        expected=lambda: [(c, a.float() @ b.float())],
        flops=2.0 * s["M"] * s["N"] * s["K"],
    )


def _conv(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    t = dict(f.constants)
    height, width = s["H"] - t["R"] + 1, s["W"] - t["S"] + 1
    x, w = make.rand(s["H"], s["W"], s["C"]), make.rand(t["R"], t["S"], s["C"], s["F"])
    y = make.empty(height, width, s["F"])

    def expected() -> list[tuple[Any, Any]]:
        image, filters = x.float().permute(2, 0, 1)[None], w.float().permute(3, 2, 0, 1)
        return [(y, make.torch.nn.functional.conv2d(image, filters)[0].permute(1, 2, 0))]

    return Case(
        arguments=(x, w, y, s["H"], s["W"], s["C"], s["F"]),
        grid=(_cdiv(height * width, t["BM"]), _cdiv(s["F"], t["BN"])),
        expected=expected,
        flops=2.0 * height * width * s["F"] * s["C"] * t["R"] * t["S"],
    )


def _matvec(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    a, x, y = make.rand(s["M"], s["K"]), make.rand(s["K"]), make.empty(s["M"])
    return Case(
        arguments=(a, x, y, s["M"], s["K"]),
        grid=(_cdiv(s["M"], dict(f.constants)["BM"]),),
        expected=lambda: [(y, a.float() @ x.float())],
        flops=2.0 * s["M"] * s["K"],
    )


_MNK = {"M": "i32", "N": "i32", "K": "i32"}
_ABC = {"a": "*T", "b": "*T", "c": "*T"}
_SIZES = {"M": (512, 1024, 2048), "N": (512, 1024, 2048), "K": (256, 512, 1024)}
_TILES = {"BM": (16, 32, 64, 128, 256), "BN": (16, 32, 64, 128, 256), "BK": (16, 32, 64, 128)}

MATMUL = Family(
    name="matmul", kernel=matmul_kernel, signature=_ABC | _MNK, choices=_TILES | {"G": (1, 8)}, sizes=_SIZES,
    case=_dense, legal=_fits,
)  # fmt: skip
MATMUL_BIAS_GELU = Family(
    name="matmul_bias_gelu", kernel=matmul_bias_gelu_kernel,
    signature={"a": "*T", "b": "*T", "v": "*T", "c": "*T"} | _MNK, choices=_TILES | {"G": (1, 8)}, sizes=_SIZES,
    case=_bias_gelu, legal=_fits,
)  # fmt: skip
MATMUL_TRANSPOSED = Family(
    name="matmul_transposed", kernel=matmul_transposed_kernel, signature=_ABC | _MNK, choices=_TILES, sizes=_SIZES,
    case=_transposed, legal=_fits,
)  # fmt: skip
BATCHED_MATMUL = Family(
    name="batched_matmul", kernel=batched_matmul_kernel, signature=_ABC | _MNK, choices=_TILES,
    sizes={"B": (8, 16), "M": (128, 256), "N": (128, 256), "K": (64, 128)}, case=_batched, legal=_fits,
)  # fmt: skip
MATMUL_INT8 = Family(
    name="matmul_int8", kernel=matmul_int8_kernel,
    signature={"a": "*T", "b": "*T", "row": "*fp32", "column": "*fp32", "c": "*fp16"} | _MNK,
    choices=_TILES | {"BK": (32, 64, 128), "G": (1, 8)}, sizes=_SIZES, case=_int8, dtypes=("i8",), legal=_fits,
)  # fmt: skip
MATMUL_SPLIT_K = Family(
    name="matmul_split_k", kernel=matmul_split_k_kernel, signature={"a": "*T", "b": "*T", "c": "*fp32"} | _MNK,
    choices=_TILES | {"SPLIT": (2, 4, 8)}, sizes={"M": (64, 128), "N": (128, 256), "K": (2048, 4096)}, case=_split_k,
    legal=_fits,
)  # fmt: skip
CONV2D_IMPLICIT_GEMM = Family(
    name="conv2d_implicit_gemm", kernel=conv2d_kernel,
    signature={"x": "*T", "w": "*T", "y": "*T", "H": "i32", "W": "i32", "C": "i32", "F": "i32"},
    choices={"BM": (16, 32, 64, 128), "BN": (16, 32, 64, 128), "BK": (16, 32, 64), "R": (1, 3), "S": (3,)},
    sizes={"H": (32, 64), "W": (32, 64), "C": (64, 128), "F": (64, 128)}, case=_conv, legal=_fits, stages=(1, 2, 3),
)  # fmt: skip
MATVEC = Family(
    name="matvec", kernel=matvec_kernel, signature={"a": "*T", "x": "*T", "y": "*T", "M": "i32", "K": "i32"},
    choices={"BM": (1, 4, 16, 32, 64), "BK": (64, 128, 256, 512)}, sizes={"M": (4096, 8192), "K": (1024, 4096)},
    case=_matvec, legal=lambda c, dtype, warps: c["BM"] * c["BK"] <= 16384,
)  # fmt: skip
