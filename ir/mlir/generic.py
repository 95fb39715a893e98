"""Reader of MLIR's generic form, for any dialect, in one pass.

Owns the grammar: `parse_generic` turns what `mlir-opt -mlir-print-op-generic` prints into operations, values, blocks
and regions. Invariant: linear time, no recursion, any nesting depth; every error carries file, line and column.
Does not verify: types are text, and an operation's meaning is the caller's business.
"""

from __future__ import annotations

import re
from typing import NoReturn, cast

from costmodel.core.errors import ParseError
from costmodel.ir import collector
from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import define_alias, parse_string, resolve_aliases
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Region, Source, Value
from costmodel.ir.mlir.wide import Head, Tail, wide_block, wide_operation, wide_tail

_ISOLATED = frozenset(("builtin.module", "func.func", "llvm.func", "gpu.func", "gpu.module", "tt.func", "spirv.func"))
_BARE_NAME = re.compile(r"[A-Za-z_][\w$.]*")


def parse_generic(text: str, *, file: str = "<string>") -> MlirModule:
    """Parse generic-form MLIR; parts split by `// -----` are read one by one into the same module.

    Args:
        text: the whole text; it is kept (attributes are slices of it).
        file: name used in locations.

    Raises:
        ParseError: with the position, for anything that is not the generic form.
    """
    source = Source(text, file)
    module = MlirModule(source)
    start = 0
    with collector.paused():
        for mark in syntax.SPLIT_MARK.finditer(text):
            _ChunkParser(module, start, mark.start()).run()
            start = mark.end()
        _ChunkParser(module, start, len(text)).run()
    if not module.operations:
        raise ParseError("no operation found; expected MLIR in generic form", location=source.location(0))
    return module


class _Scope:
    """One open region: its blocks by label, the names to restore when it closes."""

    __slots__ = ("block", "forward_blocks", "labels", "operation", "region", "tail_pending", "undo")

    def __init__(self, operation: Operation, region: Region) -> None:
        self.operation = operation
        self.region = region
        self.block: Block | None = None
        self.labels: dict[str, Block] = {}
        self.forward_blocks: dict[str, int] = {}
        self.undo: list[tuple[str, list[Value] | None]] = []


