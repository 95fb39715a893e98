# mypy: disable-error-code="untyped-decorator,no-untyped-def"
# A kernel's annotations are read by Triton, which knows its own types only.
"""Attention: a whole row block with a running softmax, one query against a cache, and rotary positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import triton
import triton.language as tl

from .family import Case, Configuration, Family


@triton.jit
def flash_attention_kernel(
    q, k, v, o, scale, L, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr
):
    """O[H, L, D] = softmax(scale · Q Kᵀ) V with a running maximum and sum; one program for BM queries of a head."""
    base = tl.program_id(1).to(tl.int64) * L * D
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    d = tl.arange(0, D)
    query = tl.load(q + base + m[:, None] * D + d[None, :], mask=(m < L)[:, None], other=0.0)
    high = tl.full((BM,), -1e30, tl.float32)
    total = tl.zeros((BM,), tl.float32)
    result = tl.zeros((BM, D), tl.float32)
    end = tl.minimum((tl.program_id(0) + 1) * BM, L) if CAUSAL else L
    for start in range(0, end, BN):
        n = start + tl.arange(0, BN)
        key = tl.load(k + base + n[:, None] * D + d[None, :], mask=(n < L)[:, None], other=0.0)
        score = tl.dot(query, tl.trans(key)) * scale
        allowed = (n < L)[None, :]
        if CAUSAL:
            allowed = allowed & (m[:, None] >= n[None, :])
        score = tl.where(allowed, score, -1e30)
        higher = tl.maximum(high, tl.max(score, 1))
        weight = tl.exp(score - higher[:, None])
        decay = tl.exp(high - higher)
        total = total * decay + tl.sum(weight, 1)
        value = tl.load(v + base + n[:, None] * D + d[None, :], mask=(n < L)[:, None], other=0.0)
        result = tl.dot(weight.to(value.dtype), value, result * decay[:, None])
        high = higher
    result = result / total[:, None]
    tl.store(o + base + m[:, None] * D + d[None, :], result.to(o.dtype.element_ty), mask=(m < L)[:, None])


@triton.jit
def decode_attention_kernel(q, k, v, o, scale, L, BN: tl.constexpr, D: tl.constexpr):
    """O[H, D]: one query of each head against L cached keys and values."""
    head = tl.program_id(0)
    d = tl.arange(0, D)
    query = tl.load(q + head * D + d).to(tl.float32)
    base = head.to(tl.int64) * L * D
    high = -1e30
    total = 0.0
    result = tl.zeros((D,), tl.float32)
    for start in range(0, L, BN):
        n = start + tl.arange(0, BN)
        key = tl.load(k + base + n[:, None] * D + d[None, :], mask=(n < L)[:, None], other=0.0).to(tl.float32)
        score = tl.where(n < L, tl.sum(key * query[None, :], 1) * scale, -1e30)
        higher = tl.maximum(high, tl.max(score, 0))
        weight = tl.exp(score - higher)
        decay = tl.exp(high - higher)
        value = tl.load(v + base + n[:, None] * D + d[None, :], mask=(n < L)[:, None], other=0.0).to(tl.float32)
        result = result * decay + tl.sum(weight[:, None] * value, 0)
        total = total * decay + tl.sum(weight, 0)
        high = higher
    tl.store(o + head * D + d, (result / total).to(o.dtype.element_ty))


@triton.jit
def rotary_kernel(x, c, s, y, L, BL: tl.constexpr, HALF: tl.constexpr):
    """Rotates the halves of X[H, L, 2 HALF] by the angles whose cosines and sines are c, s[L, HALF]."""
    base = tl.program_id(1).to(tl.int64) * L * 2 * HALF
    at = tl.program_id(0) * BL + tl.arange(0, BL)
    d = tl.arange(0, HALF)
    mask = (at < L)[:, None] & (d < HALF)[None, :]
    cosine = tl.load(c + at[:, None] * HALF + d[None, :], mask=mask, other=0.0).to(tl.float32)
    sine = tl.load(s + at[:, None] * HALF + d[None, :], mask=mask, other=0.0).to(tl.float32)
    left_at = base + at[:, None] * 2 * HALF + d[None, :]
    left = tl.load(x + left_at, mask=mask, other=0.0).to(tl.float32)
    right = tl.load(x + left_at + HALF, mask=mask, other=0.0).to(tl.float32)
    tl.store(y + left_at, (left * cosine - right * sine).to(y.dtype.element_ty), mask=mask)
    tl.store(y + left_at + HALF, (right * cosine + left * sine).to(y.dtype.element_ty), mask=mask)


def _flash(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    t = dict(f.constants)
    shape = (s["H"], s["L"], t["D"])
    q, k, v, o = make.rand(*shape), make.rand(*shape), make.rand(*shape), make.empty(*shape)
    scale = t["D"] ** -0.5

    def expected() -> list[tuple[Any, Any]]:
        score = q.float() @ k.float().transpose(1, 2) * scale
        if t["CAUSAL"]:
            future = make.torch.ones(s["L"], s["L"], device=score.device).triu(1).bool()
            score = score.masked_fill(future, -float("inf"))
        return [(o, score.softmax(-1) @ v.float())]

    return Case(
        arguments=(q, k, v, o, scale, s["L"]),
        grid=(-(-s["L"] // t["BM"]), s["H"]),
        expected=expected,
        flops=4.0 * s["H"] * s["L"] ** 2 * t["D"] / (2 if t["CAUSAL"] else 1),
    )


def _decode(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    width = dict(f.constants)["D"]
    q, o = make.rand(s["H"], width), make.empty(s["H"], width)
    k, v = make.rand(s["H"], s["L"], width), make.rand(s["H"], s["L"], width)
    scale = width**-0.5

    def expected() -> list[tuple[Any, Any]]:
        score = (q.float()[:, None, :] @ k.float().transpose(1, 2) * scale).softmax(-1)
        return [(o, (score @ v.float())[:, 0])]

    moved = 2.0 * s["H"] * s["L"] * width * make.itemsize
    return Case(arguments=(q, k, v, o, scale, s["L"]), grid=(s["H"],), expected=expected, moved_bytes=moved)


def _rotary(make: Any, s: Mapping[str, int], f: Configuration) -> Case:
    t = dict(f.constants)
    half = t["HALF"]
    x, y = make.rand(s["H"], s["L"], 2 * half), make.empty(s["H"], s["L"], 2 * half)
    c, si = make.rand(s["L"], half), make.rand(s["L"], half)

    def expected() -> list[tuple[Any, Any]]:
        left, right = x.float()[..., :half], x.float()[..., half:]
        rotated = [left * c.float() - right * si.float(), right * c.float() + left * si.float()]
        return [(y, make.torch.cat(rotated, -1))]

    return Case(
        arguments=(x, c, si, y, s["L"]),
        grid=(-(-s["L"] // t["BL"]), s["H"]),
        expected=expected,
        moved_bytes=4.0 * s["H"] * s["L"] * half * make.itemsize,
    )


_QKVO = {"q": "*T", "k": "*T", "v": "*T", "o": "*T", "scale": "fp32", "L": "i32"}

FLASH_ATTENTION = Family(
    name="flash_attention", kernel=flash_attention_kernel, signature=_QKVO,
    choices={"BM": (16, 32, 64, 128), "BN": (16, 32, 64, 128), "D": (32, 64, 128), "CAUSAL": (0, 1)},
    sizes={"H": (8, 16), "L": (512, 1024)}, case=_flash,
    legal=lambda c, dtype, warps: 16 <= c["BM"] * c["D"] // (32 * warps) <= 256 and (dtype != "fp32" or c["D"] < 128),
)  # fmt: skip
DECODE_ATTENTION = Family(
    name="decode_attention", kernel=decode_attention_kernel, signature=_QKVO,
    choices={"BN": (16, 32, 64, 128), "D": (32, 64, 128)}, sizes={"H": (32, 64), "L": (1024, 4096)}, case=_decode,
    legal=lambda c, dtype, warps: c["BN"] * c["D"] <= 256 * 32 * warps,
)  # fmt: skip
ROTARY = Family(
    name="rotary", kernel=rotary_kernel,
    signature={"x": "*T", "c": "*T", "s": "*T", "y": "*T", "L": "i32"},
    choices={"BL": (1, 4, 8, 16, 32, 64), "HALF": (16, 32, 64, 128)}, sizes={"H": (16, 32), "L": (1024, 4096)},
    case=_rotary, stages=(1, 2), legal=lambda c, dtype, warps: 32 <= c["BL"] * c["HALF"] <= 256 * 32 * warps,
)  # fmt: skip
