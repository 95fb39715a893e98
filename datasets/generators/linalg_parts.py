"""Pieces that the linalg families share: sums of products, sums, narrowing."""

from __future__ import annotations

from costmodel.datasets.generators.linalg_text import Function, compute_type

ADD = {"f32": "arith.addf", "i32": "arith.addi"}


MUL = {"f32": "arith.mulf", "i32": "arith.muli"}


MAX = {"f32": "arith.maximumf", "i32": "arith.maxsi"}


def zero(wide: str) -> str:
    """The literal."""
    return "0.0" if wide.startswith("f") else "0"


def product(f: Function, dims: str, ins: list[tuple[str, str]], out: str, dtype: str) -> str:
    """A sum of products in the computed type."""
    wide = compute_type(dtype)
    body = [f"%m = {MUL[wide]} %x0, %x1 : $T", f"%q = {ADD[wide]} %y, %m : $T"]
    return f.generic(dims, ins, out, body, dtype=wide, init=f.filled(out, wide, zero(wide)))


def narrow(f: Function, dims: str, value: str, dtype: str) -> str:
    """The value in `dtype` again."""
    wide = compute_type(dtype)
    if wide == dtype:
        return value
    one = "1.0" if wide.startswith("f") else "1"
    body = [f"%one = arith.constant {one} : $T", f"%q = {MUL[wide]} %x0, %one : $T"]
    return f.generic(dims, [(value, dims)], dims, body, dtype=dtype)


def summed(f: Function, dims: str, value: str, at: str, out: str, square: bool = False) -> str:
    """A sum of values or of their squares, in f32."""
    body = (
        ["%m = arith.mulf %x0, %x0 : $T", "%q = arith.addf %m, %y : $T"] if square else ["%q = arith.addf %x0, %y : $T"]
    )
    return f.generic(dims, [(value, at)], out, body, dtype="f32", init=f.filled(out, "f32", "0.0"))
