"""LLVM's printed module text to operations: `llvm.func` with blocks, phis turned into block arguments.

Owns functions, blocks, names and constants. Invariant: the tree has the structure of MLIR's LLVM dialect: a phi is an
argument of its block and each predecessor's terminator forwards the value; a constant operand is the result of a
`llvm.mlir.constant` that stands in no block.
"""

from __future__ import annotations

import re
import struct
from typing import NoReturn

from costmodel.core.errors import ParseError
from costmodel.ir import collector
from costmodel.ir.llvm.instructions import Parsed, operand, parse
from costmodel.ir.llvm.types import TYPE, mlir_type
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Region, Source, Value
from costmodel.ir.mlir.syntax import split_items

_DEFINE = re.compile(rf"^define (?:[^@\n]*? )??({TYPE}) (@\"[^\"\n]*\"|@[\w$.\-]+)\(", re.MULTILINE)
_LABEL_LINE = re.compile(r"(\"[^\"]*\"|[\w$.\-]+):(?:\s+;.*)?$")
_INSTRUCTION = re.compile(
    r"\s+(?:(%\"[^\"]*\"|%[\w$.\-]+) = )?(?:(?:tail|musttail|notail) )?([a-z_]+)(?: (.*))?$", re.DOTALL
)
_METADATA = re.compile(r"(?:, ![\w.]+ !(?:\d+|\{[^{}]*\}))+$|, !srcloc !\d+$")
_GROUPS = re.compile(r"(?: #\d+)+(?= \[|$|\s+to )")
_MAX_NUMBER_DIGITS = 12
_CONTINUES = ("invoke", "callbr", "switch", "landingpad", "indirectbr")


def parse_module(text: str, *, file: str = "<string>") -> MlirModule:
    """Read every defined function of a module's printed text.

    Raises:
        ParseError: with the position; the text should come from LLVM (see `verify`).
    """
    source = Source(text, file)
    module = MlirModule(source)
    chunk = Chunk(source)
    with collector.paused():
        for match in _DEFINE.finditer(text):
            end = text.find("\n}", match.end())
            if end < 0:
                raise ParseError("the text ends inside a function", location=source.location(match.start()))
            module.operations.append(_FunctionParser(chunk, match, end).run())
    return module


