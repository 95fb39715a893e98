"""Types of a model's intermediate values, by ONNX's own shape inference in an isolated worker.

Owns the conversation with that native code, which may not survive foreign input. Invariant: weights do not travel:
large initializers go as inputs of the same type.
"""

from __future__ import annotations

import math
from typing import Any

from costmodel.core.workers import run_isolated

TIMEOUT_S = 60.0
MEMORY_BYTES = 4 << 30
_SMALL = 1024


def inferred(model: Any) -> tuple[dict[str, Any], str | None]:
    """`TypeProto` by name of a value of the main graph, and the reason where inference failed."""
    from onnx import ModelProto

    outcome = run_isolated(
        "costmodel.ir.onnx.shapes:infer", _light(model), timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES
    )
    if not outcome.ok:
        return {}, outcome.headline
    data, error = outcome.value
    if error is not None:
        return {}, error
    answer = ModelProto.FromString(data)
    return {info.name: info.type for info in answer.graph.value_info}, None


def infer(data: bytes) -> tuple[bytes, str | None]:
    """Runs in the worker: the model with `value_info` filled in, or what went wrong."""
    from onnx import shape_inference

    try:
        return bytes(shape_inference.infer_shapes(data, data_prop=True).SerializeToString()), None
    except (RuntimeError, ValueError, TypeError) as error:
        return b"", " ".join(str(error).split())[:300]


def _light(model: Any) -> bytes:
    """The model without the payload of large initializers."""
    from onnx import ModelProto, ValueInfoProto

    light = ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph, source = light.graph, model.graph
    graph.name = source.name
    graph.node.extend(node for node in source.node)
    inputs = {value.name for value in source.input}
    graph.input.extend(source.input)
    graph.output.extend(source.output)
    graph.value_info.extend(source.value_info)
    for tensor in source.initializer:
        if math.prod(tensor.dims) <= _SMALL and tensor.data_location != 1:
            graph.initializer.append(tensor)
        elif tensor.name not in inputs:
            value = ValueInfoProto()
            value.name = tensor.name
            value.type.tensor_type.elem_type = tensor.data_type
            for dim in tensor.dims:
                value.type.tensor_type.shape.dim.add().dim_value = dim
            graph.input.append(value)
    return bytes(light.SerializeToString())
