"""ONNX types and attribute values in the spelling of MLIR.

Owns the table of element types and the texts of constants. Invariant: a payload of over `MAX_ELEMENTS` elements never
enters the tree: its type says what a cost model must know.
"""

from __future__ import annotations

import math
from typing import Any

MAX_ELEMENTS = 64
UNKNOWN_TYPE = "!onnx.tensor"
"""A tensor of which the model says nothing."""

_ELEMENTS = {
    1: "f32",
    2: "ui8",
    3: "i8",
    4: "ui16",
    5: "i16",
    6: "i32",
    7: "i64",
    8: "!onnx.string",
    9: "i1",
    10: "f16",
    11: "f64",
    12: "ui32",
    13: "ui64",
    14: "complex<f32>",
    15: "complex<f64>",
    16: "bf16",
    17: "f8E4M3FN",
    18: "f8E4M3FNUZ",
    19: "f8E5M2",
    20: "f8E5M2FNUZ",
    21: "ui4",
    22: "i4",
    23: "f4E2M1FN",
    24: "f8E8M0FNU",
    25: "ui2",
    26: "i2",
}
"""By number of `TensorProto.DataType`."""
_LARGEST_DIMENSION = 10**15
_DATA_FIELDS = {1: "float_data", 6: "int32_data", 7: "int64_data", 9: "int32_data", 11: "double_data"}


def element_type(number: int) -> str:
    """MLIR's name of an element type, `!onnx.element<N>` for one that this version does not know."""
    return _ELEMENTS.get(number, f"!onnx.element<{number}>")


def tensor_type(dims: list[int], number: int) -> str:
    """Type of a tensor; a negative or absurd dimension is dynamic."""
    shape = "".join(f"{dim if 0 <= dim <= _LARGEST_DIMENSION else '?'}x" for dim in dims)
    return f"tensor<{shape}{element_type(number)}>"


def type_of(proto: Any) -> str:
    """Type of a `TypeProto`: `tensor<1x?xf32>`, `!onnx.seq<...>`, `!onnx.opt<...>`, `!onnx.map<...>`."""
    kind = proto.WhichOneof("value")
    if kind in ("tensor_type", "sparse_tensor_type"):
        tensor = getattr(proto, kind)
        if not tensor.HasField("shape"):
            return f"tensor<*x{element_type(tensor.elem_type)}>"
        dims = [dim.dim_value if dim.WhichOneof("value") == "dim_value" else -1 for dim in tensor.shape.dim]
        return tensor_type(dims, tensor.elem_type)
    if kind == "sequence_type":
        return f"!onnx.seq<{type_of(proto.sequence_type.elem_type)}>"
    if kind == "optional_type":
        return f"!onnx.opt<{type_of(proto.optional_type.elem_type)}>"
    if kind == "map_type":
        return f"!onnx.map<{element_type(proto.map_type.key_type)}, {type_of(proto.map_type.value_type)}>"
    return UNKNOWN_TYPE


def quoted(text: str) -> str:
    """A string attribute."""
    plain = "".join(
        character
        if character.isprintable() and character not in '"\\' and ord(character) < 127
        else _escaped(character)
        for character in text
    )
    return f'"{plain}"'


def _escaped(character: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def number_text(value: float, kind: str) -> str:
    """A number attribute of a type; what no decimal says becomes text."""
    if kind[0] in "fb" and not math.isfinite(value):
        return quoted(str(value))
    return f"{value:e} : {kind}" if kind[0] in "fb" else f"{int(value)} : {kind}"


def tensor_text(tensor: Any) -> str:
    """A constant: `dense<...>` of small tensors whose numbers the model holds, else `dense_resource<blob>`."""
    kind = tensor_type(list(tensor.dims), tensor.data_type)
    values = _values(tensor)
    if not values:
        return f"dense_resource<blob> : {kind}"
    if len(set(values)) == 1:
        return f"dense<{values[0]}> : {kind}"
    shape = list(tensor.dims)
    return f"dense<{_nested(values, shape)}> : {kind}"


def _values(tensor: Any) -> list[str]:
    count = math.prod(tensor.dims)
    if not 0 < count <= MAX_ELEMENTS or any(dim < 0 for dim in tensor.dims) or len(tensor.dims) > MAX_ELEMENTS:
        return []
    if tensor.data_type not in _DATA_FIELDS or tensor.data_location == 1:
        return []
    numbers = _numbers(tensor, count)
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        return []
    if tensor.data_type == 9:
        return ["true" if number else "false" for number in numbers]
    return [f"{number:e}" if isinstance(number, float) else str(number) for number in numbers]


def _numbers(tensor: Any, count: int) -> list[float]:
    import numpy as np

    if not tensor.raw_data:
        return list(getattr(tensor, _DATA_FIELDS[tensor.data_type]))
    dtype = {1: "<f4", 6: "<i4", 7: "<i8", 9: "u1", 11: "<f8"}[tensor.data_type]
    if len(tensor.raw_data) != count * np.dtype(dtype).itemsize:
        return []
    found: list[float] = np.frombuffer(tensor.raw_data, dtype).tolist()
    return found


def _nested(values: list[str], shape: list[int]) -> str:
    for size in reversed(shape):
        values = [f"[{', '.join(values[k : k + size])}]" for k in range(0, len(values), size)]
    return values[0]
