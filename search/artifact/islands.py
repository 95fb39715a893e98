"""An operation that has no structured form as a function of its own, in generic form.

Owns the reprinting of parsed operations. Invariant: the function takes the island's tensors in the order of its
arguments and returns the operation's results; whatever else the operation uses is computed again inside.
"""

from __future__ import annotations

from costmodel.core.errors import UnsupportedError
from costmodel.ir.mlir import Attribute, Operation, Region, Value
from costmodel.search.kernel.graph import Island
from costmodel.search.kernel.read import captured_tensors, free_values

ENTRY = "kernel"


def island_function(island: Island) -> tuple[str, tuple[str, ...]]:
    """Module text with the function `kernel`, and the buffers it takes."""
    pairs = zip(captured_tensors(island.operation), island.reads, strict=True)
    taken = [(v, name) for v, name in pairs if not _is_empty(v)]
    printer = _Printer()
    arguments = [f"{printer.define(v)}: {v.type_text}" for v, _ in taken]
    printer.operation(island.operation)
    results = [(printer.names[id(r)], r.type_text) for r in island.operation.results]
    types = ", ".join(t for _, t in results)
    kind = f"({', '.join(v.type_text for v, _ in taken)}) -> ({types})"
    lines = [
        '"builtin.module"() ({',
        f'"func.func"() <{{function_type = {kind}, sym_name = "{ENTRY}"}}> ({{',
        f"^bb0({', '.join(arguments)}):",
        *printer.lines,
        f'"func.return"({", ".join(n for n, _ in results)}) : ({types}) -> ()',
        "}) : () -> ()",
        "}) : () -> ()",
    ]
    return "\n".join(lines) + "\n", tuple(name for _, name in taken)


def _is_empty(value: Value) -> bool:
    return isinstance(value.owner, Operation) and value.owner.name == "tensor.empty" and not value.owner.operands


class _Printer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[int, str] = {}
        self._labels: dict[int, str] = {}

    def define(self, value: Value) -> str:
        """A fresh name for a value."""
        return self.names.setdefault(id(value), f"%v{len(self.names)}")

    def operand(self, value: Value) -> str:
        """The name of a value; a captured one is computed here first."""
        if id(value) not in self.names:
            owner = value.owner
            if not isinstance(owner, Operation):
                raise UnsupportedError(
                    f"an operation uses {value.name}, an argument of type {value.type_text} from outside"
                )
            self.operation(owner)
        return self.names[id(value)]

    def operation(self, op: Operation) -> None:
        """Print an operation, first what it and its regions capture."""
        for value in free_values(op):
            self.operand(value)
        self._print(op)

    def _print(self, op: Operation) -> None:
        results = ", ".join(self.define(r) for r in op.results)
        operands = ", ".join(self.names[id(v)] for v in op.operands)
        successors = f"[{', '.join(self._label(s) for s in op.successors)}]" if op.successors else ""
        properties = f" <{{{_dictionary(op.properties)}}}>" if op.properties else ""
        head = f'{results + " = " if results else ""}"{op.name}"({operands}){successors}{properties}'
        kind = f"({', '.join(v.type_text for v in op.operands)}) -> ({', '.join(r.type_text for r in op.results)})"
        attributes = f" {{{_dictionary(op.attributes)}}}" if op.attributes else ""
        if not op.regions:
            self.lines.append(f"{head}{attributes} : {kind}")
            return
        self.lines.append(f"{head} ({{")
        for index, region in enumerate(op.regions):
            if index:
                self.lines.append("}, {")
            self._region(region)
        self.lines.append(f"}}){attributes} : {kind}")

    def _label(self, block: object) -> str:
        return self._labels.setdefault(id(block), f"^bb{len(self._labels)}")

    def _region(self, region: Region) -> None:
        for block in region.blocks:
            arguments = ", ".join(f"{self.define(a)}: {a.type_text}" for a in block.args)
            if block.args or len(region.blocks) > 1:
                self.lines.append(f"{self._label(block)}({arguments}):" if arguments else f"{self._label(block)}:")
            for inner in block.operations:
                self._print(inner)


def _dictionary(attributes: dict[str, Attribute]) -> str:
    return ", ".join(k if v == "unit" else f"{k} = {v}" for k, v in attributes.items())
