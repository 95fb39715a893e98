"""A writer of MLIR text: SSA names, hoisted constants, and common subexpressions within a scope.

Owns syntax only; knows nothing of schedules. Invariant: a memoised name is only handed out inside the region in which
it was defined, or in regions nested in that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from costmodel.search.kernel.literals import literal


class Text:
    """Collects lines of one function body. Not thread-safe; one instance for each function."""

    def __init__(self) -> None:
        self.header: list[str] = []
        self.lines: list[str] = []
        self._count = 0
        self._constants: dict[tuple[str, str], str] = {}
        self._memo: list[dict[str, str]] = [{}]

    def name(self) -> str:
        """A fresh SSA name."""
        self._count += 1
        return f"%{self._count}"

    def line(self, text: str) -> None:
        """Append a line as it is."""
        self.lines.append(text)

    def op(self, text: str, result_type: str) -> str:
        """Append `%n = text` unless an equal pure operation is visible already; return the name."""
        key = f"{text} -> {result_type}"
        for scope in reversed(self._memo):
            if key in scope:
                return scope[key]
        name = self.effect(text)
        self._memo[-1][key] = name
        return name

    def effect(self, text: str) -> str:
        """Append `%n = text` always (loads, loops); return the name."""
        name = self.name()
        self.lines.append(f"{name} = {text}")
        return name

    def const(self, value: float | int, type_: str) -> str:
        """The hoisted constant of a scalar or (splat) vector type."""
        element = type_.split("x")[-1].rstrip(">") if type_.startswith("vector") else type_
        text = literal(value, element)
        dense = f"dense<{text}>" if type_.startswith("vector") else text
        return self.constant(f"arith.constant {dense}" + ("" if type_ == "i1" else f" : {type_}"), type_)

    def index(self, value: int) -> str:
        """The hoisted index constant."""
        return self.const(value, "index")

    def constant(self, text: str, type_: str) -> str:
        """Any hoisted operation without operands."""
        key = (text, type_)
        if key not in self._constants:
            name = self.name()
            self.header.append(f"{name} = {text}")
            self._constants[key] = name
        return self._constants[key]

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A region: what is memoised inside is forgotten outside."""
        self._memo.append({})
        try:
            yield
        finally:
            self._memo.pop()

    # -- index arithmetic ------------------------------------------------------------------------------------

    def add(self, a: str | None, b: str | None) -> str | None:
        """Sum of two index values, None standing for zero."""
        if a is None or b is None:
            return a or b
        return self.op(f"arith.addi {a}, {b} overflow<nsw> : index", "index")

    def scaled(self, a: str | None, factor: int) -> str | None:
        """`a * factor`, None standing for zero."""
        if a is None or factor == 0:
            return None
        return a if factor == 1 else self.op(f"arith.muli {a}, {self.index(factor)} overflow<nsw> : index", "index")

    def offset(self, a: str | None, const: int) -> str:
        """`a + const` as an index value."""
        if a is None:
            return self.index(const)
        return a if const == 0 else self.op(f"arith.addi {a}, {self.index(const)} overflow<nsw> : index", "index")
