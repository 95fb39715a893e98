"""Dense constants as numpy arrays: splats, nested lists, hexadecimal blobs, dense resources.

Owns decoding. Invariant: the text of a constant is copied at most once before numpy reads it.
bf16 values come back as float32 (numpy has no bf16); 8-bit floats are refused.
"""

from __future__ import annotations

import re

import numpy as np

from costmodel.core.errors import ParseError, UnsupportedError
from costmodel.ir.mlir.attributes import float_from_bits
from costmodel.ir.mlir.types import ScalarType, ShapedType, parse_type

_HEAD = re.compile(r"\s*(dense|dense_resource|array|sparse)\s*<")
_RESOURCE = r'\b{key}\s*:\s*("0x[0-9A-Fa-f]*")'
_DTYPES = {"f16": "<f2", "f32": "<f4", "f64": "<f8", "bf16": "<f4", "index": "<i8", "i1": "?"}
_RESOURCE_HEADER_BYTES = 4


def numpy_dtype(element: ScalarType) -> np.dtype:
    """The dtype that `parse_dense` gives for an element type; integers round up to 8, 16, 32 or 64 bits."""
    if element.name in _DTYPES:
        return np.dtype(_DTYPES[element.name])
    if element.is_float or element.bits > 64:
        raise UnsupportedError(f"constants of element type {element} cannot be held by numpy")
    size = max(1, 1 << max(0, (element.bits - 1).bit_length() - 3))
    return np.dtype(f"<{'u' if element.name.startswith('u') else 'i'}{size}")


def parse_dense(text: str, resources: dict[str, str] | None = None) -> np.ndarray:
    """`dense<...> : tensor<...>` to an array of that shape (a splat is a read-only broadcast).

    Args:
        text: the attribute, type included.
        resources: blobs (quoted hexadecimal) for `dense_resource<key>`.

    Raises:
        ParseError: not a dense constant, or content and type disagree.
        UnsupportedError: an element type numpy cannot hold.
    """
    head = _HEAD.match(text)
    closing = text.rfind("> :") if head else -1
    if head is None or closing < 0 or head[1] not in ("dense", "dense_resource"):
        raise ParseError(f"expected 'dense<...> : type', found {text[:60]!r}")
    kind = parse_type(text[closing + 3 :])
    if not isinstance(kind, ShapedType) or not isinstance(kind.element, ScalarType) or kind.num_elements is None:
        raise ParseError(f"a dense constant needs a static shaped type, found {text[closing + 3 :][:60]!r}")
    body = text[head.end() : closing].strip()
    if head[1] == "dense_resource":
        blob = (resources or {}).get(body.strip('"'))
        if blob is None:
            raise ParseError(f"dense_resource<{body}>: the text carries no blob of that name; pass it in `resources`")
        data = bytes.fromhex(blob.strip('"')[2:])[_RESOURCE_HEADER_BYTES:]
        return _from_bytes(data, kind, text)
    if body.startswith('"0x'):
        return _from_bytes(bytes.fromhex(body.strip('"')[2:]), kind, text)
    return _from_list(body, kind)


def _shape(kind: ShapedType) -> tuple[int, ...]:
    return tuple(size for size in kind.shape or () if size is not None)


def _from_bytes(data: bytes, kind: ShapedType, text: str) -> np.ndarray:
    element = kind.element
    count = kind.num_elements or 0
    assert isinstance(element, ScalarType)
    if element.name == "i1":
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little").astype(bool)
        flat = bits[:1] if len(data) == 1 and data in (b"\x00", b"\xff") else bits[:count]
    elif element.name == "bf16":
        flat = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    else:
        dtype = numpy_dtype(element)
        if len(data) % dtype.itemsize:
            raise ParseError(f"{len(data)} bytes of constant data do not divide into {element}: {text[:40]!r}")
        flat = np.frombuffer(data, dtype)
    if flat.size not in (1, count):
        raise ParseError(f"constant data holds {flat.size} elements where its type says {count}: {text[:40]!r}")
    return np.broadcast_to(flat[0], _shape(kind)) if flat.size == 1 else flat.reshape(_shape(kind))


def _scalar(word: str, element: ScalarType) -> float | int | bool:
    if word in ("true", "false"):
        return word == "true"
    hexadecimal = word.lower().startswith("0x")
    try:
        if element.is_float:
            return float_from_bits(int(word, 16), element.name) if hexadecimal else float(word)
        return int(word, 16) if hexadecimal else int(word)
    except ValueError:
        raise ParseError(f"{word[:40]!r} is no element of type {element}") from None


def _from_list(body: str, kind: ShapedType) -> np.ndarray:
    element = kind.element
    count = kind.num_elements or 0
    assert isinstance(element, ScalarType)
    dtype = numpy_dtype(element)
    if not body:
        return np.zeros(_shape(kind), dtype)
    words = body.replace("[", " ").replace("]", " ").replace(",", " ").split()
    try:
        plain = element.is_float or dtype.kind in "iu"
        flat = np.array(words, dtype=np.float64 if element.is_float else np.int64) if plain else None
    except (ValueError, OverflowError):
        flat = None
    if flat is None:
        flat = np.array([_scalar(word, element) for word in words], dtype=object)
    try:
        with np.errstate(over="ignore"):
            flat = flat.astype(dtype)
    except (ValueError, OverflowError):
        raise ParseError(f"constant does not fit {element}: {body[:40]!r}") from None
    if flat.size == 1 and not body.startswith("["):
        return np.broadcast_to(flat[0], _shape(kind))
    if flat.size != count:
        raise ParseError(f"constant lists {flat.size} elements where its type says {count}: {body[:40]!r}")
    return flat.reshape(_shape(kind))


def find_resource(text: str, span: tuple[int, int], key: str) -> str | None:
    """The quoted blob of resource `key` in the `{-# ... #-}` tail at `span`, or None."""
    pattern = re.compile(_RESOURCE.format(key=re.escape(key)))
    match = pattern.search(text, *span)
    return match[1] if match else None
