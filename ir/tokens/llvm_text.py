"""Tokens straight from LLVM IR text, without building the operation tree.

Owns the fast path: lines are cut and classified as the reader of LLVM IR does, by shapes that are parsed once, but a
line gives its shape's tokens instead of objects. Invariant: the tokens are those of `tree`; what the reader refuses is
refused here with the same error.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from costmodel.core.errors import ParseError
from costmodel.ir import collector, semantics
from costmodel.ir.llvm.constants import constant_operation
from costmodel.ir.llvm.functions import DEFINE, TYPE_NAMES, FunctionParser
from costmodel.ir.llvm.templates import HOLE, Slot, Template
from costmodel.ir.mlir.attributes import parse_dictionary
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Source
from costmodel.ir.tokens.attributes import attribute_tokens, type_parts, type_token
from costmodel.ir.tokens.generic_text import Unusual
from costmodel.ir.tokens.names import (
    ARGUMENT,
    BLOCK,
    BLOCK_NAME,
    END,
    FUNCTION,
    REGION,
    RESULT,
    SYMBOL,
    Names,
    constant_token,
)
from costmodel.ir.tokens.tree import symbol_token

_UNKNOWN_TYPE = "!llvm<unknown>"


@dataclass(slots=True)
class _Shape:
    """The tokens of a template: types in both spellings, operands as slots or finished tokens."""

    name: str
    middle: tuple[str, ...]
    """result type in parts, and the name"""
    exact: tuple[str, ...]
    """result type as one token, and the name"""
    has_value: bool
    result: Slot | None
    operands: tuple[Slot, ...]
    is_plain: bool
    """whether all operands are locals of the line"""
    is_direct: bool
    """whether those that are not are constants"""
    labels: tuple[Slot, ...]
    attributes: tuple[str, ...]
    has_symbols: bool
    bare: _Shape | None = None
    """the same without labels and attributes"""


_Row = tuple[_Shape, list[str]]


def _result(slot: Slot | None, names: list[str]) -> str:
    return names[slot] if isinstance(slot, int) else str(slot)


def function_tokens(text: str, scheme: str, seed: int | None = None) -> list[tuple[str, list[str]]]:
    """Name and tokens of each function that a text defines.

    Raises:
        Unusual: the tree has to be taken.
        ParseError: with the position, as the reader's.
    """
    if HOLE in text:
        raise Unusual
    chunk = Chunk(Source(text, ""))
    type_names = frozenset(TYPE_NAMES.findall(text))
    found: list[tuple[str, list[str]]] = []
    with collector.paused():
        for match in DEFINE.finditer(text):
            end = text.find("\n}", match.end())
            if end < 0:
                raise Unusual
            reader = _Tokens(chunk, match, end, type_names)
            reader.read()
            found.append((reader.function.symbol or "", reader.emit(scheme, Names(seed))))
    return found


class _Tokens(FunctionParser):
    """The reader of a function that keeps rows of tokens for each block."""

    def __init__(self, chunk: Chunk, head: re.Match[str], end: int, type_names: frozenset[str]) -> None:
        super().__init__(chunk, head, end, type_names)
        self.rows: list[_Row] = []
        self.blocks: dict[Block, list[_Row]] = {}
        self.heads: dict[Block, list[tuple[str, str]]] = {}
        self.incoming: list[tuple[Block, Template, list[str]]] = []
        self.defined: set[str] | None = None
        """Names of all results, gathered at the first use before a definition."""
        self.arguments: set[str] = set()

    def read(self) -> None:
        """Cut the text into rows."""
        start = self._arguments()
        entry = self.region.blocks[0]
        self.heads[entry] = [(value.name, value.type_text) for value in entry.args]
        self.arguments.update(value.name for value in entry.args)
        self.rows = self.blocks.setdefault(entry, [])
        self._lines(start)

    def _block(self, line: str, offset: int, first: bool) -> Block:
        block = super()._block(line, offset, first)
        self.rows = self.blocks.setdefault(block, [])
        return block

    def _instruction(self, template: Template, names: list[str], block: Block, offset: int) -> None:
        shape = template.tokens
        if shape is None:
            try:
                shape = template.tokens = _shape_of(template)
            except ParseError as error:
                self.fail(str(error), offset)
        if template.incoming:
            name = _result(template.result, names)
            self.heads.setdefault(block, []).append((name, template.types or ""))
            self.incoming.append((block, template, names))
            self.arguments.add(name)
        else:
            self.rows.append((cast("_Shape", shape), names))

    # ---- emission -------------------------------------------------------------------------------------------------

    def emit(self, scheme: str, names: Names) -> list[str]:
        """The tokens under a scheme."""
        if scheme == "ops":
            every = (row for block in self.region.blocks for row in self.blocks.get(block, ()))
            return [FUNCTION, *(shape.name for shape, _ in every), END]
        self.names = names
        self.table: dict[str, str] = {}
        self.full = scheme == "anonymized"
        forwards = self._forwarded()
        tokens = [FUNCTION, "llvm.func"]
        if self.full:
            words = attribute_tokens(self.function.properties, {})
            tokens += [word if word[0] != "@" else symbol_token(names, word) for word in words]
            tokens.append(names.of(f"@{self.function.symbol}", SYMBOL))
        tokens.append(REGION)
        for block in self.region.blocks:
            rows = self.blocks.get(block, [])
            if self.full:
                tokens += (BLOCK, names.of(block, BLOCK_NAME))
                for name, kind in self.heads.get(block, ()):
                    tokens.append(self._token(name))
                    tokens += type_parts(kind)
            targets = forwards.get(block)
            emit_rows = self._full_rows if self.full else self._exact_rows
            if targets is None:
                emit_rows(rows, tokens)
            else:
                emit_rows(rows[:-1], tokens)
                self._terminator(rows[-1], targets, tokens)
        return [*tokens, END, END]

    def _full_rows(self, rows: Sequence[_Row], tokens: list[str]) -> None:
        table, new = self.table, self.names.maker(RESULT)
        append = tokens.append
        for shape, found in rows:
            result = shape.result
            if result is not None:
                name = found[result] if result.__class__ is int else str(result)
                token = table.get(name)
                if token is None:
                    token = table[name] = new()
                append(token)
            elif shape.has_value:
                append(new())
            tokens += shape.middle
            if shape.operands:
                try:
                    if shape.is_plain:
                        tokens += [table[found[slot]] for slot in shape.operands]  # type: ignore[index]
                    elif shape.is_direct:
                        tokens += [
                            table[found[slot]] if slot.__class__ is int else slot  # type: ignore[misc]
                            for slot in shape.operands
                        ]
                    else:
                        tokens += self._operands(shape, found)
                except KeyError:
                    tokens += self._operands(shape, found)
            if shape.labels:
                tokens += self._targets(shape, found)
            if shape.attributes:
                tokens += shape.attributes if not shape.has_symbols else self._words(shape.attributes)

    def _exact_rows(self, rows: Sequence[_Row], tokens: list[str]) -> None:
        for shape, found in rows:
            tokens += shape.exact
            tokens += self._operands(shape, found)

    def _operands(self, shape: _Shape, found: list[str]) -> list[str]:
        tokens, table = [], self.table
        for slot in shape.operands:
            name = found[slot] if slot.__class__ is int else str(slot)
            if name[0] == "%":
                token = table.get(name)
                tokens.append(token if token is not None else self._token(name))
            else:
                tokens.append(name)
        return tokens

    def _terminator(self, row: _Row, targets: dict[Block, list[str]], tokens: list[str]) -> None:
        """Forwarded values stand after the terminator's own operands, before its targets and attributes."""
        shape, found = row
        if self.full:
            if shape.bare is None:
                shape.bare = replace(shape, labels=(), attributes=())
            self._full_rows([(shape.bare, found)], tokens)
        else:
            self._exact_rows([(shape, found)], tokens)
        for slot in shape.labels:
            for name in targets.get(self._label(slot, found, 0), ()):
                tokens.append(self._token(name) if name[0] == "%" else name)
        if self.full:
            tokens += self._targets(shape, found)
            tokens += self._words(shape.attributes)

    def _targets(self, shape: _Shape, found: list[str]) -> list[str]:
        return [self.names.of(self._label(slot, found, 0), BLOCK_NAME) for slot in shape.labels]

    def _words(self, words: tuple[str, ...]) -> list[str]:
        return [word if word[0] != "@" else symbol_token(self.names, word) for word in words]

    def _token(self, name: str) -> str:
        found = self.table.get(name)
        if found is None:
            if name in self.arguments:
                found = self.names.new(ARGUMENT)
            elif name in self._results():
                found = self.names.new(RESULT)
            else:
                raise Unusual
            self.table[name] = found
        return found

    def _results(self) -> set[str]:
        if self.defined is None:
            every = itertools.chain.from_iterable(self.blocks.values())
            self.defined = {_result(shape.result, names) for shape, names in every if shape.result is not None}
        return self.defined

    def _forwarded(self) -> dict[Block, dict[Block, list[str]]]:
        """For each block, what its terminator forwards to each target: names of locals, tokens of constants."""
        found: dict[Block, dict[Block, list[str]]] = {}
        for block, template, names in self.incoming:
            seen: set[Block] = set()
            for slot, label in template.incoming:
                source = self._label(label, names, 0)
                if not self.blocks.get(source):
                    raise Unusual
                if source not in seen:
                    seen.add(source)
                    value = _operand(slot)
                    name = names[value] if isinstance(value, int) else str(value)
                    found.setdefault(source, {}).setdefault(block, []).append(name)
        return found


