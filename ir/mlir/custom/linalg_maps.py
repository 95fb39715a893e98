"""Indexing maps of linalg's named operations, which their custom form leaves out.

Owns the table, taken from MLIR's definitions (`opdsl/ops/core_named_ops.py` of its Python bindings). A map is written
by the numbers of its dimensions; `a`, `b`, `c` are the strides and `A`, `B`, `C` the dilations of a window.
Invariant: what is added reads as the generic form prints it.
"""

from __future__ import annotations

import re

from costmodel.ir.mlir.structure import Operation

_MAPS = {
    "matmul": "0 2; 2 1; 0 1",
    "batch_matmul": "0 1 3; 0 3 2; 0 1 2",
    "batch_reduce_matmul": "0 1 3; 0 3 2; 1 2",
    "mmt4d": "0 2 3 5; 1 2 4 5; 0 1 3 4",
    "batch_mmt4d": "0 1 3 4 6; 0 2 3 5 6; 0 1 2 4 5",
    "matvec": "0 1; 1; 0",
    "vecmat": "1; 1 0; 0",
    "batch_matvec": "0 1 2; 0 2; 0 1",
    "batch_vecmat": "0 2; 0 2 1; 0 1",
    "dot": "0; 0; ",
    "conv_1d": "0+1; 1; 0",
    "conv_2d": "0+2 1+3; 2 3; 0 1",
    "conv_3d": "0+3 1+4 2+5; 3 4 5; 0 1 2",
    "conv_1d_nwc_wcf": "0 1*a+3*A 4; 3 4 2; 0 1 2",
    "conv_1d_ncw_fcw": "0 3 2*a+4*A; 1 3 4; 0 1 2",
    "conv_2d_nhwc_hwcf": "0 1*a+4*A 2*b+5*B 6; 4 5 6 3; 0 1 2 3",
    "conv_2d_nhwc_fhwc": "0 1*a+4*A 2*b+5*B 6; 3 4 5 6; 0 1 2 3",
    "conv_2d_nchw_fchw": "0 4 2*a+5*A 3*b+6*B; 1 4 5 6; 0 1 2 3",
    "conv_2d_ngchw_fgchw": "0 1 5 3*a+6*A 4*b+7*B; 2 1 5 6 7; 0 1 2 3 4",
    "conv_2d_ngchw_gfchw": "0 1 5 3*a+6*A 4*b+7*B; 1 2 5 6 7; 0 1 2 3 4",
    "conv_2d_nhwgc_gfhwc": "0 1*a+5*A 2*b+6*B 3 7; 3 4 5 6 7; 0 1 2 3 4",
    "conv_3d_ndhwc_dhwcf": "0 1*a+5*A 2*b+6*B 3*c+7*C 8; 5 6 7 8 4; 0 1 2 3 4",
    "conv_3d_ncdhw_fcdhw": "0 5 2*a+6*A 3*b+7*B 4*c+8*C; 1 5 6 7 8; 0 1 2 3 4",
    "depthwise_conv_1d_nwc_wc": "0 1*a+3*A 2; 3 2; 0 1 2",
    "depthwise_conv_1d_ncw_cw": "0 2 1*a+3*A; 2 3; 0 2 1",
    "depthwise_conv_1d_nwc_wcm": "0 1*a+4*A 2; 4 2 3; 0 1 2 3",
    "depthwise_conv_2d_nhwc_hwc": "0 1*a+4*A 2*b+5*B 3; 4 5 3; 0 1 2 3",
    "depthwise_conv_2d_nchw_chw": "0 3 1*a+4*A 2*b+5*B; 3 4 5; 0 3 1 2",
    "depthwise_conv_2d_nhwc_hwcm": "0 1*a+5*A 2*b+6*B 3; 5 6 3 4; 0 1 2 3 4",
    "depthwise_conv_3d_ndhwc_dhwc": "0 1*a+4*A 2*b+5*B 3*c+6*C 7; 4 5 6 7; 0 1 2 3 7",
    "depthwise_conv_3d_ncdhw_cdhw": "0 7 1*a+4*A 2*b+5*B 3*c+6*C; 7 4 5 6; 0 7 1 2 3",
    "depthwise_conv_3d_ndhwc_dhwcm": "0 1*a+5*A 2*b+6*B 3*c+7*C 8; 5 6 7 8 4; 0 1 2 3 8 4",
    "pooling_nhwc": "0 1*a+4*A 2*b+5*B 3; 4 5; 0 1 2 3",
    "pooling_nchw": "0 1 2*a+4*A 3*b+5*B; 4 5; 0 1 2 3",
    "pooling_nwc": "0 1*a+3*A 2; 3; 0 1 2",
    "pooling_ncw": "0 1 2*a+3*A; 3; 0 1 2",
    "pooling_ndhwc": "0 1*a+5*A 2*b+6*B 3*c+7*C 4; 5 6 7; 0 1 2 3 4",
}
_AS_PROPERTY = frozenset(("matmul", "batch_matmul", "batch_reduce_matmul"))
"""Those whose maps are a property; the maps of the others are memoized by the verifier."""
_POOLED = re.compile(r"_(?:sum|max|min)(?:_unsigned)?$")
_WINDOW = re.compile(r"\b(strides|dilations) = dense<(?:\[([\d, ]+)\]|(\d+))>")
_FACTOR = re.compile(r"(\d+)(?:\*([a-cA-C]))?")


def add_maps(operation: Operation) -> None:
    """Give a named operation the attribute that holds its maps, if its text has none."""
    if "indexing_maps" in operation._property_text or "indexing_maps" in operation._attribute_text:
        return
    name = operation.name.removeprefix("linalg.")
    maps = _maps(name, operation)
    if not maps:
        return
    text = f"[{', '.join(f'affine_map<{item}>' for item in maps)}]"
    if name in _AS_PROPERTY:
        operation._property_text = _joined(f"indexing_maps = {text}", operation._property_text)
    else:
        memoized = f"linalg.memoized_indexing_maps = {text}"
        operation._attribute_text = _joined(operation._attribute_text, memoized)


def _joined(*texts: str) -> str:
    return ", ".join(text for text in texts if text)


def _maps(name: str, operation: Operation) -> list[str]:
    quantized = name.endswith("_q") or name.startswith("quantized_")
    key = name.removesuffix("_q").removeprefix("quantized_")
    text = _MAPS.get(_POOLED.sub("", key) if key.startswith("pooling_") else key)
    if text is None:
        return []
    factors = _window(operation._attribute_text)
    results = [_results(part, factors) for part in text.split(";")]
    if quantized:
        results[2:2] = ["", ""]
    rank = max(int(number) for number in re.findall(r"\d+", text)) + 1
    dims = ", ".join(f"d{number}" for number in range(rank))
    return [f"({dims}) -> ({item})" for item in results]


def _window(attributes: str) -> dict[str, int]:
    """Strides and dilations by letter; 1 where the text says nothing."""
    factors: dict[str, int] = {}
    for kind, listed, splat in _WINDOW.findall(attributes):
        letters = "abc" if kind == "strides" else "ABC"
        values = [int(item) for item in listed.split(",")] if listed else [int(splat)] * len(letters)
        factors.update(zip(letters, values, strict=False))
    return factors


def _results(text: str, factors: dict[str, int]) -> str:
    def term(match: re.Match[str]) -> str:
        factor = factors.get(match[2], 1) if match[2] else 1
        return f"d{match[1]}" if factor == 1 else f"d{match[1]} * {factor}"

    return ", ".join(_FACTOR.sub(term, item).replace("+", " + ") for item in text.split())
