"""LLVM's printed module text to operations: `llvm.func` with blocks, phis turned into block arguments.

Owns functions, blocks, names. Invariant: the tree has the structure of MLIR's LLVM dialect: a phi is an argument of its
block and each predecessor's terminator forwards the value; a constant operand is the result of a `llvm.mlir.constant`
that stands in no block. Text of any LLVM version with textual IR as it is today (3.0 and later) is read as it stands.
"""

from __future__ import annotations

import re
from typing import NoReturn

from costmodel.core.errors import ParseError
from costmodel.ir import collector
from costmodel.ir.llvm.constants import constant_operation
from costmodel.ir.llvm.instructions import operand
from costmodel.ir.llvm.legacy import opaque
from costmodel.ir.llvm.templates import HOLE, TEMPLATES, Slot, Template, template_of
from costmodel.ir.llvm.types import TYPE, mlir_type
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Region, Source, Value
from costmodel.ir.mlir.syntax import split_items

DEFINE = re.compile(r"^define\b[^@\n]*?(@\"[^\"\n]*\"|@[\w$.\-]+)\s*\(", re.MULTILINE)
_LABEL_LINE = re.compile(r"(\"[^\"]*\"|[\w$.\-]+):\s*(?:;.*)?$")
_OLD_LABEL = re.compile(r"; <label>:(\d+)")
TYPE_NAMES = re.compile(r"^(%\"[^\"\n]*\"|%[\w$.\-]+)\s*=\s*type\b", re.MULTILINE)
_CONTINUED = re.compile(r"\n(?=[ \t]+(?:to label|unwind |cleanup\s|catch |filter |i\d+ -?\d+, label|\[label)|[ \t]*\])")
_LOCAL = re.compile(r"(%[\w$.\-]++)")
_METADATA = re.compile(r", ![^\n]*+")
_LOCAL_OR_STRING = re.compile(r"(%\"[^\"]*\"|%[\w$.\-]+)|\"[^\"]*\"|;.*$")
_PARENTHESIS = re.compile(r"\"[^\"]*\"|[()]")
_ARGUMENT_TYPE = re.compile(TYPE)
_MAX_NUMBER_DIGITS = 12
_UNKNOWN_TYPE = "!llvm<unknown>"
_NO_VALUES: list[Value] = []
_NO_BLOCKS: list[Block] = []
_NO_REGIONS: list[Region] = []
"""Shared by instructions without any; never changed: a tree of a million lists less is built and collected faster."""
_new_operation, _new_value = Operation.__new__, Value.__new__
_NO_BLOCK = "block {} is never defined"


def parse_module(text: str, *, file: str = "<string>") -> MlirModule:
    """Read every defined function of a module's text.

    Raises:
        ParseError: with the position.
    """
    source = Source(text, file)
    module = MlirModule(source)
    if HOLE in text:
        raise ParseError("a NUL character, which no LLVM IR holds", location=source.location(text.index(HOLE)))
    chunk = Chunk(source)
    type_names = frozenset(TYPE_NAMES.findall(text))
    with collector.paused():
        for match in DEFINE.finditer(text):
            end = text.find("\n}", match.end())
            if end < 0:
                raise ParseError("the text ends inside a function", location=source.location(match.start()))
            module.operations.append(FunctionParser(chunk, match, end, type_names).run())
    return module


