"""Arrays in one file: the safetensors format, read and written with numpy alone.

Owns the bytes. The core does not depend on the `safetensors` package, which reads these files too; the format is a
length, a JSON header and raw little-endian data (https://huggingface.co/docs/safetensors). Invariant: equal arrays give
equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from costmodel.core.errors import CheckpointError
from costmodel.models.base import Array

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1", "U32": "<u4",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


def pack_tensors(arrays: Mapping[str, Array]) -> bytes:
    """Arrays by name to the bytes of a file."""
    header: dict[str, object] = {}
    parts = []
    offset = 0
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        parts.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def unpack_tensors(data: bytes) -> dict[str, Array]:
    """The arrays of a file; raises `CheckpointError` where it is none."""
    try:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        body = memoryview(data)[8 + size :]
        found = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            start, end = entry["data_offsets"]
            array = np.frombuffer(body[start:end], np.dtype(_DTYPES[entry["dtype"]]))
            found[name] = array.reshape(entry["shape"]).copy()
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"a tensor file is damaged ({error}); train the model again or reinstall") from None
    return found


def planes(numbers: Array) -> bytes:
    """Bytes of equal place together, which compresses better than number after number."""
    return np.ascontiguousarray(numbers.view(np.uint8).reshape(len(numbers), numbers.dtype.itemsize).T).tobytes()


def joined_planes(data: bytes, kind: str) -> Array:
    """The numbers of `planes`, of the numpy type `kind`."""
    width = np.dtype(kind).itemsize
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(width, -1).T).view(kind).ravel()
