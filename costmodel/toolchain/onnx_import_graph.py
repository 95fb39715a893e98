"""The ONNX graph as this importer edits it: nodes, constants apart, and the types of all values.

Owns reading an ONNX file, making its inputs static and inferring types. Invariant: large constants live in `constants`
as numpy arrays and never travel through protobuf again. Does not rewrite the graph (`onnx_import_fold`) and knows
nothing of MLIR (`onnx_import_torch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from costmodel.core.errors import MissingDependencyError, ParseError, UnsupportedError, UsageError

Array = npt.NDArray[Any]

OPSET = 17
"""Models of an older opset are converted to this one; newer ones are taken as they are."""

SMALL_ELEMENTS = 1024
"""Constants up to this many elements are shown to shape inference by value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """Name, static shape and numpy dtype name of one argument or result."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(slots=True, kw_only=True)
class OnnxGraph:
    """An ONNX graph taken apart; `types` covers whatever inference could tell, with static shapes only."""

    name: str
    opset: int
    nodes: list[Any]
    inputs: list[TensorInfo]
    outputs: list[str]
    constants: dict[str, Array]
    types: dict[str, TensorInfo] = field(default_factory=dict)

    def consumers(self) -> dict[str, list[Any]]:
        """Nodes that read each value; a graph output counts as a reader named None."""
        readers: dict[str, list[Any]] = {name: [None] for name in self.outputs}
        for node in self.nodes:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        return readers

    def constant(self, name: str) -> Array | None:
        """The value of `name` if it is a constant."""
        return self.constants.get(name)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The static shape of `name`, if known."""
        if name in self.constants:
            return self.constants[name].shape
        info = self.types.get(name)
        return info.shape if info else None

    def drop_dead(self) -> None:
        """Remove nodes and constants that no output needs."""
        live, kept = set(self.outputs), []
        for node in reversed(self.nodes):
            if live.intersection(node.output):
                kept.append(node)
                live.update(node.input)
        self.nodes = kept[::-1]
        self.constants = {name: value for name, value in self.constants.items() if name in live}


def require_onnx() -> ModuleType:
    """The `onnx` package, or `MissingDependencyError` with the way to get it."""
    try:
        import onnx
        import onnx.shape_inference
        import onnx.version_converter

        module: ModuleType = onnx
    except ImportError as error:
        raise MissingDependencyError(
            f"reading ONNX files needs the package 'onnx' ({error}); run: pip install 'costmodel-ir[onnx]'"
        ) from error
    return module


def load_graph(path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> OnnxGraph:
    """Read `path` and give a typed graph of opset >= 17 whose inputs are static.

    Raises:
        ParseError: the file is empty, truncated or no ONNX model.
        UsageError: the file is absent, an input is dynamic without a shape, or a given shape does not fit.
        UnsupportedError: control flow, an unknown operator, a zero-sized or data-dependent dimension.
    """
    onnx = require_onnx()
    model = _load_model(onnx, path)
    _check_operators(onnx, model, path)
    initializers = _initializers(onnx, model)
    inputs = [
        _static_input(onnx, value, input_shapes, path) for value in model.graph.input if value.name not in initializers
    ]
    unknown = sorted(set(input_shapes) - {info.name for info in inputs})
    if unknown:
        known = ", ".join(repr(info.name) for info in inputs)
        raise UsageError(f"{path}: there is no input {unknown[0]!r}; the model's inputs are {known}")
    graph = OnnxGraph(
        name=model.graph.name or path.stem,
        opset=_opset(model),
        nodes=list(model.graph.node),
        inputs=inputs,
        outputs=[value.name for value in model.graph.output],
        constants=initializers,
    )
    if graph.opset < OPSET:
        _convert_version(onnx, graph, path)
    infer_types(graph)
    return graph


def infer_types(graph: OnnxGraph) -> None:
    """Fill `graph.types` by ONNX shape inference; constants above `SMALL_ELEMENTS` are seen by type alone."""
    onnx = require_onnx()
    model = stripped_model(graph)
    try:
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise UnsupportedError(f"ONNX shape inference fails: {_one_line(error)}") from error
    graph.types = {info.name: info for info in graph.inputs}
    for value in [*model.graph.value_info, *model.graph.output]:
        info = _static_info(onnx, value)
        if info is not None:
            graph.types[info.name] = info


def stripped_model(graph: OnnxGraph, lifted: Iterable[str] | None = None) -> Any:
    """A `ModelProto` of the graph with the constants named in `lifted` (default: the large ones) as further inputs."""
    onnx = require_onnx()
    names = set(lifted if lifted is not None else (n for n, v in graph.constants.items() if v.size > SMALL_ELEMENTS))
    order = list(lifted) if lifted is not None else sorted(names)
    extra = [_value_info(onnx, _info_of(name, graph.constants[name])) for name in order]
    small = [onnx.numpy_helper.from_array(v, n) for n, v in graph.constants.items() if n not in names]
    body = onnx.helper.make_graph(
        graph.nodes,
        "main",
        [_value_info(onnx, info) for info in graph.inputs] + extra,
        [_output_info(onnx, graph, name) for name in graph.outputs],
        initializer=small,
        value_info=[_value_info(onnx, i) for n, i in graph.types.items() if n not in _ends(graph)],
    )
    return onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", graph.opset)], ir_version=8)


def _ends(graph: OnnxGraph) -> set[str]:
    return {info.name for info in graph.inputs} | set(graph.outputs)


def _info_of(name: str, value: Array) -> TensorInfo:
    return TensorInfo(name=name, shape=value.shape, dtype=value.dtype.name)


def _value_info(onnx: ModuleType, info: TensorInfo) -> Any:
    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(info.dtype))
    return onnx.helper.make_tensor_value_info(info.name, element, info.shape)


