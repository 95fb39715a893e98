"""One function's text: its head, its arguments, its blocks by label, and which template each line has.

Owns what readers of a function share, be it that they build operations or tokens. Invariant: whatever is no
instruction, label, comment or empty line is an error with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from costmodel.core.errors import ParseError
from costmodel.ir.llvm.legacy import opaque
from costmodel.ir.llvm.operands import operand
from costmodel.ir.llvm.shapes import shape_of
from costmodel.ir.llvm.templates import Slot, Template, template_of
from costmodel.ir.llvm.types import TYPE, UNKNOWN_TYPE, mlir_type
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Value
from costmodel.ir.mlir.syntax import split_items

_DEFINE = re.compile(r"^define\b[^@\n]*?(@\"[^\"\n]*\"|@[\w$.\-]+)\s*\(", re.MULTILINE)
_LABEL_LINE = re.compile(r"(\"[^\"]*\"|[\w$.\-]+):\s*(?:;.*)?\s*$")
_SPACE_OR_MARK = frozenset(" \t\r\f\v#;").union([""])
_OLD_LABEL = re.compile(r"; <label>:(\d+)")
_PARENTHESIS = re.compile(r"\"[^\"]*\"|[()]")
_ARGUMENT_TYPE = re.compile(TYPE)
_OPCODE = re.compile(r"\s*(?:(?:%\"[^\"]*\"|%[\w$.\-]+)\s*=\s*)?(?:(?:tail|musttail|notail) )?(?=[a-z])")
_MAX_NUMBER_DIGITS = 12
_NO_BLOCK = "block {} is never defined"


def definitions(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Head and offset of the end (negative where there is none) of each function that a text defines."""
    match = _DEFINE.search(text)
    while match is not None:
        end = text.find("\n}", match.end())
        yield match, end
        match = _DEFINE.search(text, end) if end >= 0 else None


class FunctionText:
    """The state of reading one function; `block` is where the line at hand belongs, `begun` false before any line."""

    def __init__(self, chunk: Chunk, head: re.Match[str], end: int, types: frozenset[str]) -> None:
        self.chunk = chunk
        self.text = chunk.source.text
        self.head = head
        self.end = end
        self.types = types
        self.values: dict[str, Value] = {}
        self.labels: dict[str, Block] = {}
        symbol = head[1][1:]
        symbol = symbol if symbol.startswith('"') else f'"{symbol}"'
        self.function = Operation("llvm.func", head.start(), chunk, None)
        self.function._property_text = f"sym_name = {symbol}"
        self.region = Region(self.function)
        self.function.regions.append(self.region)
        self.block = Block(None, self.region)
        self.region.blocks.append(self.block)
        self.begun = False
        self.next_number = 0

    def fail(self, message: str, offset: int) -> NoReturn:
        """Raise `ParseError` at `offset` of the chunk."""
        raise ParseError(message, location=self.chunk.source.location(offset))

    # ---- head -----------------------------------------------------------------------------------------------------

    def read_arguments(self) -> int:
        """Arguments become those of the entry block; the offset at which the body begins."""
        text, start = self.text, self.head.end()
        depth, position = 1, start
        for match in _PARENTHESIS.finditer(text, start, self.end):
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if depth == 0:
                position = match.start()
                break
        for index, item in enumerate(split_items(opaque(text[start:position]))):
            if item != "...":
                self._argument(item, index)
        line_end = text.find("{\n", position, self.end + 1)
        if line_end < 0:
            self.fail("expected '{' and the function's body on lines of its own", position)
        return line_end + 2

    def _argument(self, item: str, index: int) -> None:
        kind, name = operand(item)
        if not name.startswith("%") or not kind:
            found = _ARGUMENT_TYPE.match(item)
            kind, name = mlir_type(found[0]) if found else UNKNOWN_TYPE, f"%{self.next_number}"
        value = Value(name, kind, self.block, index)
        if name[1:].isdigit() and len(name) < _MAX_NUMBER_DIGITS:
            self.next_number = int(name[1:]) + 1
        self.block.args.append(value)
        self.values[name] = value

    # ---- lines ----------------------------------------------------------------------------------------------------

    def read_line(self, line: str, shape: str, names: list[str], start: int) -> tuple[Template | None, list[str]]:
        """Template and names of a line whose shape is not known yet; None for a label (`block` changes) and the like.

        `shape` and `names` are as `shapes.cut` gives them, `start` is the line's offset.
        """
        if line[:1] not in _SPACE_OR_MARK:
            self.block = self._begin_block(line, start)
            self.begun = True
            return None, names
        stripped = line.strip()
        if not stripped or stripped[0] == "#" or (stripped[0] == ";" and not stripped.startswith("; <label>:")):
            return None, names
        if line[0] not in " \t":
            self.block = self._begin_block(stripped, start)
            self.begun = True
            return None, names
        if not self.begun:
            self.labels.setdefault(f"%{self.next_number}", self.block)
            self.begun = True
        if '"' in line or ";" in line:
            shape, names = shape_of(line, self.types)
        try:
            return template_of(shape), names
        except ParseError as error:
            match = _OPCODE.match(line)
            self.fail(str(error), start + (match.end() if match is not None else 0))

    def _begin_block(self, line: str, offset: int) -> Block:
        match = _LABEL_LINE.match(line) or _OLD_LABEL.match(line)
        if match is None:
            self.fail(f"expected a block label or an instruction, found {line[:40]!r}", offset)
        label = f"%{match[1]}"
        if not self.begun:
            self.labels[label] = self.block
            return self.block
        block = self.labels.get(label)
        if block is None:
            block = self.labels[label] = Block(f"^{label[1:]}", self.region)
        self.region.blocks.append(block)
        return block

    def block_of(self, slot: Slot, names: list[str], offset: int, missing: str = _NO_BLOCK) -> Block:
        """The block that a label of an instruction names; `missing` is the message where there is none."""
        name = names[slot] if isinstance(slot, int) else str(slot)
        block = self.labels.get(name) or self.labels.get(
            f"%{name[2:-1]}" if name.startswith('%"') else f'%"{name[1:]}"'
        )
        if block is None:
            self.fail(missing.format(name), offset)
        return block