def _shape_of(template: Template) -> _Shape:
    words = tuple(attribute_tokens(parse_dictionary(template.properties, {}), {})) if template.properties else ()
    kind = template.types
    if kind is None and template.result is not None:
        kind = _UNKNOWN_TYPE
    parts = () if kind is None else type_parts(kind)
    exact = () if kind is None else (type_token(kind),)
    operands = tuple(_operand(slot) for _, slot in template.operands)
    return _Shape(
        name=template.name,
        middle=(*parts, template.name),
        exact=(*exact, template.name),
        has_value=kind is not None,
        result=template.result,
        operands=operands,
        is_plain=all(isinstance(slot, int) for slot in operands),
        is_direct=not any(isinstance(slot, str) and slot.startswith("%") for slot in operands),
        labels=template.labels,
        attributes=words,
        has_symbols=any(word[0] == "@" for word in words),
    )


def _operand(slot: Slot) -> Slot:
    """A constant becomes its token; a local stays the number of its place, or its name."""
    return _constant(*slot) if isinstance(slot, tuple) else slot


@lru_cache(maxsize=65536)
def _constant(kind: str, text: str) -> str:
    name, properties = constant_operation(kind, text)
    if name not in semantics.CONSTANT_NAMES:
        raise Unusual
    chunk = Chunk(Source("", ""))
    operation = Operation(name, 0, chunk, Block(None, Region(Operation("", 0, chunk, None))))
    operation._property_text = properties
    return constant_token(semantics.number_of(semantics.constant_text(operation)))
