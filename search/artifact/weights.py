"""The constants of an artifact as one block of bytes.

Owns layout and sharing: equal arrays are stored once, each at an aligned offset.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from costmodel.core.errors import UnsupportedError, UsageError
from costmodel.search.artifact.form import Array
from costmodel.search.artifact.memory_plan import aligned
from costmodel.search.kernel.form import Buffer
from costmodel.search.kernel.reference import NUMPY_DTYPES


class WeightBlock:
    """Grows by `add`; `write` stores it."""

    def __init__(self) -> None:
        self._parts: list[Array] = []
        self._offsets: dict[tuple[str, int], int] = {}
        self.size_bytes = 0

    def add(self, array: Array) -> int:
        """The offset of an array's bytes, stored now unless they are there already."""
        data = np.ascontiguousarray(array)
        key = (hashlib.sha256(data.reshape(-1).view(np.uint8).data).hexdigest(), data.nbytes)
        if key not in self._offsets:
            self._offsets[key] = self.size_bytes
            self._parts.append(data)
            self.size_bytes += aligned(data.nbytes)
        return self._offsets[key]

    def write(self, path: Path) -> None:
        """Store the block, padded to its size."""
        with path.open("wb") as file:
            for part in self._parts:
                data = part.reshape(-1).view(np.uint8).data
                file.write(data)
                file.write(bytes(aligned(part.nbytes) - part.nbytes))


def stored(array: Array, buffer: Buffer) -> Array:
    """An array as the code reads it: contiguous, in the buffer's element type.

    Raises:
        UsageError: number of elements or width of the type do not fit.
        UnsupportedError: numpy has no such element type.
    """
    if array.size != buffer.elements:
        raise UsageError(f"weight {buffer.name} has {array.size} elements {array.shape}, expected {buffer.shape}")
    if buffer.dtype not in NUMPY_DTYPES:
        if buffer.dtype == "bf16" and array.dtype == np.float32:  # how constants are read: exact, low bits zero
            return (np.ascontiguousarray(array).view(np.uint32) >> 16).astype(np.uint16)
        if buffer.dtype == "bf16" and array.dtype.itemsize == 2:
            return np.ascontiguousarray(array)
        raise UnsupportedError(f"a constant of element type {buffer.dtype} cannot be stored")
    wanted = np.dtype(NUMPY_DTYPES[buffer.dtype])
    if array.dtype == wanted:
        return np.ascontiguousarray(array)
    if array.dtype.kind in "iub" and wanted.kind in "iub" and array.dtype.itemsize == wanted.itemsize:
        return np.ascontiguousarray(array).view(wanted)
    if array.dtype.kind != wanted.kind:
        raise UsageError(f"weight {buffer.name} is {array.dtype}, expected {wanted}")
    return np.ascontiguousarray(array.astype(wanted))
