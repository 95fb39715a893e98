"""Attributes as raw text, and what turns the text into Python values on demand.

Owns the split of attribute dictionaries and the scalar, list and affine-map helpers (dense constants are in `dense`).
Invariant: aliases (`#map`, `!t`) are resolved before a caller sees an `Attribute`.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from costmodel.core.errors import ParseError
from costmodel.ir.mlir.affine import AffineMap, parse_affine_map
from costmodel.ir.mlir.syntax import ALIAS, STRING, alias_end, split_items, uncommented
from costmodel.ir.mlir.types import ScalarType, Type, parse_type

if TYPE_CHECKING:
    import numpy as np

_ENTRY = re.compile(rf"({STRING}|[\w$.\-]+)\s*(?:=\s*(.*))?", re.DOTALL)
_ALIAS_USE = re.compile(rf"{STRING}|[#!][A-Za-z_][\w$.\-]*")
_MAX_RESOLVED = 1 << 16
_LONG_TEXT = 1024
_ESCAPE = re.compile(r'\\(?:([0-9A-Fa-f]{2})|([nt"\\]))')
_NAMED_ESCAPES = {"n": b"\n", "t": b"\t", '"': b'"', "\\": b"\\"}
_FLOAT_FORMATS = {"f16": ("<e", 2), "f32": ("<f", 4), "f64": ("<d", 8)}


class Attribute(str):
    """The text of an attribute, for example `2 : i64`; a unit attribute is `unit`. Accessors raise `ParseError`."""

    __slots__ = ()

    def as_int(self) -> int:
        """Value of an integer or boolean attribute."""
        return parse_int(self)

    def as_float(self) -> float:
        """Value of a float attribute, hexadecimal forms included."""
        return parse_float(self)

    def as_int_array(self) -> tuple[int, ...]:
        """Elements of `array<i64: ...>`, a dense integer constant, or a list of integers."""
        return parse_int_array(self)

    def as_string(self) -> str:
        """A string without quotes and escapes."""
        return parse_string(self)

    def as_list(self) -> list[Attribute]:
        """Elements of `[a, b]`."""
        return [Attribute(item) for item in split_items(_inside(self, "[", "]"))]

    def as_affine_map(self) -> AffineMap:
        """An `affine_map<...>`."""
        return parse_affine_map(self)

    def as_type(self) -> Type:
        """A type attribute."""
        return parse_type(self)

    def as_dense(self) -> np.ndarray:
        """A `dense<...> : type` constant, shaped."""
        from costmodel.ir.mlir.dense import parse_dense

        return parse_dense(self)


def _inside(text: str, opener: str, closer: str) -> str:
    stripped = text.strip()
    if not (stripped.startswith(opener) and stripped.endswith(closer)):
        raise ParseError(f"expected an attribute of the form {opener}...{closer}, found {stripped[:60]!r}")
    return stripped[len(opener) : len(stripped) - len(closer)]


def resolve_aliases(text: str, aliases: dict[str, str]) -> str:
    """Replace `#alias` and `!alias` outside strings; alias values are resolved already.

    A text that would grow to over 64 KiB keeps its aliases: aliases of aliases can grow without bound.
    """
    if not aliases or ("#" not in text and "!" not in text):
        return text
    resolved = _ALIAS_USE.sub(lambda match: aliases.get(match[0], match[0]), text)
    return resolved if len(resolved) <= _MAX_RESOLVED or len(resolved) < 4 * len(text) else text


def define_alias(text: str, at: int, end: int, aliases: dict[str, str]) -> tuple[int, int]:
    """Read the definition `name = value` at an offset into `aliases` (but for locations).

    Returns:
        The offset past it (-1 where none begins), and the offset of a bracket in it that never closes (else -1): then
        nothing is defined and the offset past it is that of its line's end.
    """
    match = ALIAS.match(text, at, end)
    if match is None:
        return -1, -1
    if match[2].startswith("loc"):
        return match.end(), -1
    stop = alias_end(text, match.start(2), end)
    if stop < 0:
        return match.end(), -1 - stop
    position = max(match.end(), stop)
    aliases[match[1]] = resolve_aliases(uncommented(text[match.start(2) : position]).strip(), aliases)
    return position, -1


def parse_dictionary(text: str, aliases: dict[str, str]) -> dict[str, Attribute]:
    """Split the inside of `{...}`: `a = 1 : i32, b` gives `{"a": "1 : i32", "b": "unit"}`."""
    entries: dict[str, Attribute] = {}
    for item in split_items(text):
        match = _ENTRY.fullmatch(item)
        if match is None:
            raise ParseError(f"expected 'name = value' in an attribute dictionary, found {item[:60]!r}")
        name = match[1] if match[1][0] != '"' else parse_string(match[1])
        value = match[2]
        entries[name] = Attribute("unit" if value is None else resolve_aliases(value, aliases))
    return entries


def dictionary(text: str, aliases: dict[str, str]) -> dict[str, Attribute]:
    """Like `parse_dictionary`, but equal texts share one dictionary: do not modify it."""
    if len(text) > _LONG_TEXT or (aliases and ("#" in text or "!" in text)):
        return parse_dictionary(text, aliases)
    return _dictionary(text)


@lru_cache(maxsize=16384)
def _dictionary(text: str) -> dict[str, Attribute]:
    return parse_dictionary(text, {})


def parse_string(text: str) -> str:
    r"""Remove quotes and escapes (`\n`, `\t`, `\"`, `\\`, two hexadecimal digits); bytes are read as UTF-8."""
    inside = _inside(text, '"', '"')
    if "\\" not in inside:
        return inside
    parts: list[bytes] = []
    position = 0
    for match in _ESCAPE.finditer(inside):
        parts.append(inside[position : match.start()].encode("utf-8", "surrogateescape"))
        parts.append(bytes.fromhex(match[1]) if match[1] else _NAMED_ESCAPES[match[2]])
        position = match.end()
    parts.append(inside[position:].encode("utf-8", "surrogateescape"))
    return b"".join(parts).decode("utf-8", "replace")


def parse_int(text: str) -> int:
    """`5`, `-5 : i64`, `0x1F : i32`, `true`, `false`."""
    value = text.partition(":")[0].strip()
    if value in ("true", "false"):
        return int(value == "true")
    try:
        return int(value, 16) if value.lower().startswith(("0x", "-0x")) else int(value)
    except ValueError:
        raise ParseError(f"expected an integer attribute, found {text[:60]!r}") from None


def float_from_bits(bits: int, dtype: str) -> float:
    """The float whose IEEE bit pattern is `bits`; `dtype` is f16, bf16, f32 or f64."""
    if dtype == "bf16":
        bits, dtype = bits << 16, "f32"
    if dtype not in _FLOAT_FORMATS:
        raise ParseError(f"hexadecimal floats of type {dtype!r} are not known; known: f16, bf16, f32, f64")
    code, size = _FLOAT_FORMATS[dtype]
    try:
        return float(struct.unpack(code, bits.to_bytes(size, "little"))[0])
    except OverflowError:
        raise ParseError(f"hexadecimal float {bits:#x} does not fit {dtype}") from None


def parse_float(text: str, dtype: str | None = None) -> float:
    """`1.0 : f32`, `1.0e+00`, `0x7FC00000 : f32`. `dtype` stands in for a missing `: type` (f64 by default)."""
    value, _, type_text = text.partition(":")
    value = value.strip()
    if value.lower().startswith("0x"):
        kind = parse_type(type_text) if type_text.strip() else ScalarType(name=dtype or "f64")
        return float_from_bits(int(value, 16), kind.name if isinstance(kind, ScalarType) else str(kind))
    try:
        return float(value)
    except ValueError:
        raise ParseError(f"expected a float attribute, found {text[:60]!r}") from None


def parse_int_array(text: str) -> tuple[int, ...]:
    """`array<i64: 1, 2>`, `dense<[1, 2]> : tensor<2xi64>` (splats expanded, flattened) or `[1, 2 : i64]`."""
    stripped = text.strip()
    if stripped.startswith("array<"):
        _, _, values = _inside(stripped, "array<", ">").partition(":")
        return tuple(parse_int(item) for item in split_items(values))
    if stripped.startswith("["):
        return tuple(parse_int(item) for item in split_items(_inside(stripped, "[", "]")))
    from costmodel.ir.mlir.dense import parse_dense

    return tuple(int(value) for value in parse_dense(stripped).ravel())


def parse_iterator_types(text: str) -> tuple[str, ...]:
    """`[#linalg.iterator_type<parallel>, ...]` (or the older `["parallel", ...]`) to `("parallel", ...)`."""
    names: list[str] = []
    for item in split_items(_inside(text, "[", "]")):
        names.append(parse_string(item) if item.startswith('"') else item.partition("<")[2].rstrip("> "))
    return tuple(names)
