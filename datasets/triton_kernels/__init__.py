"""Triton kernels of our own, by family: source, the configurations each may take, and a case to run it on a GPU.

Owns the table of families. Invariant: nothing in this package imports more than numpy, torch and triton, and imports
within it are relative, so that `benchmarks/collect_gpu.py` loads it from the files alone. Compiles nothing.
"""

from __future__ import annotations

from importlib import import_module

from .family import Configuration, Family, configurations

_MODULES = {
    "matmul": "matmul", "matmul_bias_gelu": "matmul", "matmul_transposed": "matmul", "batched_matmul": "matmul",
    "matmul_int8": "matmul", "matmul_split_k": "matmul", "conv2d_implicit_gemm": "matmul", "matvec": "matmul",
    "softmax": "rows", "layer_norm": "rows", "rms_norm": "rows", "group_norm": "rows", "cross_entropy": "rows",
    "row_sum": "rows", "column_max": "rows", "log_softmax_backward": "rows", "cumulative_sum": "rows",
    "flash_attention": "attention", "decode_attention": "attention", "rotary": "attention",
    "vector_add": "elementwise", "fused_gelu": "elementwise", "swiglu": "elementwise", "dropout": "elementwise",
    "quantise_rows": "elementwise", "dequantise": "elementwise", "adam_step": "elementwise",
    "transpose": "layout", "embedding": "layout", "stencil": "layout", "sort_rows": "layout", "histogram": "layout",
    "max_pool": "layout", "depthwise_conv1d": "layout",
}  # fmt: skip
"""Family to the module that holds it, as an attribute of the same name in upper case."""

NAMES = tuple(_MODULES)


def load(name: str) -> Family:
    """The family; imports triton.

    Raises:
        KeyError: there is no family of that name.
        ModuleNotFoundError: triton is not installed.
    """
    family: Family = getattr(import_module(f".{_MODULES[name]}", __name__), name.upper())
    return family


__all__ = ["NAMES", "Configuration", "Family", "configurations", "load"]
