"""The one program form: what every reader returns and every predictor takes.

Owns `Program`, `Function`, `Diagnostic`. Invariant: a function at level "graph" has an operation tree whose operands
are resolved; at level "tokens" it has text only, and `graph()` and `features()` refuse with a remedy.
Does not read files (`reading` does) and knows no input format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from costmodel.core.errors import Location, ParseError, UnsupportedError
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Region, Source

if TYPE_CHECKING:
    from costmodel.ir.features import StaticFeatures
    from costmodel.ir.graph import ProgramGraph

Level = Literal["graph", "tokens"]
MODULE_NAME = "<module>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """Something a reader could not do, with its place."""

    location: Location
    message: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Function:
    """One function of a program, or the whole of it under the name `<module>`.

    `operation` is the function's own operation, None at level "tokens", where `text` holds the source. `share` is what
    the reader resolved of its operands.
    """

    name: str
    operation: Operation | None
    text: str = ""
    share: float = 1.0

    @property
    def level(self) -> Level:
        """Either "graph" or "tokens"."""
        return "tokens" if self.operation is None else "graph"

    @property
    def ops(self) -> int:
        """Operations strictly inside, terminators included; 0 at level "tokens"."""
        return 0 if self.operation is None else sum(1 for _ in self.operation.walk()) - 1

    @property
    def resolved(self) -> float:
        """Share of operands that resolve to their definitions: at least 0.99 at level "graph", 0 at level "tokens"."""
        return 0.0 if self.operation is None else self.share

    def graph(self) -> ProgramGraph:
        """The function as arrays; Raises `UnsupportedError` at level "tokens"."""
        from costmodel.ir.graph import build_graph

        return build_graph(self._tree("graph"))

    def tokens(self, scheme: str, *, seed: int | None = None) -> list[str]:
        """Tokens under `scheme` (see `tokens.SCHEMES`); a seed draws random numbers for anonymized names."""
        from costmodel.ir.tokens import tokenize_operation, tokenize_text

        if self.operation is None:
            return tokenize_text(self.text, scheme, seed=seed)
        return tokenize_operation(self.operation, scheme, seed=seed)

    def features(self, *, simplify: bool = False) -> StaticFeatures:
        """Static features, or those of the plain form (`extract_features`).

        Raises `UnsupportedError` at level "tokens", `ParseError` for an attribute that is none.
        """
        from costmodel.ir.features import extract_features

        operation = self._tree("features")
        try:
            return extract_features(operation, simplify=simplify)
        except ParseError as error:
            if error.location is not None:
                raise
            raise ParseError(str(error), location=operation.location) from None

    def _tree(self, wanted: str) -> Operation:
        if self.operation is None:
            raise UnsupportedError(
                f"function {self.name!r} was read as tokens only, so it has no {wanted}; "
                "give the generic form (mlir-opt -mlir-print-op-generic) or see the program's diagnostics"
            )
        return self.operation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """A program read from some format.

    `format` is the reader's name, `producer` the tool that the text itself names (None when it does not say),
    `sha256` the hash of the input's bytes.
    """

    format: str
    level: Level
    producer: str | None
    functions: tuple[Function, ...]
    diagnostics: tuple[Diagnostic, ...]
    sha256: str

    def graph(self) -> ProgramGraph:
        """All functions as one graph, with call edges; Raises `UnsupportedError` if one is at level "tokens"."""
        from costmodel.ir.graph import build_program_graph

        return build_program_graph([function._tree("graph") for function in self.functions])

    def function(self, name: str) -> Function:
        """The function called `name`; Raises `UnsupportedError` listing those there are."""
        for function in self.functions:
            if function.name == name:
                return function
        names = ", ".join(function.name for function in self.functions[:20])
        raise UnsupportedError(f"no function {name!r} in this program; there are: {names}")

    def entry(self, name: str) -> Function:
        """The function called `name`, the first one where none is."""
        return next((function for function in self.functions if function.name == name), self.functions[0])


def functions_of(module: MlirModule) -> tuple[Function, ...]:
    """Operations with a symbol and a body, named modules being looked into; one `<module>` where there is none."""
    found = [
        Function(name=operation.symbol or "", operation=operation) for operation in _with_bodies(module.operations)
    ]
    return tuple(found) if found else (Function(name=MODULE_NAME, operation=_whole(module)),)


def _with_bodies(operations: Iterable[Operation]) -> Iterator[Operation]:
    stack = list(operations)[::-1]
    while stack:
        operation = stack.pop()
        if operation.name.rpartition(".")[2] == "module":
            inside = [inner for region in operation.regions for block in region.blocks for inner in block.operations]
            stack.extend(reversed(inside))
        elif any(region.blocks for region in operation.regions) and operation.symbol is not None:
            yield operation


def _whole(module: MlirModule) -> Operation:
    if len(module.operations) == 1:
        return module.operations[0]
    whole = Operation("builtin.module", 0, Chunk(Source("", module.source.file)), None)
    region = Region(whole)
    block = Block(None, region)
    block.operations = list(module.operations)
    region.blocks.append(block)
    whole.regions.append(region)
    return whole
