"""The `onnx` reader: a model file, without running any of it.

Owns the checks before and around the protobuf parser. Invariant: weights in other files are never opened, and a file
that is truncated, damaged or no model at all ends in a `ParseError`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from costmodel.core.errors import Location, MissingDependencyError, ParseError
from costmodel.ir.onnx.shapes import inferred
from costmodel.ir.onnx.tree import build
from costmodel.ir.program import Diagnostic, Program, functions_of

MAX_BYTES = (2 << 30) - 1
"""What protobuf can hold; larger models keep their weights in other files."""

_FIELD_KEYS = frozenset(b"\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca")
_LATEST_IR_VERSION = 64


class OnnxReader:
    """Reads ONNX models (protobuf)."""

    suffixes: tuple[str, ...] = (".onnx",)

    def sniff(self, head: bytes) -> bool:
        """Field 1 (the version of the IR, a small number) followed by another field of a model."""
        return len(head) > 2 and head[0] == 0x08 and 0 < head[1] < _LATEST_IR_VERSION and head[2] in _FIELD_KEYS

    def read(self, data: bytes, file: str) -> Program:
        """See `reading.Reader`; Raises `MissingDependencyError` without the `onnx` extra."""
        start = Location(file=file, line=1, column=1)
        model = parse(data, start)
        missing = _external(model)
        types, problem = inferred(model)
        diagnostics = []
        if problem is not None:
            diagnostics.append(Diagnostic(location=start, message=f"shapes could not be inferred: {problem}"))
        if missing:
            message = f"{missing} tensors are in other files, which are not read; their types are known"
            diagnostics.append(Diagnostic(location=start, message=message))
        return Program(
            format="onnx",
            level="graph",
            producer=_producer(model),
            functions=functions_of(build(model, types, file)),
            diagnostics=tuple(diagnostics),
            sha256=hashlib.sha256(data).hexdigest(),
        )


def parse(data: bytes, start: Location) -> Any:
    """The `ModelProto` of a file's bytes; Raises `ParseError`."""
    if len(data) > MAX_BYTES:
        raise ParseError(
            f"{len(data)} bytes are more than a model file can hold ({MAX_BYTES}); keep weights in other files",
            location=start,
        )
    try:
        from google.protobuf.message import DecodeError
        from onnx import ModelProto
    except ImportError:
        raise MissingDependencyError(
            "reading ONNX needs the Python package 'onnx'; pip install 'costmodel-ir[onnx]'"
        ) from None
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RuntimeError) as error:
        raise ParseError(
            f"this is no ONNX model, or it is truncated ({str(error).strip() or 'protobuf cannot read it'})",
            location=start,
        ) from None
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise ParseError("this protobuf holds no ONNX graph; give a model that onnx.checker accepts", location=start)
    return model


def _producer(model: Any) -> str:
    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    name = " ".join(part for part in (model.producer_name, model.producer_version) if part) or "unknown"
    return f"{name} (ONNX IR {model.ir_version}, opset {opsets or 'none'})"


def _external(model: Any) -> int:
    return sum(1 for tensor in model.graph.initializer if tensor.data_location == 1)
