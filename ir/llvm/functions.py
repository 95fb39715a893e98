"""LLVM's printed module text to operations: `llvm.func` with blocks, phis turned into block arguments.

Owns operations, values and their names. Invariant: the tree has the structure of MLIR's LLVM dialect: a phi is an
argument of its block and each predecessor's terminator forwards the value; a constant operand is the result of a
`llvm.mlir.constant` that stands in no block. Text of any LLVM version with textual IR as it is today (3.0 and later)
is read as it stands.
"""

from __future__ import annotations

import re

from costmodel.core.errors import ParseError
from costmodel.ir import collector
from costmodel.ir.llvm.constants import constant_operation
from costmodel.ir.llvm.function_text import FunctionText, definitions
from costmodel.ir.llvm.shapes import HOLE, cut, names_of_types
from costmodel.ir.llvm.templates import EMPTY, LEAVING, MIXED, PLAIN, TEMPLATES, Slot, Template
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Region, Source, Value

_NO_VALUES: list[Value] = []
_NO_BLOCKS: list[Block] = []
_NO_REGIONS: list[Region] = []
"""Shared by instructions without any; never changed: a tree of a million lists less is built and collected faster."""
_new_operation, _new_value = Operation.__new__, Value.__new__
_NOTHING_KNOWN: dict[str, Template] = {}


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
    types = names_of_types(text)
    with collector.paused():
        for head, end in definitions(text):
            if end < 0:
                raise ParseError("the text ends inside a function", location=source.location(head.start()))
            module.operations.append(FunctionParser(chunk, head, end, types).run())
    return module