class FunctionParser:
    """Reads one function: instructions first, names that come before their definition when all are known."""

    def __init__(self, chunk: Chunk, head: re.Match[str], end: int, type_names: frozenset[str]) -> None:
        self.chunk = chunk
        self.text = chunk.source.text
        self.head = head
        self.end = end
        self.type_names = type_names
        self.values: dict[str, Value] = {}
        self.constants: dict[tuple[str, str], Value] = {}
        self.labels: dict[str, Block] = {}
        self.waiting: list[tuple[Operation, Template, list[str]]] = []
        self.phis: list[tuple[Block, Value, Template, list[str], int]] = []
        symbol = head[1][1:]
        symbol = symbol if symbol.startswith('"') else f'"{symbol}"'
        self.function = Operation("llvm.func", head.start(), chunk, None)
        self.function._property_text = f"sym_name = {symbol}"
        self.region = Region(self.function)
        self.function.regions.append(self.region)
        self.next_number = 0

    def fail(self, message: str, offset: int) -> NoReturn:
        """Raise `ParseError` at `offset` of the chunk."""
        raise ParseError(message, location=self.chunk.source.location(offset))

    def run(self) -> Operation:
        """The function as an operation."""
        start = self._arguments()
        self._lines(start)
        self._phis()
        self._resolve()
        return self.function

    # ---- text -----------------------------------------------------------------------------------------------------

    def _arguments(self) -> int:
        text, start = self.text, self.head.end()
        depth, position = 1, start
        for match in _PARENTHESIS.finditer(text, start, self.end):
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if depth == 0:
                position = match.start()
                break
        entry = Block(None, self.region)
        self.region.blocks.append(entry)
        for index, item in enumerate(split_items(opaque(text[start:position]))):
            if item != "...":
                self._argument(item, index, entry)
        line_end = text.find("{\n", position, self.end + 1)
        if line_end < 0:
            self.fail("expected '{' and the function's body on lines of its own", position)
        return line_end + 2

    def _argument(self, item: str, index: int, entry: Block) -> None:
        kind, name = operand(item)
        if not name.startswith("%") or not kind:
            found = _ARGUMENT_TYPE.match(item)
            kind, name = mlir_type(found[0]) if found else _UNKNOWN_TYPE, f"%{self.next_number}"
        value = Value(name, kind, entry, index)
        if name[1:].isdigit() and len(name) < _MAX_NUMBER_DIGITS:
            self.next_number = int(name[1:]) + 1
        entry.args.append(value)
        self.values[name] = value

    def _lines(self, position: int) -> None:
        body = self.text[position : self.end]
        if "\n   " in body or "]" in body:
            body = _CONTINUED.sub(" ", body)
        block = self.region.blocks[0]
        first, at = True, 0
        read, templates = self._instruction, TEMPLATES
        plain = _METADATA.sub("", body) if ", !" in body else body
        shaped, found = self._shaped(plain)
        lines, shapes = body.split("\n"), shaped.split("\n")
        for line, shape in zip(lines, shapes, strict=True):
            start = position
            position += len(line) + 1
            template = templates.get(shape)
            if template is not None and not first:
                begin = at
                at += template.holes
                if template.name:
                    read(template, found[begin:at], block, start)
                continue
            begin = at
            at += shape.count(HOLE)
            stripped = line.strip()
            if not stripped or stripped[0] == "#" or (stripped[0] == ";" and not stripped.startswith("; <label>:")):
                continue
            if line[0] not in " \t":
                block = self._block(stripped, start, first)
                first = False
                continue
            if first:
                self.labels.setdefault(f"%{self.next_number}", block)
                first = False
            names = found[begin:at]
            if '"' in line or ";" in line:
                shape, names = self._shape(line)
            try:
                template = template_of(shape)
            except ParseError as error:
                self.fail(str(error), start + _opcode_at(line))
            if template.name:
                read(template, names, block, start)

    def _block(self, line: str, offset: int, first: bool) -> Block:
        match = _LABEL_LINE.match(line) or _OLD_LABEL.match(line)
        if match is None:
            self.fail(f"expected a block label or an instruction, found {line[:40]!r}", offset)
        label = f"%{match[1]}"
        if first:
            block = self.region.blocks[0]
            self.labels[label] = block
            return block
        block = self._block_of(label)
        self.region.blocks.append(block)
        return block

    def _block_of(self, label: str) -> Block:
        block = self.labels.get(label)
        if block is None:
            block = self.labels[label] = Block(f"^{label[1:]}", self.region)
        return block

    # ---- instructions ---------------------------------------------------------------------------------------------

    def _shaped(self, text: str) -> tuple[str, list[str]]:
        """Text with holes for names of locals, and the names; blind to strings and comments."""
        pieces = _LOCAL.split(text)
        names = pieces[1::2]
        if not self.type_names.isdisjoint(names):
            pieces = _keep_types(pieces, self.type_names)
            names = pieces[1::2]
        return HOLE.join(pieces[::2]), names

    def _shape(self, line: str) -> tuple[str, list[str]]:
        """The same of a line that has strings or a comment."""
        pieces = _split_strings(line)
        names = pieces[1::2]
        if not self.type_names.isdisjoint(names):
            pieces = _keep_types(pieces, self.type_names)
            names = pieces[1::2]
        return HOLE.join(pieces[::2]), names

    def _instruction(self, template: Template, names: list[str], block: Block, offset: int) -> None:
        result, kind, values = template.result, template.types, self.values
        name = ""
        if result is not None:
            name = names[result] if result.__class__ is int else str(result)
            if template.incoming:
                value = values[name] = Value(name, kind or "", block, len(block.args))
                block.args.append(value)
                self.phis.append((block, value, template, names, offset))
                return
            offset += len(name) + 3
            kind = kind or _UNKNOWN_TYPE
        operation = _new_operation(Operation)
        operation.name, operation.offset, operation.parent = template.name, offset + 2, block
        operation._chunk, operation._property_text, operation._attribute_text = self.chunk, template.properties, ""
        operation.regions, operation.successors = _NO_REGIONS, _NO_BLOCKS
        if kind is None:
            operation.results = _NO_VALUES
        else:
            value = _new_value(Value)
            value.name, value.type_text, value.owner, value.index = name, kind, operation, 0
            operation.results = [value]
            if name:
                values[name] = value
        block.operations.append(operation)
        if template.plain is not None:
            try:
                operation.operands = [values[names[slot]] for slot in template.plain]
                return
            except KeyError:
                pass
        elif not template.labels:
            found = self._known(template, names, offset)
            if found is not None:
                operation.operands = found
                return
        operation.operands = _NO_VALUES
        self.waiting.append((operation, template, names))

    def _known(self, template: Template, names: list[str], offset: int) -> list[Value] | None:
        """Operands with constants among them, None if one is not defined yet."""
        found: list[Value] = []
        for _, slot in template.operands:
            if isinstance(slot, tuple):
                value = self.constants.get(slot) or self._constant(slot, names, offset)
            else:
                known = self.values.get(names[slot] if isinstance(slot, int) else slot)
                if known is None:
                    return None
                value = known
            found.append(value)
        return found

    # ---- names ----------------------------------------------------------------------------------------------------

    def _value(self, kind: str, slot: Slot, names: list[str], offset: int) -> Value:
        if isinstance(slot, tuple):
            return self._constant(slot, names, offset)
        name = names[slot] if isinstance(slot, int) else slot
        value = self.values.get(name)
        if value is None:
            self.fail(f"use of undefined value {name}", offset)
        return value

    def _constant(self, key: tuple[str, str], names: list[str], offset: int) -> Value:
        value = self.constants.get(key)
        if value is not None:
            return value
        kind, text = key
        try:
            name, properties = constant_operation(kind, text)
        except ParseError as error:
            self.fail(str(error), offset)
        operation = Operation(name, self.head.start(), self.chunk, None)
        operation._property_text = properties
        value = self.constants[key] = Value("", kind, operation, 0)
        operation.results.append(value)
        return value

    def _label(self, slot: Slot, names: list[str], offset: int, missing: str = _NO_BLOCK) -> Block:
        name = names[slot] if isinstance(slot, int) else str(slot)
        block = self.labels.get(name) or self.labels.get(
            f"%{name[2:-1]}" if name.startswith('%"') else f'%"{name[1:]}"'
        )
        if block is None:
            self.fail(missing.format(name), offset)
        return block

    def _resolve(self) -> None:
        get = self._value
        for operation, template, names in self.waiting:
            offset = operation.offset
            operation.operands = [get(kind, slot, names, offset) for kind, slot in template.operands]
            if template.labels:
                operation.successors = [self._label(slot, names, offset) for slot in template.labels]
                forwards = self._forwards.get(operation)
                if forwards is not None:
                    for block in operation.successors:
                        operation.operands += forwards.get(block, ())

    def _phis(self) -> None:
        """Find what every terminator forwards, in the order of the successors' arguments."""
        self._forwards: dict[Operation, dict[Block, list[Value]]] = {}
        for block, value, template, names, offset in self.phis:
            seen: set[Block] = set()
            for slot, label in template.incoming:
                source = self._label(label, names, offset, "phi names block {}, which is never defined")
                if not source.operations:
                    self.fail("phi names a block without instructions", offset)
                if source in seen:
                    continue
                seen.add(source)
                forwards = self._forwards.setdefault(source.operations[-1], {})
                forwards.setdefault(block, []).append(self._value(value.type_text, slot, names, offset))


def _opcode_at(line: str) -> int:
    match = _OPCODE.match(line)
    return match.end() if match is not None else 0


_OPCODE = re.compile(r"\s*(?:(?:%\"[^\"]*\"|%[\w$.\-]+)\s*=\s*)?(?:(?:tail|musttail|notail) )?(?=[a-z])")


def _split_strings(line: str) -> list[str]:
    """Like `_LOCAL.split`, blind to names inside strings; a comment is dropped."""
    pieces: list[str] = []
    start = 0
    for match in _LOCAL_OR_STRING.finditer(line):
        if match[1] is not None:
            pieces += [line[start : match.start()], match[1]]
            start = match.end()
        elif match[0][0] == ";":
            return [*pieces, line[start : match.start()].rstrip()]
    return [*pieces, line[start:]]


def _keep_types(pieces: list[str], type_names: frozenset[str]) -> list[str]:
    """Names of types go back into the text between names of locals."""
    kept = [pieces[0]]
    for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in type_names:
            kept[-1] += name + text
        else:
            kept += [name, text]
    return kept
