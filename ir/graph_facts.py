"""What a graph needs to know of operations and constants, by their texts alone.

Owns caches that outlive a graph: equal texts are worked out once in a process. Invariant: the caches never show in a
graph; texts that lean on aliases of their module, and long ones, are not kept; the caches are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from costmodel.core.errors import ParseError
from costmodel.ir import graph_memory, semantics
from costmodel.ir.graph_rows import ZERO, Row, attribute_row, log_magnitude, row_of, type_row
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.vocabulary import token_id

_MAX_FACTS = 1 << 15
_LONG_TEXT = 512
Described = tuple[str, str, int, Row]
"""Name, canonical text, token and row of an attribute."""


@dataclass(slots=True)
class Facts:
    """Token, row of numbers and attributes of an operation; what it calls; what it may do to memory."""

    token: int
    row: Row
    attributes: tuple[Described, ...]
    callee: str | None
    effect: int


_known: dict[tuple[str, str, str], Facts] = {}


def facts_of(operation: Operation, key: tuple[str, str, str]) -> Facts:
    """The facts of an operation; `key` is its name and the texts of its dictionaries."""
    keeps = not operation._chunk.aliases and operation.name not in semantics.CONSTANT_NAMES
    found = _known.get(key) if keeps else None
    if found is None:
        found = _facts(operation)
        if keeps and len(key[1]) + len(key[2]) <= _LONG_TEXT:
            if len(_known) >= _MAX_FACTS:
                _known.clear()
            _known[key] = found
    return found


def _facts(operation: Operation) -> Facts:
    name, callee = operation.name, semantics.callee_of(operation)
    return Facts(
        token=token_id(name),
        row=_alignment_row(operation),
        attributes=() if semantics.is_constant(operation) else tuple(_attributes(operation)),
        callee=callee,
        effect=graph_memory.effect_of(name, callee),
    )


def _attributes(operation: Operation) -> list[Described]:
    found: list[Described] = []
    for name, text in sorted(semantics.attribute_items(operation)):
        number = semantics.number_of(text)
        canonical = semantics.canonical_attribute(text) if number is None else repr(number)
        token, row = attribute_row(name, str(text) if number is not None else canonical)
        found.append((name, canonical, token, row))
    return found


def _alignment_row(operation: Operation) -> Row:
    if "alignment" not in operation._property_text and "alignment" not in operation._attribute_text:
        return ZERO
    attribute = operation.attribute("alignment")
    try:
        return row_of(alignment_log2=log_magnitude(float(attribute.as_int()))) if attribute is not None else ZERO
    except ParseError:
        return ZERO


def constant_facts(text: str, kind: str) -> tuple[str, int, Row]:
    """Canonical text, token and row of a constant of the type `kind`."""
    return _constant(text, kind) if len(text) <= _LONG_TEXT else _constant.__wrapped__(text, kind)


@lru_cache(maxsize=1 << 15)
def _constant(text: str, kind: str) -> tuple[str, int, Row]:
    number = semantics.number_of(text)
    _, row = type_row(semantics.canonical_attribute(kind))
    if number is not None:
        row = (log_magnitude(number), 1.0, *row[2:])
        word = "float" if row[3] else "int"
    else:
        word = "dense" if text.startswith("dense") else "other"
    return text if number is None else repr(number), token_id(f"constant:{word}"), row
