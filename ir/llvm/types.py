"""LLVM types in the spelling of MLIR, so that graph, tokens and features see one notation.

Owns `mlir_type`. Invariant: any text gives a type; results are cached.
"""

from __future__ import annotations

import re
from functools import lru_cache

from costmodel.ir.mlir.syntax import split_items

UNKNOWN_TYPE = "!llvm<unknown>"
_SCALARS = {
    "float": "f32",
    "double": "f64",
    "half": "f16",
    "bfloat": "bf16",
    "fp128": "f128",
    "x86_fp80": "f80",
    "ptr": "!llvm.ptr",
    "void": "!llvm.void",
    "label": "!llvm.label",
    "token": "!llvm.token",
    "metadata": "!llvm.metadata",
}
_VECTOR = re.compile(r"<\s*(vscale x )?(\d+) x (.*)>", re.DOTALL)
_ARRAY = re.compile(r"\[\s*(\d+) x (.*)\]", re.DOTALL)
_POINTER = re.compile(r"ptr addrspace\((\d+)\)")
_PLAIN = r"[^<>\[\]{}()]"
_ONE = rf"(?:{_PLAIN}++|[<\[{{(]{_PLAIN}*+[>\]}})])*+"
_TWO = rf"(?:{_PLAIN}++|[<\[{{(]{_ONE}[>\]}})])*+"
_NESTED = rf"(?:{_PLAIN}++|[<\[{{(]{_TWO}[>\]}})])*+"
TYPE = (
    r"(?:ptr(?: addrspace\(\d+\))?|i\d+|float|double|half|bfloat|void|label|metadata|token|fp128|x86_fp80|ppc_fp128"
    rf"|x86_amx|<{_NESTED}>|\[{_NESTED}\]|\{{{_NESTED}\}}|target\({_NESTED}\)|%(?:\"[^\"]*\"|[\w$.\-]+)(?=[\s,)\]}}>]|$))"
)
"""Pattern of one type, aggregates nested up to four deep."""


@lru_cache(maxsize=16384)
def mlir_type(text: str) -> str:
    """`<4 x float>` to `vector<4xf32>`, `[2 x ptr]` to `!llvm.array<2 x !llvm.ptr>`."""
    text = text.strip()
    if text in _SCALARS:
        return _SCALARS[text]
    if text[:1] == "i" and text[1:].isdigit():
        return text
    pointer = _POINTER.fullmatch(text)
    if pointer is not None:
        return f"!llvm.ptr<{pointer[1]}>"
    return _aggregate(text)


def _aggregate(text: str) -> str:
    vector = _VECTOR.fullmatch(text)
    if vector is not None:
        size = f"[{vector[2]}]" if vector[1] else vector[2]
        return f"vector<{size}x{mlir_type(vector[3])}>"
    array = _ARRAY.fullmatch(text)
    if array is not None:
        return f"!llvm.array<{array[1]} x {mlir_type(array[2])}>"
    inner = text[1:-1] if text.startswith("<{") else text
    if inner.startswith("{") and inner.endswith("}"):
        fields = ", ".join(mlir_type(field) for field in split_items(inner[1:-1]))
        return f"!llvm.struct<{'packed ' if inner is not text else ''}({fields})>"
    return f"!llvm.struct<{text[1:]}>" if text.startswith("%") else f"!llvm<{text}>"
