"""From what the direct reader found to functions, each at the level that its resolved share allows.

Owns the share: operands that found their definition over all operands, a statement that could not be read counting as
one that did not. Invariant: a function below `GRAPH_SHARE` keeps its text only, and a diagnostic says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.ir.mlir.custom import CustomModule
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.program import MODULE_NAME, Diagnostic, Function, functions_of

GRAPH_SHARE = 0.99
_MAX_DIAGNOSTICS = 100


@dataclass(slots=True)
class _Trouble:
    count: int = 0
    structural: bool = False
    offset: int = -1
    message: str = ""

    def add(self, offset: int, message: str, structural: bool) -> None:
        self.count += 1
        self.structural = self.structural or structural
        if self.offset < 0 or (structural and not self.message.startswith("the text ends")):
            self.offset, self.message = offset, message


def levelled(found: CustomModule) -> tuple[tuple[Function, ...], tuple[Diagnostic, ...]]:
    """Functions of the text, at level "graph" where the share is reached and at level "tokens" elsewhere."""
    functions = functions_of(found.module)
    if not found.unresolved and not found.problems:
        return functions, ()
    owners: dict[Operation, int] = {}
    for index, function in enumerate(functions):
        if function.operation is not None:
            owners[function.operation] = index
    troubles = _troubles(found, functions, owners)
    made: list[Function] = []
    diagnostics: list[Diagnostic] = []
    for index, function in enumerate(functions):
        trouble = troubles.get(index)
        if trouble is None:
            made.append(function)
            continue
        made.append(_judged(found, function, trouble))
        if len(diagnostics) < _MAX_DIAGNOSTICS:
            location = found.module.source.location(min(trouble.offset, len(found.module.source.text)))
            diagnostics.append(Diagnostic(location=location, message=f"{function.name}: {trouble.message}"))
    return tuple(made), tuple(diagnostics)


def _troubles(
    found: CustomModule, functions: tuple[Function, ...], owners: dict[Operation, int]
) -> dict[int, _Trouble]:
    """What went wrong, by function; what lies outside all of them counts for the one before it."""
    troubles: dict[int, _Trouble] = {}
    for operation, number in found.unresolved:
        index = _owner(operation, owners)
        name = operation.operands[number].name if number < len(operation.operands) else "a value"
        message = f"{name}, an operand of {operation.name!r}, is never defined"
        troubles.setdefault(index, _Trouble()).add(operation.offset, message, False)
    starts = [function.operation.offset if function.operation is not None else 0 for function in functions]
    for offset, message in found.problems:
        index = max(sum(start <= offset for start in starts) - 1, 0) if len(starts) < 1000 else 0
        troubles.setdefault(index, _Trouble()).add(offset, message, "ends inside" in message)
    return troubles


def _owner(operation: Operation, owners: dict[Operation, int]) -> int:
    """Function that holds the operation; the way there is remembered."""
    path: list[Operation] = []
    current: Operation | None = operation
    while current is not None and current not in owners:
        path.append(current)
        current = current.parent.parent.parent if current.parent is not None else None
    found = owners[current] if current is not None else 0
    owners.update(dict.fromkeys(path, found))
    return found


def _judged(found: CustomModule, function: Function, trouble: _Trouble) -> Function:
    operation = function.operation
    assert operation is not None
    total = sum(len(inner.operands) for inner in operation.walk()) + trouble.count
    share = 1.0 - trouble.count / total
    if share >= GRAPH_SHARE and not trouble.structural:
        return Function(name=function.name, operation=operation, share=share)
    text = found.module.source.text
    whole = function.name == MODULE_NAME
    stop = len(text) if whole else found.ends.get(operation, len(text))
    start = 0 if whole else text.rfind("\n", 0, operation.offset) + 1
    return Function(name=function.name, operation=None, text=text[start:stop])
