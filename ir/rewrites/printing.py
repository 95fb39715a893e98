"""The generic form of MLIR, printed from our operation tree.

Owns `print_generic`. Invariant: `parse_generic(print_generic(operations))` has the same operations, operands, types,
attributes and blocks; aliases are written out, locations and comments are not kept. No recursion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from costmodel.ir.mlir.attributes import Attribute
from costmodel.ir.mlir.structure import Block, MlirModule, Operation, Value

_BARE = re.compile(r"[A-Za-z_][\w$.]*")
Layout = Callable[[], str]
"""Gives the space at each place where the grammar allows any."""


class Style:
    """Names and layout of a print; the default is `%0`, `^bb0`, two spaces."""

    def value_name(self, number: int) -> str:
        """Name of value group `number`, without `%`."""
        return str(number)

    def block_name(self, number: int) -> str:
        """Label of block `number`, without `^`."""
        return f"bb{number}"

    def newline(self, depth: int) -> str:
        """What stands before an operation `depth` regions deep."""
        return "\n" + "  " * depth

    def space(self) -> str:
        """What stands where one space is usual."""
        return " "

    def entries(self, dictionary: Mapping[str, Attribute]) -> list[tuple[str, Attribute]]:
        """Attributes in the order to print."""
        return list(dictionary.items())

    def location(self) -> str:
        """What follows an operation: nothing, or ` loc(...)`."""
        return ""


def print_module(module: MlirModule, style: Style | None = None) -> str:
    """A whole module's text, with its resource section."""
    text = print_generic(module.operations, style)
    if module.resource_span is not None:
        first, last = module.resource_span
        text += "\n" + module.source.text[first : last + 3] + "\n"
    return text


def print_generic(operations: Iterable[Operation], style: Style | None = None) -> str:
    """Text of top-level operations and all inside them."""
    return _Printer(style or Style()).run(list(operations))


class _Printer:
    """Writes pieces; the stack holds operations, blocks and text still to come."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.pieces: list[str] = []
        self.names: dict[Value, str] = {}
        self.labels: dict[Block, str] = {}
        self.groups = 0

    def run(self, operations: list[Operation]) -> str:
        stack: list[tuple[Operation | Block | str, int]] = [(operation, 0) for operation in reversed(operations)]
        while stack:
            item, depth = stack.pop()
            if isinstance(item, str):
                self.pieces.append(item)
            elif isinstance(item, Block):
                self._label(item, depth)
                stack.extend((operation, depth) for operation in reversed(item.operations))
            else:
                stack.extend(reversed(self._operation(item, depth)))
        return "".join(self.pieces).lstrip("\n") + "\n"

    def _name(self, value: Value) -> str:
        found = self.names.get(value)
        if found is None:
            owner = value.owner
            group = owner.results if isinstance(owner, Operation) else [value]
            name = f"%{self.style.value_name(self.groups)}"
            self.groups += 1
            for index, member in enumerate(group):
                self.names[member] = f"{name}#{index}" if len(group) > 1 else name
            found = self.names.setdefault(value, name)
        return found

    def _block_label(self, block: Block) -> str:
        found = self.labels.get(block)
        if found is None:
            found = self.labels[block] = f"^{self.style.block_name(len(self.labels))}"
        return found

    def _label(self, block: Block, depth: int) -> None:
        if block is block.parent.blocks[0] and not block.args and block not in self.labels and block.label is None:
            return
        space = self.style.space
        text = self.style.newline(depth - 1) + self._block_label(block)
        if block.args:
            args = [f"{self._name(value)}:{space()}{value.type_text}" for value in block.args]
            text += "(" + f",{space()}".join(args) + ")"
        self.pieces.append(text + ":")

    def _operation(self, operation: Operation, depth: int) -> list[tuple[Operation | Block | str, int]]:
        """What the operation consists of, in order: text up to its regions, their blocks, the rest."""
        space = self.style.space
        head = self.style.newline(depth)
        if operation.results:
            name = self._name(operation.results[0]).partition("#")[0]
            count = len(operation.results)
            head += (f"{name}:{count}" if count > 1 else name) + f"{space()}={space()}"
        operands = f",{space()}".join([self._name(value) for value in operation.operands])
        head += f'"{operation.name}"({operands})'
        if operation.successors:
            labels = f",{space()}".join(self._block_label(block) for block in operation.successors)
            head += f"{space()}[{labels}]"
        if operation.properties:
            head += f"{space()}<{{{self._dictionary(operation.properties)}}}>"
        tail = f"{space()}{{{self._dictionary(operation.attributes)}}}" if operation.attributes else ""
        tail += f"{space()}:{space()}({', '.join(value.type_text for value in operation.operands)})"
        tail += f"{space()}->{space()}{self._results(operation)}{self.style.location()}"
        parts: list[tuple[Operation | Block | str, int]] = [(head, depth)]
        for index, region in enumerate(operation.regions):
            parts.append((f"{space()}({{" if index == 0 else f",{space()}{{", depth))
            parts.extend((block, depth + 1) for block in region.blocks)
            parts.append((self.style.newline(depth) + "}", depth))
        parts.append((f"){tail}" if operation.regions else tail, depth))
        return parts

    @staticmethod
    def _results(operation: Operation) -> str:
        types = [value.type_text for value in operation.results]
        return types[0] if len(types) == 1 and "->" not in types[0] else f"({', '.join(types)})"

    def _dictionary(self, dictionary: Mapping[str, Attribute]) -> str:
        parts: list[str] = []
        for name, value in self.style.entries(dictionary):
            key = name if _BARE.fullmatch(name) else f'"{name}"'
            parts.append(key if value == "unit" else f"{key}{self.style.space()}={self.style.space()}{value}")
        return f",{self.style.space()}".join(parts)