def _output_info(onnx: ModuleType, graph: OnnxGraph, name: str) -> Any:
    info = graph.types.get(name)
    return _value_info(onnx, info) if info else onnx.helper.make_empty_tensor_value_info(name)


def _load_model(onnx: ModuleType, path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ParseError(f"{path}: the file is empty; expected an ONNX model")
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path))
    except DecodeError as error:
        raise ParseError(f"{path}: not a complete ONNX model, the file is truncated or of another kind") from error
    except (OSError, onnx.checker.ValidationError, ValueError) as error:
        raise ParseError(f"{path}: the ONNX model cannot be read: {_one_line(error)}") from error
    if not model.HasField("graph") or not model.graph.output or not model.opset_import:
        raise ParseError(f"{path}: not a complete ONNX model: it holds no graph with outputs")
    if model.functions:
        from onnx.inliner import inline_local_functions

        model = inline_local_functions(model)
    return model


def _check_operators(onnx: ModuleType, model: Any, path: Path) -> None:
    version = _opset(model)
    for node in model.graph.node:
        where = f"{path}: node {node.name or ', '.join(node.output)!r}"
        if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute):
            raise UnsupportedError(f"{where}: control flow ({node.op_type}) is not supported; export without it")
        if node.domain not in ("", "ai.onnx"):
            raise UnsupportedError(f"{where}: operator {node.op_type} of the domain {node.domain!r} is not known")
        if not onnx.defs.has(node.op_type, version):
            raise UnsupportedError(f"{where}: operator {node.op_type} is not known in opset {version}")
    known = {value.name for value in model.graph.input} | {t.name for t in model.graph.initializer} | {""}
    known.update(t.values.name for t in model.graph.sparse_initializer)
    for node in model.graph.node:
        missing = [name for name in node.input if name not in known]
        if missing:
            raise ParseError(f"{path}: node {node.name or node.op_type!r} reads {missing[0]!r}, which nothing defines")
        known.update(node.output)
    for value in model.graph.output:
        if value.name not in known:
            raise ParseError(f"{path}: nothing defines the output {value.name!r}; the file may be truncated")


def _opset(model: Any) -> int:
    versions = [int(item.version) for item in model.opset_import if item.domain in ("", "ai.onnx")]
    return versions[0] if versions else OPSET


def _initializers(onnx: ModuleType, model: Any) -> dict[str, Array]:
    if model.graph.sparse_initializer:
        raise UnsupportedError("sparse initializers are not supported; store the weights densely")
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _static_input(onnx: ModuleType, value: Any, input_shapes: Mapping[str, tuple[int, ...]], path: Path) -> TensorInfo:
    if not value.type.HasField("tensor_type"):
        raise UnsupportedError(f"{path}: input {value.name!r} is not a tensor")
    tensor = value.type.tensor_type
    declared = [_dim(d) for d in tensor.shape.dim] if tensor.HasField("shape") else None
    shape = input_shapes.get(value.name)
    if shape is None:
        if declared is None or None in declared:
            raise UsageError(_dynamic_message(path, value.name, tensor, declared))
        shape = tuple(d for d in declared if d is not None)
    elif declared is not None and not _fits(shape, declared):
        raise UsageError(
            f"{path}: the shape {format_dims(shape)} given for input {value.name!r} does not fit the model's "
            f"{format_dims(declared)} ('?' takes any size)"
        )
    if any(d <= 0 for d in shape):
        raise UnsupportedError(
            f"{path}: input {value.name!r} has the shape {format_dims(shape)}: a dimension of size zero"
        )
    return TensorInfo(name=value.name, shape=tuple(shape), dtype=_dtype_name(onnx, tensor.elem_type))


def _dynamic_message(path: Path, name: str, tensor: Any, declared: list[int | None] | None) -> str:
    if declared is None:
        return f"{path}: input {name!r} has no declared shape; give one: --input {name}=DIM,DIM,..."
    labels = [d.dim_param or "?" if v is None else str(v) for d, v in zip(tensor.shape.dim, declared, strict=True)]
    example = ",".join("1" if v is None else str(v) for v in declared)
    return f"{path}: input {name!r} has the dynamic shape [{', '.join(labels)}]; give sizes: --input {name}={example}"


def _fits(shape: tuple[int, ...], declared: list[int | None]) -> bool:
    return len(shape) == len(declared) and all(d is None or s == d for s, d in zip(shape, declared, strict=True))


def _dim(dim: Any) -> int | None:
    return int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else None


def format_dims(shape: Iterable[int | None]) -> str:
    """`1x3x48`, with `?` for an unknown size."""
    return "x".join("?" if d is None else str(d) for d in shape) or "scalar"


def _dtype_name(onnx: ModuleType, element: int) -> str:
    return str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(element)).name)


def _static_info(onnx: ModuleType, value: Any) -> TensorInfo | None:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape") or not tensor.elem_type:
        return None
    dims = [_dim(d) for d in tensor.shape.dim]
    if None in dims:
        return None
    shape = tuple(d for d in dims if d is not None)
    return TensorInfo(name=value.name, shape=shape, dtype=_dtype_name(onnx, tensor.elem_type))


def _convert_version(onnx: ModuleType, graph: OnnxGraph, path: Path) -> None:
    try:
        model = onnx.version_converter.convert_version(stripped_model(graph), OPSET)
    except (RuntimeError, onnx.version_converter.ConvertError) as error:
        raise UnsupportedError(
            f"{path}: opset {graph.opset} cannot be converted to {OPSET}: {_one_line(error)}; export a newer opset"
        ) from error
    graph.nodes = list(model.graph.node)
    graph.constants.update(_initializers(onnx, model))
    graph.opset = OPSET


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:400]
