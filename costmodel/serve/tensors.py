"""What a compiler says about its tensors: the header of LLVM's training log, which its interactive channels begin with.

Owns the header's form (LLVM: `TensorSpec.h`, `TrainingLogger.h`). Invariant: a header that parses has a known size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from costmodel.core.errors import ParseError
from costmodel.core.schema import require, text_field

TENSOR_TYPES = {
    "float": "<f4", "double": "<f8", "int8_t": "<i1", "uint8_t": "<u1", "int16_t": "<i2", "uint16_t": "<u2",
    "int32_t": "<i4", "uint32_t": "<u4", "int64_t": "<i8", "uint64_t": "<u8",
}  # fmt: skip
MAX_OBSERVATION_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One tensor: `shape` elements of `dtype`, row-major."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Of all its elements."""
        return np.dtype(self.dtype).itemsize * self.count

    @property
    def count(self) -> int:
        """Number of elements."""
        total = 1
        for length in self.shape:
            total *= length
        return total

    @classmethod
    def parse(cls, document: object, what: str) -> TensorSpec:
        """From the header's JSON; raises `ParseError`."""
        if not isinstance(document, Mapping):
            raise ParseError(
                f"{what}: a tensor is described by {document!r}, expected an object with name, type, shape"
            )
        name, kind = text_field(document, "name", what), text_field(document, "type", what)
        if kind not in TENSOR_TYPES:
            raise ParseError(f"{what}: tensor {name!r} is of type {kind!r}; known: {', '.join(TENSOR_TYPES)}")
        shape = require(document, "shape", list, what)
        assert isinstance(shape, list)
        if not all(isinstance(length, int) and not isinstance(length, bool) and length > 0 for length in shape):
            raise ParseError(f"{what}: tensor {name!r} has shape {shape!r}, expected positive whole numbers")
        return cls(name=name, dtype=TENSOR_TYPES[kind], shape=tuple(shape))


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a compiler will send with each question, and the one tensor it wants back."""

    features: tuple[TensorSpec, ...]
    advice: TensorSpec
    score: TensorSpec | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features, in their order on the wire."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def record(self) -> np.dtype[np.void]:
        """An observation as one packed record, its fields named after the features."""
        return np.dtype([(f.name, f.dtype, f.shape) for f in self.features])

    def missing(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `names` that are no features."""
        return tuple(name for name in names if name not in self.names)


def parse_header(line: bytes, what: str) -> Header:
    """Read a channel's first line.

    Raises:
        ParseError: no JSON, no tensors, a tensor twice, or an observation of over 16 MiB.
    """
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        shown = line[:60].decode("utf-8", "replace")
        raise ParseError(
            f"{what}: the first line is {shown!r}, expected a JSON header with features and advice"
        ) from None
    if not isinstance(document, dict):
        raise ParseError(f"{what}: the header is {type(document).__name__}, expected an object")
    found = require(document, "features", list, what)
    assert isinstance(found, list)
    header = Header(
        features=tuple(TensorSpec.parse(one, what) for one in found),
        advice=TensorSpec.parse(require(document, "advice", dict, what), what),
        score=TensorSpec.parse(document["score"], what) if document.get("score") is not None else None,
    )
    _check(header, what)
    return header


def _check(header: Header, what: str) -> None:
    if not header.features:
        raise ParseError(f"{what}: the header names no features, nothing could be decided from it")
    if len(set(header.names)) != len(header.names):
        raise ParseError(f"{what}: the header names a feature twice: {', '.join(header.names)}")
    size = sum(tensor.size_bytes for tensor in header.features)
    if max(size, header.advice.size_bytes, header.score.size_bytes if header.score else 0) > MAX_OBSERVATION_BYTES:
        raise ParseError(f"{what}: an observation has {size} bytes, expected at most {MAX_OBSERVATION_BYTES}")