class FunctionParser(FunctionText):
    """Reads one function: instructions first, names that come before their definition when all are known."""

    def __init__(self, chunk: Chunk, head: re.Match[str], end: int, types: frozenset[str]) -> None:
        super().__init__(chunk, head, end, types)
        self.constants: dict[tuple[str, str], Value] = {}
        self.waiting: list[tuple[Operation, Template, list[str]]] = []
        self.phis: list[tuple[Block, Template, list[str], int]] = []
        self.forwards: dict[Operation, dict[Block, list[Value]]] = {}

    def run(self) -> Operation:
        """The function as an operation."""
        self._lines(self.read_arguments())
        self._phis()
        self._resolve()
        return self.function

    # ---- instructions ---------------------------------------------------------------------------------------------

    def _lines(self, position: int) -> None:
        """Every line by its template; what is not of the common kinds goes to `_instruction`."""
        lines, shapes, found = cut(self.text[position : self.end], self.types)
        known, values, constants, chunk = _NOTHING_KNOWN.get, self.values, self.constants, self.chunk
        value_of, block, append, at = values.__getitem__, self.block, self.block.operations.append, 0
        for line, shape in zip(lines, shapes, strict=True):
            start, begin = position, at
            position += len(line) + 1
            template = known(shape)
            if template is None:
                if not line:
                    continue
                at += shape.count(HOLE)
                template, names = self.read_line(line, shape, found[begin:at], start)
                if template is not None:
                    self._instruction(template, names, start)
                elif block is not self.block:
                    block = self.block
                    append = block.operations.append
                known = TEMPLATES.get if self.begun else _NOTHING_KNOWN.get
                continue
            at += template.holes
            kind = template.kind
            if kind > LEAVING:
                self._instruction(template, found[begin:at], start)
                continue
            operation = _new_operation(Operation)
            append(operation)
            operation.name, operation.parent, operation._chunk = template.name, block, chunk
            operation._property_text, operation._attribute_text = template.properties, ""
            operation.regions, operation.successors = _NO_REGIONS, _NO_BLOCKS
            if template.result is not None:
                value = values[found[begin]] = _new_value(Value)
                name = value.name = found[begin]
                value.type_text, value.owner, value.index = template.types or "", operation, 0
                operation.offset, operation.results = start + len(name) + 5, [value]
            else:
                operation.offset, operation.results = start + 2, _NO_VALUES
                if template.types is not None:
                    operation.results = [Value("", template.types, operation, 0)]
            try:
                if kind == PLAIN:
                    operation.operands = [*map(value_of, found[begin + template.first : at])]
                elif kind == MIXED:
                    operation.operands = [
                        values[found[begin + slot]] if slot.__class__ is int else constants[slot]  # type: ignore[index]
                        for slot in template.slots
                    ]
                else:
                    operation.operands = _NO_VALUES
                    self.waiting.append((operation, template, found[begin:at]))
            except KeyError:
                self._operands(operation, template, found[begin:at])

    def _instruction(self, template: Template, names: list[str], offset: int) -> None:
        """Any instruction; `offset` is that of its line."""
        if template.kind == EMPTY:
            return
        block, result, kind, values = self.block, template.result, template.types, self.values
        name = ""
        if result is not None:
            name = names[result] if isinstance(result, int) else str(result)
            if template.incoming:
                value = values[name] = Value(name, kind or "", block, len(block.args))
                block.args.append(value)
                self.phis.append((block, template, names, offset))
                return
            offset += len(name) + 3
        operation = Operation(template.name, offset + 2, self.chunk, block)
        operation._property_text = template.properties
        operation.regions, operation.successors = _NO_REGIONS, _NO_BLOCKS
        if kind is None:
            operation.results = _NO_VALUES
        else:
            value = Value(name, kind, operation, 0)
            operation.results = [value]
            if name:
                values[name] = value
        block.operations.append(operation)
        self._operands(operation, template, names)

    def _operands(self, operation: Operation, template: Template, names: list[str]) -> None:
        """Operands now where all are known, else later."""
        if not template.labels:
            found = self._known(template, names, operation.offset - 2)
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
                value = self.constants.get(slot) or self._constant(slot, offset)
            else:
                known = self.values.get(names[slot] if isinstance(slot, int) else slot)
                if known is None:
                    return None
                value = known
            found.append(value)
        return found

    # ---- names ----------------------------------------------------------------------------------------------------

    def _value(self, slot: Slot, names: list[str], offset: int) -> Value:
        if isinstance(slot, tuple):
            return self.constants.get(slot) or self._constant(slot, offset)
        name = names[slot] if isinstance(slot, int) else slot
        value = self.values.get(name)
        if value is None:
            self.fail(f"use of undefined value {name}", offset)
        return value

    def _constant(self, key: tuple[str, str], offset: int) -> Value:
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

    def _resolve(self) -> None:
        """What waits: operands that are defined further down, successors and what is forwarded to them."""
        values, constants, labels = self.values, self.constants, self.labels
        for operation, template, names in self.waiting:
            if template.slots:
                try:
                    operation.operands = [
                        values[names[slot]] if slot.__class__ is int else constants[slot]  # type: ignore[index]
                        for slot in template.slots
                    ]
                except KeyError:
                    offset = operation.offset
                    operation.operands = [self._value(slot, names, offset) for slot in template.slots]
            if template.labels:
                try:
                    operation.successors = [labels[names[slot]] for slot in template.labels]  # type: ignore[index]
                except (KeyError, TypeError):
                    operation.successors = [self.block_of(slot, names, operation.offset) for slot in template.labels]
                forwards = self.forwards.get(operation)
                if forwards is not None:
                    found = [value for block in operation.successors for value in forwards.get(block, ())]
                    operation.operands = operation.operands + found

    def _phis(self) -> None:
        """Find what every terminator forwards, in the order of the successors' arguments."""
        labels, values, forwards = self.labels, self.values, self.forwards
        for block, template, names, offset in self.phis:
            seen: set[Block] = set()
            for slot, label in template.incoming:
                source = labels.get(names[label]) if isinstance(label, int) else None
                if source is None:
                    source = self.block_of(label, names, offset, "phi names block {}, which is never defined")
                if not source.operations:
                    self.fail("phi names a block without instructions", offset)
                if source in seen:
                    continue
                seen.add(source)
                value = values.get(names[slot]) if isinstance(slot, int) else None
                value = value or self._value(slot, names, offset)
                targets = forwards.get(source.operations[-1])
                if targets is None:
                    targets = forwards[source.operations[-1]] = {}
                if block in targets:
                    targets[block].append(value)
                else:
                    targets[block] = [value]
