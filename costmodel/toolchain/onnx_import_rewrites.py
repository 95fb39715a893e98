"""Rewrites of single ONNX patterns into cheaper ones that compute the same numbers.

Invariant: a pattern is rewritten only where its constants and static shapes prove the result equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from costmodel.toolchain.onnx_import_graph import Array, OnnxGraph, require_onnx


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: object) -> Any:
    return require_onnx().helper.make_node(kind, list(inputs), [output], **attributes)


def _replace(graph: OnnxGraph, replacements: dict[int, list[Any]]) -> bool:
    """Put lists of nodes in the place of nodes, by index."""
    graph.nodes = [new for index, node in enumerate(graph.nodes) for new in replacements.get(index, [node])]
    return bool(replacements)


def _attribute(node: Any, name: str, default: Any) -> Any:
    found = [a for a in node.attribute if a.name == name]
    return require_onnx().helper.get_attribute_value(found[0]) if found else default


def _constant(graph: OnnxGraph, name: str, value: Array) -> str:
    graph.constants[name] = value
    return name


def flatten_concats(graph: OnnxGraph) -> bool:
    """`Concat(Concat(a, b), c)` along one axis is `Concat(a, b, c)` where the inner one has no other reader."""
    readers = graph.consumers()
    producers = {node.output[0]: node for node in graph.nodes if node.op_type == "Concat"}
    changed = False
    for node in list(producers.values()):
        axis = _concat_axis(graph, node)
        parts: list[str] = []
        for name in node.input:
            inner = producers.get(name)
            inline = inner is not None and len(readers[name]) == 1 and _concat_axis(graph, inner) == axis
            parts.extend(inner.input if inline and inner is not None else [name])
        if len(parts) != len(node.input):
            del node.input[:]
            node.input.extend(parts)
            changed = True
    graph.drop_dead()
    return changed


def _concat_axis(graph: OnnxGraph, node: Any) -> int | None:
    shape = graph.shape(node.output[0])
    axis = int(_attribute(node, "axis", 0))
    return axis % len(shape) if shape else None


def one_hot_product_to_gather(graph: OnnxGraph) -> bool:
    """`MatMul(Cast(Equal(x[..., None], 0..K-1)), W)` takes rows of W; an index outside takes a row of zeros.

    Equal for finite W: every other product is zero and adding zeros changes nothing.
    """
    producers = {output: node for node in graph.nodes for output in node.output}
    replacements: dict[int, list[Any]] = {}
    for index, node in enumerate(graph.nodes):
        table = graph.constant(node.input[1]) if node.op_type == "MatMul" else None
        if table is None or table.ndim != 2 or not np.isfinite(table).all():
            continue
        source = _one_hot_source(graph, producers, node.input[0], len(table))
        if source is not None:
            replacements[index] = _gather_rows(graph, node, source, table)
    return _replace(graph, replacements)


def _one_hot_source(graph: OnnxGraph, producers: dict[str, Any], name: str, rows: int) -> str | None:
    """The integer tensor (trailing dimension 1 or `rows` copies) whose one-hot form `name` is."""
    cast = producers.get(name)
    equal = producers.get(cast.input[0]) if cast is not None and cast.op_type == "Cast" else None
    if equal is None or equal.op_type != "Equal":
        return None
    for side in (0, 1):
        line = graph.constant(equal.input[1 - side])
        info = graph.types.get(equal.input[side])
        result = graph.shape(equal.output[0])
        if line is None or info is None or result is None or line.dtype.kind not in "iu" or line.shape[-1:] != (rows,):
            continue
        is_line = line.size == rows and bool((line.reshape(-1) == np.arange(rows)).all())
        if is_line and info.shape == (*result[:-1], 1):
            return str(equal.input[side])
    return None


def _gather_rows(graph: OnnxGraph, node: Any, source: str, table: Array) -> list[Any]:
    onnx, out = require_onnx(), node.output[0]
    rows = len(table)
    padded = np.concatenate([table, np.zeros((1, table.shape[1]), table.dtype)])
    names = {part: f"{out}.{part}" for part in ("wide", "low", "high", "inside", "index", "squeezed")}
    zero = _constant(graph, f"{out}.zero", np.array(0, np.int64))
    limit = _constant(graph, f"{out}.rows", np.array(rows, np.int64))
    last = _constant(graph, f"{out}.last", np.array([-1], np.int64))
    return [
        _node("Cast", [source], names["wide"], to=onnx.TensorProto.INT64),
        _node("GreaterOrEqual", [names["wide"], zero], names["low"]),
        _node("Less", [names["wide"], limit], names["high"]),
        _node("And", [names["low"], names["high"]], names["inside"]),
        _node("Where", [names["inside"], names["wide"], limit], names["index"]),
        _node("Squeeze", [names["index"], last], names["squeezed"]),
        _node("Gather", [_constant(graph, f"{out}.table", padded), names["squeezed"]], out, axis=0),
    ]


def drop_expand_before_equal(graph: OnnxGraph) -> bool:
    """`Equal(Expand(x), c)` broadcasts anyway: drop the `Expand` where the result keeps its shape."""
    producers = {node.output[0]: node for node in graph.nodes if node.op_type == "Expand"}
    changed = False
    for node in graph.nodes:
        if node.op_type != "Equal":
            continue
        for side in (0, 1):
            expand = producers.get(node.input[side])
            other, result = graph.shape(node.input[1 - side]), graph.shape(node.output[0])
            if expand is None:
                continue
            inner = graph.shape(expand.input[0])
            if inner is None or other is None or np.broadcast_shapes(inner, other) != result:
                continue
            node.input[side] = expand.input[0]
            changed = True
    graph.drop_dead()
    return changed


def nearest_resize_to_copies(graph: OnnxGraph) -> bool:
    """A nearest `Resize` by whole factors (asymmetric, floor) repeats elements: reshape, expand, reshape."""
    replacements: dict[int, list[Any]] = {}
    for index, node in enumerate(graph.nodes):
        before, after = (graph.shape(node.input[0]), graph.shape(node.output[0])) if node.input else (None, None)
        plain = node.op_type == "Resize" and before is not None and after is not None and len(before) == len(after)
        if not plain or before is None or after is None or before == after or not _repeats(node):
            continue
        if any(a % b for a, b in zip(after, before, strict=True)):
            continue
        split = [d for a, b in zip(after, before, strict=True) for d in (b, 1)]
        wide = [d for a, b in zip(after, before, strict=True) for d in (b, a // b)]
        out = node.output[0]
        shapes = [
            _constant(graph, f"{out}.{part}", np.array(value, np.int64))
            for part, value in (("split", split), ("wide", wide), ("shape", after))
        ]
        replacements[index] = [
            _node("Reshape", [node.input[0], shapes[0]], f"{out}.split_value"),
            _node("Expand", [f"{out}.split_value", shapes[1]], f"{out}.wide_value"),
            _node("Reshape", [f"{out}.wide_value", shapes[2]], out),
        ]
    return _replace(graph, replacements)


def _repeats(node: Any) -> bool:
    mode = _attribute(node, "mode", b"nearest")
    where = _attribute(node, "coordinate_transformation_mode", b"half_pixel")
    rounding = _attribute(node, "nearest_mode", b"round_prefer_floor")
    return (mode, where, rounding) == (b"nearest", b"asymmetric", b"floor")


def disjoint_transposed_convolution(graph: OnnxGraph) -> bool:
    """A `ConvTranspose` whose windows touch no two outputs (stride = kernel) is a 1x1 convolution and a shuffle."""
    replacements: dict[int, list[Any]] = {}
    for index, node in enumerate(graph.nodes):
        weights = graph.constant(node.input[1]) if node.op_type == "ConvTranspose" else None
        before, after = graph.shape(node.input[0]) if node.input else None, graph.shape(node.output[0])
        if weights is None or weights.ndim != 4 or before is None or after is None:
            continue
        channels, (high, wide) = weights.shape[1], weights.shape[2:]
        strides = tuple(_attribute(node, "strides", [1, 1]))
        exact = after == (before[0], channels, before[2] * high, before[3] * wide)
        simple = int(_attribute(node, "group", 1)) == 1 and tuple(_attribute(node, "dilations", [1, 1])) == (1, 1)
        if strides == (high, wide) and exact and simple and not any(_attribute(node, "pads", [0])):
            replacements[index] = _shuffled(graph, node, weights, before)
    return _replace(graph, replacements)


def _shuffled(graph: OnnxGraph, node: Any, weights: Array, before: tuple[int, ...]) -> list[Any]:
    out, (inner, channels, high, wide) = node.output[0], weights.shape
    pointwise = weights.transpose(1, 2, 3, 0).reshape(-1, inner, 1, 1)
    split = [before[0], channels, high, wide, before[2], before[3]]
    merged = [before[0], channels, before[2] * high, before[3] * wide]
    inputs = [node.input[0], _constant(graph, f"{out}.pointwise", np.ascontiguousarray(pointwise))]
    bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if bias is not None:
        inputs.append(_constant(graph, f"{out}.pointwise_bias", np.repeat(bias, high * wide)))
    nodes = [
        _node("Conv", inputs, f"{out}.parts", kernel_shape=[1, 1]),
        _node("Reshape", [f"{out}.parts", _constant(graph, f"{out}.split", np.array(split, np.int64))], f"{out}.s"),
        _node("Transpose", [f"{out}.s"], f"{out}.t", perm=[0, 1, 4, 2, 5, 3]),
        _node("Reshape", [f"{out}.t", _constant(graph, f"{out}.merged", np.array(merged, np.int64))], out),
    ]
    return nodes if len(node.input) < 3 or not node.input[2] or bias is not None else [node]


ELEMENTWISE = frozenset("Add Sub Mul Div Neg Abs Exp Log Sqrt Tanh Erf Sigmoid Relu Max Min Pow".split())


def elementwise_before_gather(graph: OnnxGraph) -> bool:
    """`f(T[i], c)` is `f(T, c)[i]` for elementwise f: compute it on the constant table where that is smaller."""
    gathers = {node.output[0]: node for node in graph.nodes if _takes_rows(graph, node)}
    replacements: dict[int, list[Any]] = {}
    for index, node in enumerate(graph.nodes):
        rows = [gathers[name] for name in node.input if name in gathers]
        if node.op_type not in ELEMENTWISE or not rows or len({row.input[1] for row in rows}) != 1:
            continue
        inputs = [_table_operand(graph, name, gathers, rows[0]) for name in node.input]
        output = graph.shape(node.output[0])
        if None in inputs or output != graph.shape(rows[0].output[0]):
            continue
        table = f"{node.output[0]}.table"
        computed = _node(node.op_type, [name for name in inputs if name], table)
        replacements[index] = [computed, _node("Gather", [table, rows[0].input[1]], node.output[0], axis=0)]
    return _replace(graph, replacements)


def _takes_rows(graph: OnnxGraph, node: Any) -> bool:
    table = graph.constant(node.input[0]) if node.op_type == "Gather" else None
    output = graph.shape(node.output[0])
    if table is None or output is None or int(_attribute(node, "axis", 0)) != 0:
        return False
    return table.size <= int(np.prod(output)) and graph.constant(node.input[1]) is None


def _table_operand(graph: OnnxGraph, name: str, gathers: dict[str, Any], row: Any) -> str | None:
    """What stands for operand `name` when the operation moves to the table of `row`."""
    table = graph.constants[row.input[0]]
    if name in gathers:
        same = graph.constants[gathers[name].input[0]].shape == table.shape
        return str(gathers[name].input[0]) if same else None
    value = graph.constant(name)
    if value is None:
        return None
    inner = table.ndim - 1
    leading, trailing = value.shape[: max(value.ndim - inner, 0)], value.shape[max(value.ndim - inner, 0) :]
    if any(d != 1 for d in leading):
        return None
    return _constant(graph, f"{row.output[0]}.{name}.operand", value.reshape(trailing))