class _FunctionParser:
    """Reads one function: instructions first, names resolved when all are known."""

    def __init__(self, chunk: Chunk, head: re.Match[str], end: int) -> None:
        self.chunk = chunk
        self.text = chunk.source.text
        self.head = head
        self.end = end
        self.values: dict[str, Value] = {}
        self.constants: dict[tuple[str, str], Value] = {}
        self.labels: dict[str, Block] = {}
        self.waiting: list[tuple[Operation, Parsed]] = []
        self.phis: list[tuple[Block, Value, Parsed, int]] = []
        symbol = head[2][1:]
        symbol = symbol if symbol.startswith('"') else f'"{symbol}"'
        self.function = Operation("llvm.func", head.start(), chunk, None)
        self.function._property_text = f"sym_name = {symbol}"
        self.region = Region(self.function)
        self.function.regions.append(self.region)
        self.next_number = 0
        self.opcodes: dict[str, str] = {}

    def fail(self, message: str, offset: int) -> NoReturn:
        raise ParseError(message, location=self.chunk.source.location(offset))

    def run(self) -> Operation:
        """The function as an operation."""
        body = self._arguments()
        self._lines(body)
        self._phis()
        self._resolve()
        return self.function

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
        for index, item in enumerate(split_items(text[start:position])):
            if item == "...":
                continue
            kind, name = operand(item)
            if not name.startswith("%") or not kind:
                found = _ARGUMENT_TYPE.match(item)
                kind, name = mlir_type(found[0]) if found else "!llvm<unknown>", f"%{self.next_number}"
            value = Value(name, kind, entry, index)
            if name[1:].isdigit() and len(name) < _MAX_NUMBER_DIGITS:
                self.next_number = int(name[1:]) + 1
            entry.args.append(value)
            self.values[name] = value
        line_end = text.find("{\n", position, self.end)
        return line_end + 2 if line_end >= 0 else position

    def _lines(self, position: int) -> None:
        text, end = self.text, self.end
        block = self.region.blocks[0]
        first = True
        while position < end:
            line_end = text.find("\n", position, end)
            line_end = end if line_end < 0 else line_end
            line = text[position:line_end]
            start = position
            position = line_end + 1
            if not line or line.isspace() or line.lstrip()[0] in ";#":
                continue
            if line[0] not in " \t":
                block = self._block(line, start, first)
                first = False
                continue
            if first:
                self.labels.setdefault(f"%{self.next_number}", block)
                first = False
            if (
                line.lstrip().startswith(_CONTINUES)
                or " = landingpad" in line
                or " = invoke" in line
                or " = callbr" in line
            ):
                position, line = self._continued(line, position)
            self._instruction(line, block, start)

    def _continued(self, line: str, position: int) -> tuple[int, str]:
        """Join the lines that belong to an instruction printed over several."""
        parts = [line]
        while position < self.end:
            line_end = self.text.find("\n", position, self.end)
            line_end = self.end if line_end < 0 else line_end
            following = self.text[position:line_end]
            if not following.startswith(("    ", "  ]")):
                break
            parts.append(following.strip())
            position = line_end + 1
        return position, " ".join(parts)

    def _block(self, line: str, offset: int, first: bool) -> Block:
        match = _LABEL_LINE.match(line)
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

    def _instruction(self, line: str, block: Block, offset: int) -> None:
        if " !" in line:
            line = _METADATA.sub("", line)
        match = _INSTRUCTION.match(line)
        if match is None:
            self.fail(f"expected an instruction, found {line.strip()[:40]!r}", offset)
        result, opcode, rest = match[1], match[2], match[3] or ""
        if " #" in rest:
            rest = _GROUPS.sub("", rest)
        try:
            parsed = parse(opcode, rest)
        except (ParseError, IndexError, ValueError) as error:
            self.fail(f"cannot read this {opcode}: {error}", offset + match.start(2))
        if parsed.name == "llvm.phi":
            value = Value(result or "", parsed.result_type or "", block, len(block.args))
            block.args.append(value)
            self.phis.append((block, value, parsed, offset))
            self.values[result or ""] = value
            return
        operation = Operation(parsed.name, offset + match.start(2), self.chunk, block)
        operation._property_text = parsed.properties
        block.operations.append(operation)
        if result is not None:
            value = Value(result, parsed.result_type or "!llvm<unknown>", operation, 0)
            operation.results.append(value)
            self.values[result] = value
        elif parsed.result_type is not None:
            operation.results.append(Value("", parsed.result_type, operation, 0))
        self.waiting.append((operation, parsed))

    def _value(self, kind: str, text: str, offset: int) -> Value:
        if text[:1] == "%":
            value = self.values.get(text)
            if value is None:
                self.fail(f"use of undefined value {text}", offset)
            return value
        key = (kind, text)
        value = self.constants.get(key)
        if value is None:
            try:
                value = self.constants[key] = self._constant(kind, text)
            except ParseError as error:
                self.fail(str(error), offset)
        return value

    def _constant(self, kind: str, text: str) -> Value:
        name = _CONSTANT_NAMES.get(text, "llvm.mlir.addressof" if text.startswith("@") else "llvm.mlir.constant")
        operation = Operation(name, self.head.start(), self.chunk, None)
        if name == "llvm.mlir.addressof":
            operation._property_text = f"global_name = {text}"
        elif name == "llvm.mlir.constant":
            operation._property_text = f"value = {_constant_text(kind, text)}"
        value = Value("", kind, operation, 0)
        operation.results.append(value)
        return value

    def _resolve(self) -> None:
        for operation, parsed in self.waiting:
            values, operands = self.values, []
            for kind, text in parsed.operands:
                value = values.get(text)
                operands.append(value if value is not None else self._value(kind, text, operation.offset))
            operation.operands[:0] = operands
            for label in parsed.labels:
                block = self.labels.get(label)
                if block is None:
                    self.fail(f"block {label} is never defined", operation.offset)
                operation.successors.append(block)
        for operation, forwards in self._forwards.items():
            for block in operation.successors:
                operation.operands += forwards.get(block, [])

    def _phis(self) -> None:
        """Give every terminator the values that it forwards, in the order of the successors' arguments."""
        self._forwards: dict[Operation, dict[Block, list[Value]]] = {}
        for block, value, parsed, offset in self.phis:
            seen: set[str] = set()
            for text, label in parsed.incoming:
                source = self.labels.get(label)
                if source is None or not source.operations:
                    self.fail(f"phi names block {label}, which is never defined", offset)
                if label in seen:
                    continue
                seen.add(label)
                forwards = self._forwards.setdefault(source.operations[-1], {})
                forwards.setdefault(block, []).append(self._value(value.type_text, text, offset))


_PARENTHESIS = re.compile(r"\"[^\"]*\"|[()]")
_ARGUMENT_TYPE = re.compile(TYPE)
_CONSTANT_NAMES = {
    "null": "llvm.mlir.zero",
    "zeroinitializer": "llvm.mlir.zero",
    "none": "llvm.mlir.zero",
    "undef": "llvm.mlir.undef",
    "poison": "llvm.mlir.poison",
}
_SPLAT = re.compile(r"splat \((?:\S+) (\S+)\)")
_HEX_KINDS = {"f16": 16, "f32": 32, "f64": 64, "bf16": 16}


def _constant_text(kind: str, text: str) -> str:
    """A constant as the MLIR attribute that it would be."""
    splat = _SPLAT.fullmatch(text)
    if splat is not None and kind.startswith("vector"):
        element = kind[kind.rindex("x") + 1 : -1]
        return f"dense<{_scalar(element, splat[1])}> : {kind}"
    if text[:1] in "<[{c" or " " in text:
        return f'"{text}"' if '"' not in text else "unit"
    return f"{_scalar(kind, text)} : {kind}" if text not in ("true", "false") else text


def _scalar(kind: str, text: str) -> str:
    """LLVM prints a float that decimals cannot hold as the bits of a double (`0x...`), halves as `0xH...`."""
    if kind not in _HEX_KINDS or not text.startswith("0x"):
        return text
    if kind in ("f16", "bf16"):
        return f"0x{text[3:]}"
    try:
        number = struct.unpack("<d", bytes.fromhex(f"{text[2:]:0>16}")[::-1])[0]
    except (ValueError, struct.error):
        raise ParseError(f"{text!r} is no hexadecimal float") from None
    return f"{number:.17e}" if abs(number) < float("inf") else text
