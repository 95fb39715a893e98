"""Braces in an operation of the custom form: dictionaries, regions, and what closes them.

Owns the layer between `uses` and `bodies`. Invariant: `{` opens a region unless it holds `name = ...` or operands; what
a header binds are arguments of the region's entry block.
"""

from __future__ import annotations

import re

from costmodel.ir.mlir.custom import lexical, structured
from costmodel.ir.mlir.custom.headers import (
    bound_types,
    declare_arguments,
    declare_symbol,
    header_bindings,
    is_declaration,
    is_symbol_definition,
)
from costmodel.ir.mlir.custom.known import holds_code, inherent, later_region, pad_regions, yield_masked
from costmodel.ir.mlir.custom.scopes import Scope
from costmodel.ir.mlir.custom.state import ISOLATED_WORDS, Head
from costmodel.ir.mlir.custom.uses import UsesPart
from costmodel.ir.mlir.structure import Block, Region


class BracesPart(UsesPart):
    """Opens regions, keeps dictionaries, closes operations."""

    def _brace(self, head: Head, at: int) -> int:
        """A `{` in an operation: past a dictionary (positive), or into a region (minus the offset to go on from)."""
        text, end = self.text, self.end
        operands = lexical.OPERAND_BRACE if not head.brackets else lexical.TYPED_OPERAND_BRACE
        if operands.match(text, at, end) or (text[at - 1] == ">" and not text.startswith("{\n", at)):
            head.brackets.append("}")
            return at + 1
        dictionary = lexical.DICTIONARY.match(text, at, end)
        if dictionary is not None and not self._is_short_body(head, dictionary, text[max(head.begun, at - 20) : at]):
            stop = self._balanced(at)
            if stop > 0:
                self._dictionary(head, at, stop)
                return stop
        elif lexical.REGION.match(text, at, end):
            head.pieces.append(text[head.begun : at])
            self._open_region(head)
            return -(at + 1)
        head.brackets.append("}")
        return at + 1

    def _dictionary(self, head: Head, at: int, stop: int) -> None:
        inside, before = self.text[at + 1 : stop - 1], self.text[head.begun : at]
        head.pieces.append(before)
        head.begun = stop
        if "%" in inside:
            values = [match[1] for match in lexical.OPERAND_OR_STRING.finditer(inside) if match[1] is not None]
            head.pieces.append(f" {' '.join(values)} ")
        if not head.brackets:
            head.dictionary.append(inside)
        elif len(head.brackets) == 1 and head.operation.name.endswith("func"):
            argument = lexical.LAST_ARGUMENT.search(before)
            if argument is not None:
                head.arguments[argument[1]] = inside

    @staticmethod
    def _is_short_body(head: Head, dictionary: re.Match[str], before: str) -> bool:
        """`{ arith.addf }`, `{ scf.yield }`, `{}` of an operation that holds code: a region all the same."""
        content = dictionary[0]
        if not content.endswith("}"):
            return False
        word = content[1:-1].strip()
        if not word:
            name = head.operation.name
            return (name.endswith(ISOLATED_WORDS) or holds_code(name)) and not before.rstrip().endswith("attributes")
        short = head.operation.name in ("linalg.map", "linalg.reduce")
        return short or ("." in word and lexical.is_terminator(word)) or word == "return"

    def _open_region(self, head: Head) -> None:
        operation = head.operation
        region = Region(operation)
        operation.regions.append(region)
        bindings = self._header(head)
        if head.arguments:
            declare_arguments(operation, [head.arguments.get(name, "") for name, _ in bindings])
            head.arguments = {}
        scope = self.names.open(region, "}")
        self.heads.append(head)
        own = not head.shared or later_region(operation, head.shared)
        for name, shared in head.shared:
            if own:
                self._argument(self._entry(scope), name, shared.type_text)
            else:
                self.names.define(name, [shared])
        for name, type_text in bindings:
            value = self._argument(self._entry(scope), name, type_text)
            head.shared.append((name, value))

    @staticmethod
    def _entry(scope: Scope) -> Block:
        if scope.block is None:
            assert scope.region is not None
            scope.block = Block(None, scope.region)
            scope.region.blocks.append(scope.block)
        return scope.block

    def _header(self, head: Head) -> list[tuple[str, str]]:
        """Operands of the text read so far; what it binds for the region that opens here (name, type)."""
        operation = head.operation
        text = "".join(head.pieces)
        head.pieces = []
        if not head.header:
            head.header = text
            special = inherent(operation.name)
            if special is not None:
                special(operation, text)
            if "@" in text:
                declare_symbol(operation, text)
        uses, bindings = header_bindings(text, self.names.values)
        for use in uses:
            self.names.use(operation, use)
        if "^" in text:
            self._successors(operation, text)
        return bound_types(bindings, self.names.values)

    def _close_operation(self, head: Head, position: int) -> None:
        operation = head.operation
        rest = "".join(head.pieces)
        dictionary = ", ".join(item.strip() for item in head.dictionary if item.strip())
        if dictionary or operation.name in structured.WITH_TRAIT:
            operation._attribute_text = structured.attributes(operation, dictionary, head.header or rest)
        if operation.regions:
            bindings = self._header(head)
            for name, _ in bindings:
                self.names.use(operation, name)
            self.found.ends[operation] = position
            self._complete(operation, head.results, "", rest if ":" in rest or "->" in rest else head.header)
        else:
            if not is_declaration(operation.name, rest):
                self._uses(operation, rest)
                if "^" in rest:
                    self._successors(operation, rest)
            if "@" in rest and (is_declaration(operation.name, rest) or is_symbol_definition(operation.name)):
                declare_symbol(operation, rest)
            self._complete(operation, head.results, rest, rest)
        if head.properties:
            operation._property_text = head.properties
        pad_regions(operation)
        if operation.name.startswith("linalg."):
            structured.complete(operation, self.chunk)
        elif operation.name == "vector.mask":
            yield_masked(operation)
