"""Names and what they stand for while the custom form is read.

Owns the binding of `%names` to values and of `^labels` to blocks, region by region. Invariant: a use finds the value of
the innermost definition, before or after it; what no definition claims stays without owner and is counted.
"""

from __future__ import annotations

from costmodel.ir.mlir.structure import Block, Operation, Region, Value

Use = tuple[Operation, int]


class Scope:
    """One open region: its current block, blocks by label, names to restore and uses that wait for a definition."""

    __slots__ = ("bare", "block", "closer", "forward_blocks", "indent", "labels", "pending", "region", "undo")

    def __init__(self, region: Region | None, closer: str) -> None:
        self.region = region
        self.closer = closer
        self.block: Block | None = None
        self.labels: dict[str, Block] = {}
        self.forward_blocks: dict[str, int] = {}
        self.undo: list[tuple[str, list[Value] | None]] = []
        self.pending: dict[tuple[str, int], list[Use]] = {}
        self.indent = -1
        self.bare = False


class Names:
    """All names visible at one place of the text."""

    def __init__(self) -> None:
        self.values: dict[str, list[Value] | None] = {}
        self.scopes: list[Scope] = [Scope(None, "")]
        self.unresolved: list[Use] = []

    @property
    def scope(self) -> Scope:
        """The innermost open region."""
        return self.scopes[-1]

    def use(self, operation: Operation, text: str) -> None:
        """Add `%x` or `%x#1` to the operands."""
        operands = operation.operands
        values = self.values.get(text)
        if values is not None:
            operands.append(values[0])
            return
        name, mark, index = text.partition("#")
        number = int(index) if mark else 0
        values = self.values.get(name)
        if values is not None and number < len(values):
            operands.append(values[number])
            return
        self.scopes[-1].pending.setdefault((name, number), []).append((operation, len(operands)))
        operands.append(Value(name, "", None, number))

    def define(self, name: str, values: list[Value]) -> None:
        """Bind a name in the innermost region; uses seen earlier get the definition."""
        scope = self.scopes[-1]
        if scope.pending:
            for number, value in enumerate(values):
                for operation, index in scope.pending.pop((name, number), ()):
                    operation.operands[index] = value
        scope.undo.append((name, self.values.get(name)))
        self.values[name] = values

    def open(self, region: Region, closer: str) -> Scope:
        """Enter a region."""
        scope = Scope(region, closer)
        self.scopes.append(scope)
        return scope

    def close(self, isolated: bool) -> Scope:
        """Leave the innermost region: names go, uses without definition wait in the region around it."""
        scope = self.scopes.pop()
        for name, previous in reversed(scope.undo):
            self.values[name] = previous
        if not scope.pending:
            return scope
        if isolated:
            for uses in scope.pending.values():
                self.unresolved.extend(uses)
            return scope
        outer = self.scopes[-1]
        if len(outer.pending) < len(scope.pending):
            outer.pending, scope.pending = scope.pending, outer.pending
        for key, uses in scope.pending.items():
            found = outer.pending.get(key)
            if found is None:
                outer.pending[key] = uses
            else:
                found.extend(uses)
        return scope

    def block(self, label: str, offset: int) -> Block:
        """The block a successor names, made when first met."""
        scope = self.scopes[-1]
        block = scope.labels.get(label)
        if block is None:
            assert scope.region is not None
            block = scope.labels[label] = Block(label, scope.region)
            scope.forward_blocks[label] = offset
        return block
