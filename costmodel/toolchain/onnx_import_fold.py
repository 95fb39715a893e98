"""Rewrites of the ONNX graph before lowering: constants evaluated, no-ops removed.

Owns the fix-point loop and constant evaluation; `onnx_import_conv` owns the rewrites around convolutions. Invariant:
every rewrite keeps the model's function, up to the rounding of constants that are multiplied out ahead of time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from costmodel.core.errors import UnsupportedError
from costmodel.toolchain.onnx_import_conv import (
    absorb_into_convolution,
    reciprocal_to_division,
    split_batch_norm,
    split_bias,
)
from costmodel.toolchain.onnx_import_graph import (
    SMALL_ELEMENTS,
    Array,
    OnnxGraph,
    format_dims,
    infer_types,
    require_onnx,
)
from costmodel.toolchain.onnx_import_rewrites import (
    disjoint_transposed_convolution,
    drop_expand_before_equal,
    elementwise_before_gather,
    flatten_concats,
    nearest_resize_to_copies,
    one_hot_product_to_gather,
)

MAX_FOLDED_BYTES = 64 << 20
"""A constant larger than this is not computed ahead of time."""

SMALL_CONSTANT = 16
"""Constants above this many elements become arguments, unless all elements are equal."""

RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)

DATA_OPERATORS = frozenset(
    "Add Sub Mul Div Pow Conv ConvTranspose MatMul Gemm PRelu Where Concat Max Min Equal Less Greater".split()
)
"""Operators whose constants of any size are data, never shapes or settings."""


def fold_graph(graph: OnnxGraph) -> None:
    """Apply all rewrites until nothing changes, then drop what is dead and insist on static types."""
    passes: tuple[Callable[[OnnxGraph], bool], ...] = (
        fold_constants,
        remove_no_ops,
        reciprocal_to_division,
        flatten_concats,
        drop_expand_before_equal,
        one_hot_product_to_gather,
        elementwise_before_gather,
        nearest_resize_to_copies,
        disjoint_transposed_convolution,
        split_batch_norm,
        absorb_into_convolution,
    )
    changed = True
    while changed:
        changed = False
        for rewrite in passes:
            changed |= rewrite(graph)
        graph.drop_dead()
        share_equal_constants(graph)
        if changed:
            infer_types(graph)
    split_bias(graph)
    infer_types(graph)
    _require_static(graph)


def liftable_constants(graph: OnnxGraph) -> list[str]:
    """Names of the constants to turn into arguments, in order of first use."""
    names: dict[str, None] = {}
    settings = _setting_constants(graph)
    for node in graph.nodes:
        for name in node.input:
            value = graph.constant(name)
            if value is not None and name not in names and _lift(value, name in settings):
                names[name] = None
    return list(names)


def share_equal_constants(graph: OnnxGraph) -> None:
    """Let nodes that read equal constants read the same one."""
    first: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    for node in graph.nodes:
        for index, name in enumerate(node.input):
            value = graph.constant(name)
            if value is not None:
                digest = hashlib.sha256(value.tobytes()).digest()
                node.input[index] = first.setdefault((value.dtype.name, value.shape, digest), name)
    graph.drop_dead()


def _lift(value: Array, is_setting: bool) -> bool:
    if value.size <= (SMALL_CONSTANT if is_setting else 1):
        return False
    return not bool((value == value.reshape(-1)[0]).all())


def _setting_constants(graph: OnnxGraph) -> set[str]:
    return {name for node in graph.nodes if node.op_type not in DATA_OPERATORS for name in node.input}


def fold_constants(graph: OnnxGraph) -> bool:
    """Evaluate nodes whose inputs are all constants, and `Shape`/`Size` of values of known shape."""
    kept: list[Any] = []
    for node in graph.nodes:
        values = _shape_value(graph, node) or _evaluate(graph, node)
        if values is None:
            kept.append(node)
            continue
        graph.constants.update(zip(node.output, values, strict=False))
    changed = len(kept) != len(graph.nodes)
    graph.nodes = kept
    _keep_outputs_computed(graph)
    return changed


def remove_no_ops(graph: OnnxGraph) -> bool:
    """Bypass nodes that return their first input unchanged."""
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        for index, name in enumerate(node.input):
            if name in renamed:
                node.input[index] = renamed[name]
        if node.output[0] not in graph.outputs and _is_no_op(graph, node):
            renamed[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    graph.nodes = kept
    return bool(renamed)


def _is_no_op(graph: OnnxGraph, node: Any) -> bool:
    if node.op_type == "Identity":
        return True
    if node.op_type == "Dropout":
        training = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1)
        unused_mask = len(node.output) < 2 or not graph.consumers().get(node.output[1])
        return training is not None and not training.any() and unused_mask
    before, after = graph.types.get(node.input[0]) if node.input else None, graph.types.get(node.output[0])
    if before is None or after is None or before.shape != after.shape:
        return False
    if node.op_type == "Cast":
        return before.dtype == after.dtype
    if node.op_type == "Slice":
        return _forward_steps(graph, node)
    return node.op_type in ("Reshape", "Expand", "Squeeze", "Unsqueeze", "Flatten")


def _forward_steps(graph: OnnxGraph, node: Any) -> bool:
    steps = graph.constant(node.input[4]) if len(node.input) > 4 else np.ones(1)
    return steps is not None and bool((steps == 1).all())


def _shape_value(graph: OnnxGraph, node: Any) -> list[Array] | None:
    if node.op_type not in ("Shape", "Size"):
        return None
    shape = graph.shape(node.input[0])
    if shape is None:
        return None
    if node.op_type == "Size":
        return [np.array(prod(shape), dtype=np.int64)]
    bounds = {a.name: a.i for a in node.attribute}
    return [np.array(shape[bounds.get("start", 0) : bounds.get("end", len(shape))], dtype=np.int64)]


def _evaluate(graph: OnnxGraph, node: Any) -> list[Array] | None:
    names = [name for name in node.input if name]
    is_kept = node.op_type == "Identity" and any(name in graph.outputs for name in node.output)
    if is_kept or node.op_type in RANDOM or not all(name in graph.constants for name in names):
        return None
    inputs = {name: graph.constants[name] for name in names}
    if not _affordable(graph, node, inputs):
        return None
    onnx = require_onnx()
    from onnx.reference import ReferenceEvaluator

    unknown = onnx.helper.make_empty_tensor_value_info
    body = onnx.helper.make_graph([node], "fold", [unknown(n) for n in inputs], [unknown(n) for n in node.output if n])
    opset = [onnx.helper.make_opsetid("", graph.opset)]
    try:
        results = ReferenceEvaluator(onnx.helper.make_model(body, opset_imports=opset)).run(None, inputs)
    except (NotImplementedError, RuntimeError, ValueError, TypeError, IndexError):
        return None  # the reference cannot compute it; the lowering still may
    arrays = [np.asarray(value) for value in results]
    return arrays if len(arrays) == len(node.output) else None


def _affordable(graph: OnnxGraph, node: Any, inputs: dict[str, Array]) -> bool:
    known = [graph.types.get(name) for name in node.output if name]
    if node.op_type == "Constant":
        return True
    if any(info is None for info in known):
        return sum(value.size for value in inputs.values()) <= SMALL_ELEMENTS and node.op_type not in _GROWING
    size = sum(prod(info.shape) * np.dtype(info.dtype).itemsize for info in known if info is not None)
    return size <= MAX_FOLDED_BYTES


_GROWING = frozenset({"Expand", "Tile", "ConstantOfShape", "Range", "EyeLike", "Pad", "Resize", "Upsample"})


def _keep_outputs_computed(graph: OnnxGraph) -> None:
    """A constant graph output is returned through an `Identity`, so that the function still has a node for it."""
    onnx = require_onnx()
    produced = {name for node in graph.nodes for name in node.output}
    for name in graph.outputs:
        if name in graph.constants and name not in produced:
            source = f"{name}.constant"
            graph.constants[source] = graph.constants.pop(name)
            graph.nodes.append(onnx.helper.make_node("Identity", [source], [name]))


def _require_static(graph: OnnxGraph) -> None:
    for node in graph.nodes:
        for name in node.output:
            info = graph.types.get(name)
            what = f"{name!r}, a result of {node.op_type} ({node.name or 'unnamed'}),"
            if name and info is None:
                raise UnsupportedError(f"the shape of {what} is not static: it depends on the data")
            if info is not None and 0 in info.shape:
                raise UnsupportedError(f"{what} has the shape {format_dims(info.shape)}: a dimension of size zero")
