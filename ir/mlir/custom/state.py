"""What the reader of the custom form keeps while it reads one part of a text, and what comes of it.

Owns the open operations and the names in sight. Invariant: whatever cannot be read is counted and, up to a limit,
reported; failed searches for a closing bracket have a budget of characters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import resolve_aliases
from costmodel.ir.mlir.custom.scopes import Names, Use
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Value

_MAX_PROBLEMS = 100
MAX_FAILED = 4_000_000
"""Characters that failed searches for a closing bracket may take in all."""
ISOLATED_WORDS = ("func", "module", "component", "executable", "class", "machine")
"""Last words of operations whose regions see no value from outside."""


@dataclass(slots=True)
class CustomModule:
    """What was read: the tree, where each operation with a region ends, and what went wrong (offset, message)."""

    module: MlirModule
    ends: dict[Operation, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    unresolved: list[Use] = field(default_factory=list)
    skipped: int = 0


class Head:
    """An operation under way: brackets open in it, pieces of its own text, how much of it was looked through."""

    __slots__ = (
        "arguments",
        "begun",
        "brackets",
        "dictionary",
        "header",
        "indent",
        "operation",
        "pieces",
        "properties",
        "results",
        "shared",
        "start",
    )

    def __init__(self, operation: Operation, results: str | None, start: int, indent: int) -> None:
        self.operation = operation
        self.results = results
        self.start = self.begun = start
        self.indent = indent
        self.header = ""
        self.brackets: list[str] = []
        self.pieces: list[str] = []
        self.dictionary: list[str] = []
        self.properties = ""
        self.arguments: dict[str, str] = {}
        self.shared: list[tuple[str, Value]] = []


class Part:
    """State of reading one `// -----` part; the layers above add how."""

    def __init__(self, found: CustomModule, start: int, end: int) -> None:
        self.found = found
        self.module = found.module
        self.text = found.module.source.text
        self.start = start
        self.end = end
        self.chunk = Chunk(found.module.source)
        self.names = Names()
        self.heads: list[Head | None] = [None]
        self.types: dict[tuple[str, str, int], list[str]] = {}
        self.line_start = self.line_end = start - 1
        self.failed = self.declared = 0
        self.typed_by_text = True
        """whether the text alone gave the types of the last results, not the operands"""

    def problem(self, offset: int, message: str) -> None:
        """Note what cannot be read."""
        self.found.skipped += 1
        if len(self.found.problems) < _MAX_PROBLEMS:
            self.found.problems.append((offset, message))

    def _balanced(self, at: int) -> int:
        """Offset past the bracket that closes the one at `at`, or -1; failed searches have a budget of characters."""
        if self.failed > MAX_FAILED:
            return -1
        stop = syntax.balanced_end(self.text, at, self.end)
        if stop < 0:
            self.failed += self.end - at
        return stop

    def _argument(self, block: Block, name: str, type_text: str) -> Value:
        type_text = resolve_aliases(syntax.drop_location(type_text).strip(), self.chunk.aliases)
        value = Value(name, type_text, block, len(block.args))
        block.args.append(value)
        self.names.define(name, [value])
        return value

    def _new(self, name: str, offset: int) -> Operation:
        scope = self.names.scope
        if scope.region is None:
            operation = Operation(name, offset, self.chunk, None)
            self.module.operations.append(operation)
            return operation
        block = scope.block
        if block is None:
            block = scope.block = Block(None, scope.region)
            scope.region.blocks.append(block)
        operation = Operation(name, offset, self.chunk, block)
        block.operations.append(operation)
        return operation
