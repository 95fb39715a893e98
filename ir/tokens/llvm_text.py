"""Tokens straight from LLVM IR text, without building the operation tree.

Owns the fast path: lines are cut and classified as the reader of LLVM IR does, by shapes that are parsed once. A shape
gives a row of tokens with gaps for names of locals; names fill the gaps when the whole function is read, numbered by
their first appearance. Invariant: the tokens are those of `tree`, or `Unusual` is raised and the caller takes the tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from costmodel.core.errors import ParseError
from costmodel.ir import collector, semantics
from costmodel.ir.llvm.constants import constant_operation
from costmodel.ir.llvm.function_text import FunctionText, definitions
from costmodel.ir.llvm.shapes import HOLE, cut, names_of_types
from costmodel.ir.llvm.templates import EMPTY, TEMPLATES, Slot, Template
from costmodel.ir.mlir.attributes import parse_dictionary
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Source
from costmodel.ir.tokens.attributes import attribute_tokens, type_parts, type_token
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
from costmodel.ir.tokens.rows import GAP, Row, Unusual, filled
from costmodel.ir.tokens.tree import symbol_key

_FRESH = "\x01"
"""Stands among the keys of a shape for a result without a name."""

Keys = tuple[Slot, ...]
"""What fills the gaps: numbers of locals of the line, or names."""


@dataclass(slots=True)
class Shape:
    """The rows of a template under one scheme, and the keys of their gaps.

    `tail` follows forwarded values: labels and attributes of an instruction with successors. A direct shape has no tail
    and its keys are the line's locals in order, from number `first` on.
    """

    row: Row
    keys: Keys
    defines: bool
    first: int
    is_direct: bool
    tail: Row = ()
    tail_keys: Keys = ()


def function_tokens(text: str, scheme: str, seed: int | None = None) -> list[tuple[str, list[str]]]:
    """Name and tokens of each function that a text defines.

    Raises:
        Unusual: the tree has to be taken.
        ParseError: with the position, as the reader's.
    """
    if HOLE in text or _FRESH in text:
        raise Unusual
    chunk = Chunk(Source(text, ""))
    types = names_of_types(text)
    found: list[tuple[str, list[str]]] = []
    with collector.paused():
        for head, end in definitions(text):
            if end < 0:
                raise Unusual
            reader = _Names(chunk, head, end, types) if scheme == "ops" else _Rows(chunk, head, end, types, scheme)
            found.append((reader.function.symbol or "", reader.run(seed)))
    return found


class _Names(FunctionText):
    """The scheme `ops`: names alone."""

    def run(self, seed: int | None) -> list[str]:
        """The tokens; nothing is drawn."""
        position, at = self.read_arguments(), 0
        lines, shapes, found = cut(self.text[position : self.end], self.types)
        tokens = [FUNCTION]
        for line, shape in zip(lines, shapes, strict=True):
            template = TEMPLATES.get(shape) if self.begun else None
            if template is None:
                begin, at = at, at + shape.count(HOLE)
                template, _ = self.read_line(line, shape, found[begin:at], position)
            else:
                at += template.holes
            position += len(line) + 1
            if (
                template is not None
                and template.kind != EMPTY
                and not (template.incoming and template.result is not None)
            ):
                tokens.append(template.name)
        tokens.append(END)
        return tokens


class _Rows(FunctionText):
    """The other schemes: rows of the lines in order, and keys for their gaps."""

    def __init__(self, chunk: Chunk, head: re.Match[str], end: int, types: frozenset[str], scheme: str) -> None:
        super().__init__(chunk, head, end, types)
        self.full = scheme == "anonymized"
        self.rows: list[Row] = []
        self.keys: list[str] = []
        self.pieces: list[list[str]] = []
        """Keys before `keys`; lists of forwarded values among them are filled in later."""
        self.defined: list[str] = []
        self.arguments: list[str] = []
        self.incoming: list[tuple[Block, Template, list[str]]] = []
        self.leaving: dict[Block, tuple[int, list[str], Template, list[str]]] = {}
        self.head_end = 0
        self.left_at: int | None = None

    def run(self, seed: int | None) -> list[str]:
        """The tokens; Raises `Unusual`."""
        position = self.read_arguments()
        entry: list[str] = []
        self.arguments += [value.name for value in self.block.args]
        if self.full:
            self.pieces.append(entry)
            self.rows.append((FUNCTION, "llvm.func", GAP, REGION, BLOCK, GAP))
            self.rows += [(GAP, *type_parts(value.type_text)) for value in self.block.args]
            self.keys += self.arguments
        else:
            self.rows.append((FUNCTION, "llvm.func", REGION))
        self.head_end = len(self.rows)
        self._lines(position)
        self._end_block()
        self.pieces.append(self.keys)
        names = [name for name, block in self.labels.items() if block is self.region.blocks[0]]
        if len(names) != 1 or len(set(self.region.blocks)) != len(self.labels):
            raise Unusual
        entry += (f"@{self.function.symbol}", *names)
        self._forward()
        return self._fill(Names(seed))

    # ---- lines ----------------------------------------------------------------------------------------------------

    def _lines(self, position: int) -> None:
        """Rows of direct shapes at once; what is between them goes to `_row`."""
        lines, shapes, found = cut(self.text[position : self.end], self.types)
        full, at, run, known = self.full, 0, 0, TEMPLATES.get
        add_row, define = self.rows.append, self.defined.append
        for line, text in zip(lines, shapes, strict=True):
            template = known(text) if self.begun else None
            begin, start = at, position
            position += len(line) + 1
            if template is None:
                if not line:
                    continue
                at += text.count(HOLE)
                template, names = self.read_line(line, text, found[begin:at], start)
                self.keys += found[run:begin]
                run = at
                if template is not None:
                    self._row(template, names, start)
                elif line[0] not in " \t#;":
                    self._begin(self.block)
                continue
            at += template.holes
            shape = template.tokens[full]
            if shape is None or not shape.is_direct:
                self.keys += found[run:begin]
                run = at
                self._row(template, found[begin:at], start)
                continue
            add_row(shape.row)
            if shape.defines:
                define(found[begin])
            if shape.first:
                self.keys += found[run:begin]
                run = begin + shape.first
        self.keys += found[run:at]

    def _begin(self, block: Block) -> None:
        """Behind a label; that of the entry has its row already."""
        if block is self.region.blocks[0]:
            return
        self._end_block()
        if self.full:
            self.rows.append((BLOCK, GAP))
            self.keys.append(f"%{(block.label or '')[1:]}")
        self.head_end = len(self.rows)

    def _end_block(self) -> None:
        if self.left_at not in (None, len(self.rows)):
            raise Unusual
        self.left_at = None

    def _row(self, template: Template, names: list[str], offset: int) -> None:
        """Rows and keys of any instruction."""
        if template.kind == EMPTY:
            return
        shape = template.tokens[self.full]
        if shape is None:
            try:
                shape = template.tokens[self.full] = _shape_of(template, self.full)
            except ParseError as error:
                self.fail(str(error), offset)
        if template.incoming:
            self._phi(template, shape, names)
            return
        self.rows.append(shape.row)
        if shape.defines:
            self.defined.append(_local(template.result, names))
        if shape.keys:
            self._add_keys(shape.keys, names)
        if template.labels:
            self._leave(template, shape, names)

    def _leave(self, template: Template, shape: Shape, names: list[str]) -> None:
        """An instruction with successors; forwarded values come between its own and its labels."""
        if self.block in self.leaving:
            raise Unusual
        forwarded: list[str] = []
        self.leaving[self.block] = (len(self.rows), forwarded, template, names)
        self.rows += ((), shape.tail)
        self.pieces += (self.keys, forwarded)
        self.keys = []
        self._add_keys(shape.tail_keys, names)
        self.left_at = len(self.rows)

    def _phi(self, template: Template, shape: Shape, names: list[str]) -> None:
        """An argument of the block; Raises `Unusual` behind other instructions."""
        if template.result is None or len(self.rows) != self.head_end:
            raise Unusual
        name = _local(template.result, names)
        self.arguments.append(name)
        self.incoming.append((self.block, template, names))
        if self.full:
            self.rows.append(shape.row)
            self.keys.append(name)
            self.head_end += 1

    def _add_keys(self, keys: Keys, names: list[str]) -> None:
        try:
            self.keys += [names[key] for key in keys]  # type: ignore[index]
        except TypeError:
            if _FRESH in keys:
                fresh = f"{_FRESH}{len(self.defined)}"
                self.defined.append(fresh)
                keys = tuple(fresh if key is _FRESH else key for key in keys)
            self.keys += [_local(key, names) for key in keys]

    # ---- the whole function ---------------------------------------------------------------------------------------

    def _forward(self) -> None:
        """What each terminator forwards to each target, in the order of the successors' arguments."""
        found: dict[Block, dict[Block, list[str]]] = {}
        labels, leaving = self.labels, self.leaving
        for block, template, names in self.incoming:
            seen: set[Block] = set()
            for slot, label in template.incoming:
                source = labels.get(names[label]) if isinstance(label, int) else None
                source = source or self.block_of(label, names, 0)
                if source not in leaving:
                    raise Unusual
                if source not in seen:
                    seen.add(source)
                    value = _constant(*slot) if isinstance(slot, tuple) else _local(slot, names)
                    targets = found.get(source)
                    if targets is None:
                        targets = found[source] = {}
                    if block in targets:
                        targets[block].append(value)
                    else:
                        targets[block] = [value]
        for source, targets in found.items():
            index, forwarded, template, names = leaving[source]
            values = [v for slot in template.labels for v in targets.get(self.block_of(slot, names, 0), ())]
            self.rows[index] = tuple([GAP if value[0] == "%" else value for value in values])
            forwarded += [value for value in values if value[0] == "%"]

    def _fill(self, names: Names) -> list[str]:
        """The rows with their gaps filled: names numbered within their class by first appearance."""
        keys = list(chain.from_iterable(self.pieces))
        classes = ((RESULT, set(self.defined)), (ARGUMENT, set(self.arguments)), (BLOCK_NAME, set(self.labels)))
        if len(set().union(*(members for _, members in classes))) != sum(
            map(len, (self.defined, self.arguments, self.labels))
        ):
            raise Unusual
        order = dict.fromkeys(keys)
        table: dict[str, str] = {}
        for kind, members in (*classes, (SYMBOL, {key for key in order if key[0] == "@"})):
            table.update(zip([key for key in order if key in members], iter(names.maker(kind), None), strict=False))
        try:
            return [*filled(self.rows, [table[key] for key in keys]), END, END]
        except KeyError:
            raise Unusual from None


