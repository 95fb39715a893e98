"""What the tokenizer of generic MLIR text keeps of texts that occur often: dictionaries, types, lists of arguments.

Owns caches by text. Invariant: texts hold no aliases, so equal texts mean the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from costmodel.ir import semantics
from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import parse_string
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Source
from costmodel.ir.tokens.attributes import attribute_tokens, type_parts, type_token
from costmodel.ir.tokens.names import constant_token


class Unusual(Exception):  # noqa: N818 - no error: it says that the tree has to be taken
    """The fast path does not know this text."""


@dataclass(slots=True)
class Entry:
    """What operations of equal name, dictionaries and result types share."""

    name: str
    types: list[tuple[str, ...]]
    attributes: list[str]
    has_symbols: bool
    constant: str | None
    head: tuple[str, ...]
    """Types and name, one after the other."""


@dataclass(slots=True)
class Scope:
    """One open region of an operation."""

    quoted: str
    properties: str
    results: list[str]
    tokens: list[str]
    head: list[str]
    operands: list[str]
    successors: list[str]
    has_block: bool = False
    is_function: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    undo: list[tuple[str, str | None]] = field(default_factory=list)


@lru_cache(maxsize=1 << 14)
def block_arguments(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Name and type in parts of each argument of a block."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for item in syntax.split_items(text):
        name, _, kind = item.partition(":")
        found.append((name.strip(), type_parts(syntax.drop_location(kind).strip())))
    return tuple(found)


def result_keys(text: str) -> list[str]:
    """`%a:2, %b` to `%a#0 %a#1 %b`."""
    keys: list[str] = []
    for name, size in syntax.RESULT.findall(text):
        keys += [f"{name}#{k}" for k in range(int(size))] if size and int(size) != 1 else [name]
    return keys


operation_name = lru_cache(maxsize=4096)(parse_string)
"""Name of an operation without its quotes."""


@lru_cache(maxsize=1 << 15)
def plain_entry(full: bool, quoted: str, properties: str, attributes: str, result_types: str) -> Entry:
    """The entry of texts without aliases."""
    chunk = Chunk(Source("", ""))
    parent = Block(None, Region(Operation("", 0, chunk, None)))
    operation = Operation(parse_string(quoted), 0, chunk, parent)
    operation._property_text, operation._attribute_text = properties, attributes
    text = result_types[1:-1] if result_types[0] == "(" else result_types
    kinds = syntax.split_items(text)
    types = [type_parts(kind) if full else (type_token(kind),) for kind in kinds]
    words = attribute_tokens(operation.properties, operation.attributes) if full else []
    constant = None
    if operation.name in semantics.CONSTANT_NAMES:
        constant = constant_token(semantics.number_of(semantics.constant_text(operation)))
    head = (*(part for kind in types for part in kind), operation.name)
    return Entry(operation.name, types, words, any(word[0] == "@" for word in words), constant, head)
