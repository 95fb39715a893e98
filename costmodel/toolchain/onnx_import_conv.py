"""Rewrites around convolutions: what follows one and is constant per channel goes into its weights and bias.

Invariant: results differ from the original only by the rounding of constants multiplied out ahead of time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from costmodel.toolchain.onnx_import_graph import Array, OnnxGraph, require_onnx


def split_batch_norm(graph: OnnxGraph) -> bool:
    """Replace inference `BatchNormalization` with constant statistics by a multiplication and an addition."""
    onnx = require_onnx()
    nodes: list[Any] = []
    changed = False
    for node in graph.nodes:
        factors = _batch_norm_factors(graph, node) if node.op_type == "BatchNormalization" else None
        if factors is None:
            nodes.append(node)
            continue
        output, changed = node.output[0], True
        names = [f"{output}.{part}" for part in ("scale", "shift", "scaled")]
        graph.constants[names[0]], graph.constants[names[1]] = factors
        nodes.append(onnx.helper.make_node("Mul", [node.input[0], names[0]], [names[2]]))
        nodes.append(onnx.helper.make_node("Add", [names[2], names[1]], [output]))
    graph.nodes = nodes
    return changed


def _batch_norm_factors(graph: OnnxGraph, node: Any) -> tuple[Array, Array] | None:
    values = [graph.constant(name) for name in node.input[1:5]]
    shape = graph.shape(node.input[0])
    settings = {a.name: a for a in node.attribute}
    training = "training_mode" in settings and settings["training_mode"].i
    if shape is None or training or any(v is None for v in values):
        return None
    scale, bias, mean, variance = (np.asarray(v, dtype=np.float64) for v in values)
    epsilon = settings["epsilon"].f if "epsilon" in settings else 1e-5
    factor = scale / np.sqrt(variance + epsilon)
    dims = (len(scale), *(1 for _ in shape[2:]))
    dtype = np.dtype(graph.types[node.input[0]].dtype)
    return factor.reshape(dims).astype(dtype), (bias - mean * factor).reshape(dims).astype(dtype)


def absorb_into_convolution(graph: OnnxGraph) -> bool:
    """Fold `Conv -> Mul | Add | Sub | Div | Neg` with a constant a channel into the convolution's weights and bias."""
    readers = graph.consumers()
    producers = {node.output[0]: node for node in graph.nodes if node.op_type == "Conv"}
    dead: list[Any] = []
    for node in graph.nodes:
        absorbed = _match(graph, node, producers)
        if absorbed is None:
            continue
        convolution, factor, shift = absorbed
        if len(readers[convolution.output[0]]) != 1 or graph.constant(convolution.input[1]) is None:
            continue
        if len(convolution.input) > 2 and convolution.input[2] and graph.constant(convolution.input[2]) is None:
            continue
        _scale_convolution(graph, convolution, factor, shift)
        del producers[convolution.output[0]]
        convolution.output[0] = node.output[0]
        producers[convolution.output[0]] = convolution
        dead.append(node)
    graph.nodes = [node for node in graph.nodes if not any(node is other for other in dead)]
    return bool(dead)


def _match(graph: OnnxGraph, node: Any, producers: dict[str, Any]) -> tuple[Any, Array, Array] | None:
    """The convolution before `node`, and the per-channel factor and shift that `node` applies, in float64."""
    if node.op_type not in ("Mul", "Add", "Sub", "Div", "Neg"):
        return None
    sides = [index for index, name in enumerate(node.input) if name in producers]
    if len(sides) != 1 or (node.op_type == "Div" and sides[0] == 1):
        return None
    convolution = producers[node.input[sides[0]]]
    shape = graph.shape(convolution.output[0])
    if shape is None:
        return None
    one, zero = np.ones(shape[1]), np.zeros(shape[1])
    if node.op_type == "Neg":
        return convolution, -one, zero
    other = graph.constant(node.input[1 - sides[0]])
    value = _per_channel(other, shape) if other is not None else None
    if value is None or graph.shape(node.output[0]) != shape:
        return None
    if node.op_type in ("Mul", "Div"):
        return convolution, value if node.op_type == "Mul" else one / value, zero
    if node.op_type == "Add":
        return convolution, one, value
    return (convolution, one, -value) if sides[0] == 0 else (convolution, -one, value)


def _per_channel(value: Array, shape: tuple[int, ...]) -> Array | None:
    """`value` as one float64 a channel, if broadcasting it over `shape` varies with the channel only."""
    if value.dtype.kind != "f" or value.ndim > len(shape):
        return None
    dims = (1,) * (len(shape) - value.ndim) + value.shape
    if any(d != 1 for i, d in enumerate(dims) if i != 1) or dims[1] not in (1, shape[1]):
        return None
    return np.broadcast_to(value.reshape(-1).astype(np.float64), (shape[1],))


def _scale_convolution(graph: OnnxGraph, node: Any, factor: Array, shift: Array) -> None:
    weights = graph.constants[node.input[1]]
    has_bias = len(node.input) > 2 and bool(node.input[2])
    bias = graph.constants[node.input[2]] if has_bias else np.zeros(weights.shape[0])
    broadcast = factor.reshape(-1, *(1 for _ in weights.shape[1:]))
    names = [f"{node.output[0]}.{part}" for part in ("weights", "bias")]
    graph.constants[names[0]] = (weights.astype(np.float64) * broadcast).astype(weights.dtype)
    graph.constants[names[1]] = (bias.astype(np.float64) * factor + shift).astype(weights.dtype)
    del node.input[1:]
    node.input.extend(names)


def split_bias(graph: OnnxGraph) -> None:
    """Make a convolution's constant bias an addition after it, so that all convolutions start from zero."""
    onnx = require_onnx()
    nodes: list[Any] = []
    for node in graph.nodes:
        nodes.append(node)
        shape = graph.shape(node.output[0])
        if node.op_type not in ("Conv", "ConvTranspose") or len(node.input) < 3 or shape is None:
            continue
        bias = graph.constant(node.input[2])
        if bias is None:
            continue
        output = node.output[0]
        del node.input[2]
        node.output[0] = f"{output}.product"
        graph.constants[f"{output}.bias"] = bias.reshape(-1, *(1 for _ in shape[2:]))
        nodes.append(onnx.helper.make_node("Add", [node.output[0], f"{output}.bias"], [output]))
    graph.nodes = nodes
    graph.drop_dead()


def reciprocal_to_division(graph: OnnxGraph) -> bool:
    """Write `Reciprocal(x)` as `1 / x`, which is its definition; torch-mlir guards the former with assertions."""
    onnx = require_onnx()
    changed = False
    for index, node in enumerate(graph.nodes):
        info = graph.types.get(node.input[0]) if node.op_type == "Reciprocal" else None
        if info is None:
            continue
        one = f"{node.output[0]}.one"
        graph.constants[one] = np.ones((), dtype=info.dtype)
        graph.nodes[index] = onnx.helper.make_node("Div", [one, node.input[0]], list(node.output))
        changed = True
    return changed