class _ChunkParser:
    """Parses one `// -----` part. `names` maps `%0` to its values; `pending` holds uses seen before definitions."""

    def __init__(self, module: MlirModule, start: int, end: int) -> None:
        self.module = module
        self.text = module.source.text
        self.start = start
        self.end = end
        self.chunk = Chunk(module.source)
        self.names: dict[str, list[Value] | None] = {}
        self.top_undo: list[tuple[str, list[Value] | None]] = []
        self.pending: dict[tuple[str, int], tuple[Value, int, int]] = {}
        self.signatures: dict[str, list[str]] = {"": []}
        self.op_names: dict[str, str] = {}
        self.scopes: list[_Scope] = []
        self.results_text: list[str | None] = []
        self.operand_texts: list[str] = []

    def fail(self, message: str, offset: int) -> NoReturn:
        raise ParseError(message, location=self.module.source.location(min(offset, len(self.text))))

    def run(self) -> None:
        """Read the part: aliases, then operations and region ends until nothing is left."""
        match_operation = syntax.OPERATION.match
        text, end, position = self.text, self.end, self.start
        while True:
            match = match_operation(text, position, end)
            if match is not None:
                position = match.end()
                self._operation(cast("Head", match.groups()), match.start(2))
                continue
            position = self._other(position)
            if position < 0:
                break
        if self.scopes:
            scope = self.scopes[-1]
            self.fail(
                f"the text ends inside a region of {scope.operation.name!r}, begun at {scope.operation.location}", end
            )
        self._check_pending(0)

    def _other(self, position: int) -> int:
        """Anything but an operation that the fast pattern reads; -1 at the end of the part."""
        text, end = self.text, self.end
        matched = syntax.SKIP.match(text, position, end)
        at = matched.end() if matched else position
        if at >= end:
            return -1
        first = text[at]
        if first == "}" and self.scopes:
            return self._region_end(at)
        if first == "^" and self.scopes:
            return self._block(at)
        if first in "#!" and not self.scopes:
            return self._alias(at)
        if first == "{" and text.startswith("{-#", at):
            return self._resources(at)
        if first in '%"':
            wide = wide_operation(text, at, end)
            if isinstance(wide, int):
                self._bad_operation(at, wide)
            head, position = wide
            self._operation(head, at)
            return position
        return self._unexpected(at)

    def _bad_operation(self, at: int, stop: int) -> NoReturn:
        if stop >= self.end:
            self.fail(f"the text ends inside an operation, begun at {self.module.source.location(at)}", stop)
        found = self.text[stop : stop + 30].split("\n")[0]
        self.fail(f"expected the rest of an operation in generic form, found {found!r}", stop)

    def _unexpected(self, at: int) -> NoReturn:
        word = _BARE_NAME.match(self.text, at)
        if word is not None:
            self.fail(
                f"{word[0]!r} is not the generic form, where operation names are quoted; use `ir.read` "
                "or print with `mlir-opt -mlir-print-op-generic`",
                at,
            )
        found = self.text[at : at + 30].split("\n")[0]
        self.fail(f"expected an operation in generic form, found {found!r}", at)

    # ---- pieces -------------------------------------------------------------------------------------------------

    def _alias(self, at: int) -> int:
        locations = syntax.LOCATION_ALIASES.match(self.text, at, self.end)
        if locations is not None:
            return locations.end()
        position, unclosed = define_alias(self.text, at, self.end, self.chunk.aliases)
        if position < 0:
            self.fail("expected an alias definition 'name = value'", at)
        if unclosed >= 0:
            name = self.text[at:position].split(maxsplit=1)[0].partition("=")[0]
            self.fail(f"a bracket in the value of {name} is never closed", unclosed)
        return position

    def _resources(self, at: int) -> int:
        stop = self.text.find("#-}", at, self.end)
        if stop < 0:
            self.fail("'{-#' is never closed by '#-}'", at)
        self.module.resource_span = (at, stop)
        return stop + 3

    def _types(self, text: str) -> list[str]:
        """The types of a comma-separated list without parentheses; cached by text."""
        found = self.signatures.get(text)
        if found is None:
            found = self.signatures[text] = syntax.split_items(resolve_aliases(text, self.chunk.aliases))
        return found

    def _result_types(self, text: str) -> list[str]:
        return self._types(text[1:-1]) if text[0] == "(" else self._types(text)

    def _operation(self, head: Head, offset: int) -> None:
        results, quoted, operands, successors, properties, opens_region, attributes, operand_types, result_types = head
        name = self.op_names.get(quoted)
        if name is None:
            name = self.op_names[quoted] = parse_string(quoted)
        scope = self.scopes[-1] if self.scopes else None
        parent = None
        if scope is not None:
            parent = scope.block
            if parent is None:
                parent = scope.block = Block(None, scope.region)
                scope.region.blocks.append(parent)
        operation = Operation(name, offset, self.chunk, parent)
        if properties:
            operation._property_text = properties
        if successors and scope is not None:
            self._successors(operation, successors, scope)
        (parent.operations if parent is not None else self.module.operations).append(operation)
        if opens_region:
            self.results_text.append(results)
            self.operand_texts.append(operands)
            region = Region(operation)
            operation.regions.append(region)
            self.scopes.append(_Scope(operation, region))
            return
        if attributes:
            operation._attribute_text = attributes
        if operands:
            self._operands(operation, operands, self._types(operand_types or ""))
        elif operand_types and operand_types.strip():
            self.fail(f"{name!r} has no operands but types {operand_types.strip()[:60]!r}", offset)
        if results is not None or result_types != "()":
            self._results(operation, results, self._result_types(result_types or "()"))

    def _operands(self, operation: Operation, text: str, types: list[str]) -> None:
        names = self.names
        operands = operation.operands
        if "//" in text:
            text = syntax.COMMENT.sub("", text)
        uses = syntax.OPERAND.findall(text)
        if len(uses) != len(types) or (text.count(",") + 1 != len(uses) and text.strip()):
            self.fail(
                f"{operation.name!r} lists {len(uses)} operands {text.strip()[:60]!r} but {len(types)} operand types",
                operation.offset,
            )
        for (name, index), type_text in zip(uses, types, strict=True):
            values = names.get(name)
            number = int(index) if index else 0
            if values is not None and number < len(values):
                operands.append(values[number])
            elif values is not None:
                self.fail(f"{name} has {len(values)} results, so {name}#{number} does not exist", operation.offset)
            else:
                operands.append(self._forward(name, number, type_text, operation.offset))

    def _forward(self, name: str, number: int, type_text: str, offset: int) -> Value:
        found = self.pending.get((name, number))
        if found is None:
            found = (Value(name, type_text, None, number), len(self.scopes), offset)
            self.pending[name, number] = found
        return found[0]

    def _results(self, operation: Operation, text: str | None, types: list[str]) -> None:
        if text is None:
            operation.results = [Value("", kind, operation, index) for index, kind in enumerate(types)]
            return
        groups = syntax.RESULT.findall(text)
        sizes = [int(size) if size else 1 for _, size in groups]
        if sum(sizes) != len(types):
            self.fail(
                f"{operation.name!r} names {sum(sizes)} results but has {len(types)} result types", operation.offset
            )
        first = 0
        for (name, _), size in zip(groups, sizes, strict=True):
            values = [Value(name, types[first + k], operation, first + k) for k in range(size)]
            first += size
            operation.results.extend(self._define(name, values, operation.offset))

    def _define(self, name: str, values: list[Value], offset: int) -> list[Value]:
        """Bind `name` in the open region; uses seen earlier get the definition."""
        scope = self.scopes[-1] if self.scopes else None
        undo = scope.undo if scope is not None else self.top_undo
        previous = self.names.get(name)
        if previous is not None and self._owner_region(previous[0]) is (scope.region if scope else None):
            self.fail(f"redefinition of {name}", offset)
        if self.pending:
            depth = len(self.scopes)
            for number, value in enumerate(values):
                early = self.pending.get((name, number))
                if early is not None and early[1] >= depth:
                    early[0].type_text, early[0].owner, early[0].index = value.type_text, value.owner, value.index
                    values[number] = early[0]
                    del self.pending[name, number]
        undo.append((name, previous))
        self.names[name] = values
        return values

    @staticmethod
    def _owner_region(value: Value) -> Region | None:
        owner = value.owner
        block = owner.parent if isinstance(owner, Operation) else owner
        return block.parent if block is not None else None

    def _successors(self, operation: Operation, text: str, scope: _Scope) -> None:
        if "//" in text:
            text = syntax.COMMENT.sub("", text)
        for item in text.split(","):
            label = item.strip()
            block = scope.labels.get(label)
            if block is None:
                block = scope.labels[label] = Block(label, scope.region)
                scope.forward_blocks[label] = operation.offset
            operation.successors.append(block)

    def _block(self, at: int) -> int:
        match = syntax.BLOCK.match(self.text, at, self.end)
        if match is not None:
            label, arguments, position = match[1], match[2], match.end()
        else:
            wide = wide_block(self.text, at, self.end)
            if isinstance(wide, int):
                self.fail("expected a block label such as '^bb0(%arg0: f32):'", wide)
            (label, arguments), position = wide
        scope = self.scopes[-1]
        block = scope.labels.get(label)
        if block is None:
            block = scope.labels[label] = Block(label, scope.region)
        elif scope.forward_blocks.pop(label, None) is None:
            self.fail(f"redefinition of block {label}", at)
        scope.region.blocks.append(block)
        scope.block = block
        for index, item in enumerate(syntax.split_items(arguments or "")):
            name, _, type_text = item.partition(":")
            name = name.strip()
            if not name.startswith("%"):
                self.fail(f"expected a block argument '%name: type', found {item[:60]!r}", at)
            type_text = resolve_aliases(syntax.drop_location(type_text).strip(), self.chunk.aliases)
            block.args.extend(self._define(name, [Value(name, type_text, block, index)], at))
        return position

    def _region_end(self, at: int) -> int:
        match = syntax.REGION_END.match(self.text, at, self.end)
        if match is None:
            self.fail("expected ', {' or ')' after a region", at + 1)
        scope = self.scopes.pop()
        for label, offset in scope.forward_blocks.items():
            self.fail(f"block {label} is never defined in its region", offset)
        for name, previous in reversed(scope.undo):
            self.names[name] = previous
        operation = scope.operation
        if self.pending:
            self._raise_pending(operation)
        if match[1]:
            region = Region(operation)
            operation.regions.append(region)
            self.scopes.append(_Scope(operation, region))
            return match.end()
        return self._finish(operation, match.end())

    def _finish(self, operation: Operation, position: int) -> int:
        """What follows the regions: attributes and the signature."""
        tail: Tail
        match = syntax.TAIL.match(self.text, position, self.end)
        if match is not None:
            tail, position = cast("Tail", match.groups()), match.end()
        else:
            wide = wide_tail(self.text, position, self.end)
            if isinstance(wide, int):
                self._bad_operation(operation.offset, wide)
            tail, position = wide
        attributes, operand_types, result_types = tail
        if attributes:
            operation._attribute_text = attributes
        self._operands(operation, self.operand_texts.pop(), self._types(operand_types or ""))
        self._results(operation, self.results_text.pop(), self._result_types(result_types or "()"))
        return position

    def _raise_pending(self, operation: Operation) -> None:
        """Uses without definition leave the closed region with its depth lowered; isolated operations let none out."""
        depth = len(self.scopes)
        if operation.name in _ISOLATED:
            self._check_pending(depth + 1)
        for key, (value, level, offset) in self.pending.items():
            if level > depth:
                self.pending[key] = (value, depth, offset)

    def _check_pending(self, depth: int) -> None:
        for (name, number), (_, level, offset) in self.pending.items():
            if level >= depth:
                self.fail(f"use of undefined value {name}{f'#{number}' if number else ''}", offset)
