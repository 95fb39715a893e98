"""Versions of what is stored or printed as JSON, and the few checks every reader of it needs.

Owns the version numbers. Invariant: a document of another version is refused with both numbers, never guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from costmodel.core.errors import ParseError

CONTRACTS_VERSION = 1
"""Of JSON documents: records, reports, answers."""
DATABASE_VERSION = 1
"""Of the record database's tables."""

JsonObject = Mapping[str, object]
Kinds = type | tuple[type, ...]


def check_version(document: JsonObject, expected: int, what: str) -> None:
    """Refuse a document whose `schema_version` is not `expected`."""
    found = document.get("schema_version")
    if found != expected:
        raise ParseError(f"{what}: schema_version is {found!r}, this version of costmodel reads {expected}")


def require(document: JsonObject, name: str, kinds: Kinds, what: str) -> object:
    """The value of `name`, which must be there and of one of `kinds`; a bool is no number here."""
    if name not in document:
        raise ParseError(f"{what}: field {name!r} is missing")
    value = document[name]
    accepted = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in accepted)
        raise ParseError(f"{what}: field {name!r} is {type(value).__name__} {value!r}, expected {wanted}")
    return value


def text_field(document: JsonObject, name: str, what: str) -> str:
    """A text that must be there."""
    return str(require(document, name, str, what))


def integer_field(document: JsonObject, name: str, what: str) -> int:
    """A whole number that must be there."""
    value = require(document, name, int, what)
    assert isinstance(value, int)
    return value


def optional_number_field(document: JsonObject, name: str, what: str) -> float | None:
    """A number, or null."""
    value = require(document, name, (int, float, type(None)), what)
    assert value is None or isinstance(value, (int, float))
    return None if value is None else float(value)


def numbers_field(document: JsonObject, name: str, what: str) -> tuple[float, ...]:
    """A list of numbers."""
    values = require(document, name, (list, tuple), what)
    assert isinstance(values, Sequence)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ParseError(f"{what}: field {name!r} holds {value!r}, expected numbers")
    return tuple(float(value) for value in values)
