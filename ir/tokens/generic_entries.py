"""What lines of generic MLIR text say, each remembered by its text: operations, lists of arguments, types.

Owns the cutting of a line into names of values and the rest, and the caches by that rest. Invariant: texts in the
caches hold no aliases, so equal texts mean the same everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from costmodel.core.errors import ParseError
from costmodel.ir import semantics
from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import define_alias, resolve_aliases
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Source
from costmodel.ir.tokens.attributes import attribute_tokens, type_parts, type_token
from costmodel.ir.tokens.names import constant_token
from costmodel.ir.tokens.rows import GAP, Row, Unusual
from costmodel.ir.tokens.tree import symbol_key

MAX_KNOWN = 1 << 15
"""Lines remembered, at most."""
MAX_REMEMBERED = 1 << 12
"""Characters of one that is remembered, at most."""
MAX_RESOLVED = 1 << 16
"""Characters of a rest with its aliases resolved, at most."""

_NAME = r"[A-Za-z0-9_$.\-]++"
LINE = re.compile(
    rf'^ *+(?:(?:(%{_NAME})([:,][A-Za-z0-9_$.\-:,% ]*?)?? = )?"({_NAME})"\(([A-Za-z0-9_$.\-#%, ]*+)\)'
    r"(?:\[([A-Za-z0-9_$.\-\^, ]*+)\])?+(?= ))?([^\n]+)",
    re.MULTILINE,
)
"""A line that is not blank. Groups: result, more results, name, operands, successors, rest.

The rest of an operation begins with a space, that of another line never does.
"""
NAME_LINE = re.compile(
    rf'^ *+(?:(?:%[A-Za-z0-9_$.\-:,% ]*+= )?"({_NAME})"\([A-Za-z0-9_$.\-#%, ]*+\)'
    r"(?:\[[A-Za-z0-9_$.\-\^, ]*+\])?+(?= ))?([^\n]+)",
    re.MULTILINE,
)
"""The same. Groups: name, rest."""

_PROPERTIES = rf"(?: <\{{({syntax.BALANCED})\}}>)?"
_OPENS = re.compile(rf"{_PROPERTIES} \(\{{")
_SIGNATURE = rf"(?: \{{({syntax.BALANCED})\}})? : \(({syntax.BALANCED})\) -> ({syntax.RESULT_TYPES})"
_WHOLE = re.compile(_PROPERTIES + _SIGNATURE)
_CLOSES = re.compile(rf"\}}\){_SIGNATURE}")
_LABEL = re.compile(rf"(\^{_NAME})(?:\(({syntax.BALANCED})\))?:\s*+(?://.*+)?+")
_LOCATION = re.compile(r"(?<!=) loc\([^()\"\n]*+\)$", re.MULTILINE)


class Tail(NamedTuple):
    """What follows the operands of an operation, or the regions of one that has any."""

    properties: str
    attributes: str
    operand_types: str
    result_types: str


@dataclass(slots=True)
class Entry:
    """What operations of equal name and rest share: a row with gaps, of which successors come before `tail`."""

    row: Row
    count: int
    """of results"""
    arity: int
    """of operands"""
    constant: str | None
    head: Row
    tail: Row
    symbols: tuple[str, ...]
    is_direct: bool
    """At most one result and no symbols: the keys of the gaps are the line's names in order."""


@dataclass(slots=True)
class Scope:
    """One open region of an operation, whose row `index` is filled in when its types are known."""

    name: str
    properties: str
    results: list[str]
    keys: list[int]
    uses: int
    targets: int
    index: int
    begin: int
    """names defined before"""
    symbols: tuple[str, ...]
    is_function: bool
    has_block: bool = False
    labels: dict[str, int] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


def without_locations(text: str) -> str:
    """The text without locations at the ends of lines."""
    return _LOCATION.sub("", text) if " loc(" in text else text


def whole_tail(rest: str) -> Tail:
    """The rest of an operation without regions; Raises `Unusual`."""
    match = _WHOLE.fullmatch(rest.rstrip())
    if match is None:
        raise Unusual
    return Tail(match[1] or "", match[2] or "", match[3], match[4])


@lru_cache(maxsize=4096)
def opened(rest: str) -> str:
    """The properties of an operation whose rest opens a region; Raises `Unusual`."""
    match = _OPENS.fullmatch(rest.rstrip())
    if match is None:
        raise Unusual
    return match[1] or ""