def _local(slot: Slot | None, names: list[str]) -> str:
    return names[slot] if isinstance(slot, int) else str(slot)


def _shape_of(template: Template, full: bool) -> Shape:
    kind = template.types
    if template.incoming:
        return Shape(row=(GAP, *type_parts(kind or "")), keys=(), defines=False, first=0, is_direct=False)
    operands = [_constant(*slot) if isinstance(slot, tuple) else GAP for slot in template.slots]
    keys: list[Slot] = [slot for slot in template.slots if not isinstance(slot, tuple)]
    head: Row = () if kind is None else (type_token(kind),)
    tail: Row = ()
    tail_keys: Keys = ()
    if full:
        words = tuple(attribute_tokens(parse_dictionary(template.properties, {}), {})) if template.properties else ()
        tail = (*[GAP] * len(template.labels), *(GAP if word[0] == "@" else word for word in words))
        tail_keys = (*template.labels, *(symbol_key(word) for word in words if word[0] == "@"))
        if kind is not None:
            head = (GAP, *type_parts(kind))
            keys.insert(0, _FRESH if template.result is None else template.result)
    row = (*head, template.name, *operands)
    if not template.labels:
        row, keys, tail, tail_keys = (*row, *tail), [*keys, *tail_keys], (), ()
    first = int(template.result is not None and not full)
    return Shape(
        row=row,
        keys=tuple(keys),
        defines=template.result is not None,
        first=first,
        is_direct=not template.labels and keys == list(range(first, template.holes)),
        tail=tail,
        tail_keys=tail_keys,
    )


@lru_cache(maxsize=65536)
def _constant(kind: str, text: str) -> str:
    name, properties = constant_operation(kind, text)
    if name not in semantics.CONSTANT_NAMES:
        raise Unusual
    chunk = Chunk(Source("", ""))
    operation = Operation(name, 0, chunk, Block(None, Region(Operation("", 0, chunk, None))))
    operation._property_text = properties
    return constant_token(semantics.number_of(semantics.constant_text(operation)))