@lru_cache(maxsize=4096)
def closing_tail(rest: str, properties: str) -> Tail:
    """A line that closes the regions of an operation; Raises `Unusual`."""
    match = _CLOSES.fullmatch(rest.rstrip())
    if match is None:
        raise Unusual
    return Tail(properties, match[1] or "", match[2], match[3])


@lru_cache(maxsize=4096)
def label_and_arguments(rest: str) -> tuple[str, str]:
    """A line that begins a block; Raises `Unusual`."""
    match = _LABEL.fullmatch(rest)
    if match is None:
        raise Unusual
    return match[1], match[2] or ""


@dataclass(slots=True)
class Aliases:
    """What a part begins with, and what has been read with it so far."""

    texts: dict[str, str] = field(default_factory=dict)
    known: tuple[dict[tuple[str, str], Entry], dict[tuple[str, str], Entry]] = field(default_factory=lambda: ({}, {}))
    """Entries by scheme, name and rest."""


_NO_ALIASES = Aliases()


def aliases_before(text: str, start: int, end: int) -> tuple[Aliases, int]:
    """The aliases that a part begins with, and where its first operation does; Raises `Unusual`."""
    if text.startswith(('"', '\n"'), start):
        return _NO_ALIASES, start
    stop = text.find('\n"', start, end)
    return (_aliases(text[start:stop].strip()), stop) if stop >= 0 else (_NO_ALIASES, start)


@lru_cache(maxsize=16)
def _aliases(head: str) -> Aliases:
    if not head:
        return _NO_ALIASES
    found = Aliases()
    position = 0
    while head[position:].strip():
        position, unclosed = define_alias(head, position, len(head), found.texts)
        if position < 0 or unclosed >= 0:
            raise Unusual
    return found


def entry(aliases: Aliases, full: bool, name: str, rest: str) -> Entry:
    """The entry of a whole operation; raises `Unusual`, and `ParseError` for a dictionary that is none."""
    known = aliases.known[full]
    found = known.get((name, rest))
    if found is not None:
        return found
    resolved = resolve_aliases(rest, aliases.texts)
    if resolved != rest and len(resolved) > MAX_RESOLVED:
        raise Unusual
    if len(rest) > MAX_REMEMBERED:
        return entry_of.__wrapped__(full, name, whole_tail(resolved))
    if aliases is _NO_ALIASES or resolved != rest:
        found = entry_of(full, name, whole_tail(resolved))
    else:
        found = entry(_NO_ALIASES, full, name, rest)
    if len(known) > MAX_KNOWN:
        known.clear()
    known[name, rest] = found
    return found


def drop_aliases(found: list[tuple[str, ...]]) -> None:
    """Take away the aliases behind all operations, which say nothing; Raises `Unusual` where one is none."""
    while found and found[-1][-1][0] in "#!":
        line = found.pop()[-1]
        position, unclosed = define_alias(line, 0, len(line), {})
        if position != len(line) or unclosed >= 0:
            raise Unusual


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


@lru_cache(maxsize=1024)
def symbol_of(properties: str) -> str:
    """The symbol that properties define, "" where they define none; Raises `Unusual` where they cannot be read."""
    operation = Operation("", 0, Chunk(Source("", "")), None)
    operation._property_text = properties
    try:
        return operation.symbol or ""
    except ParseError:
        raise Unusual from None


@lru_cache(maxsize=1 << 15)
def entry_of(full: bool, name: str, tail: Tail) -> Entry:
    """The entry of texts without aliases; raises `ParseError` for a dictionary that is none."""
    chunk = Chunk(Source("", ""))
    operation = Operation(name, 0, chunk, Block(None, Region(Operation("", 0, chunk, None))))
    operation._property_text, operation._attribute_text = tail.properties, tail.attributes
    text = tail.result_types[1:-1] if tail.result_types[0] == "(" else tail.result_types
    kinds, arity = syntax.split_items(text), len(syntax.split_items(tail.operand_types))
    types = [(GAP, *type_parts(kind)) if full else (type_token(kind),) for kind in kinds]
    words = attribute_tokens(operation.properties, operation.attributes) if full else []
    constant = None
    if name in semantics.CONSTANT_NAMES:
        constant = constant_token(semantics.number_of(semantics.constant_text(operation)))
    symbols = tuple(symbol_key(word) for word in words if word[0] == "@")
    head = (*(part for kind in types for part in kind), name, *[GAP] * arity)
    end = tuple(GAP if word[0] == "@" else word for word in words)
    return Entry((*head, *end), len(kinds), arity, constant, head, end, symbols, len(kinds) < 2 and not symbols)
