"""Labelling inside a worker: a batch of functions, one target, some labellers.

Owns the order of work within a batch and the turning of errors into causes. LLVM may abort the process on foreign
input: `costmodel.datasets.labelling` sends batches here and takes them apart when that happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from costmodel.core.errors import CostModelError, ParseError
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.labellers import LABELLERS, Answer, Labeller, Value
from costmodel.datasets.labellers.causes import cause_of
from costmodel.datasets.labellers.compiled import Compiled, Unit
from costmodel.datasets.labelling_lower import Lowered, lower_row
from costmodel.toolchain.retarget import symbol_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A module of LLVM IR and those of its functions that are labelled.

    `alone`: the others may vanish. Without `middle_end` it is compiled as it is.
    """

    text: str
    entries: tuple[str, ...]
    alone: bool = False
    middle_end: bool = True


Labels = dict[str, Answer]
"""Labeller to its answer, of one function."""


def lower_rows(rows: Sequence[FunctionRow], pipelines: Sequence[str]) -> list[Lowered]:
    """LLVM IR of each row by its pipeline, or the cause why there is none."""
    return [lower_row(row, pipeline) for row, pipeline in zip(rows, pipelines, strict=True)]


def label_batch(items: Sequence[Item], target_name: str, names: Sequence[str]) -> list[dict[str, Labels]]:
    """For each item, entry to labels."""
    target = Target.parse(target_name)
    functions, causes = _compile(items, target)
    labels: list[dict[str, Labels]] = [{entry: {} for entry in item.entries} for item in items]
    for name in names:
        labeller = cast(Labeller, LABELLERS.get(name)())
        answers = _ask(labeller, list(functions.values()), target)
        for (index, entry), answer in zip(functions, answers, strict=True):
            labels[index][entry][name] = answer
        for (index, entry), cause in causes.items():
            labels[index][entry][name] = dict.fromkeys(labeller.gives[target.arch], Value(cause=cause))
    return labels


Key = tuple[int, str]


def _compile(items: Sequence[Item], target: Target) -> tuple[dict[Key, Compiled], dict[Key, str]]:
    functions: dict[Key, Compiled] = {}
    causes: dict[Key, str] = {}
    for index, item in enumerate(items):
        for entry, found in _compile_one(item, target).items():
            if isinstance(found, Compiled):
                functions[index, entry] = found
            else:
                causes[index, entry] = found
    return functions, causes


def _compile_one(item: Item, target: Target) -> dict[str, Compiled | str]:
    """Each entry's code or cause. Where the module as a whole is refused, each entry is compiled without the others."""
    unit = Unit(item.text, target, frozenset(item.entries) if item.alone else None, middle_end=item.middle_end)
    try:
        defined = unit.defined
        unit.assembly  # noqa: B018 - what LLVM refuses, it refuses here
    except CostModelError as error:
        if item.alone or isinstance(error, ParseError):
            return dict.fromkeys(item.entries, cause_of(error))
        found: dict[str, Compiled | str] = {}
        for entry in item.entries:
            found.update(_compile_one(replace(item, entries=(entry,), alone=True), target))
        return found
    missing = "compile_error: the module defines no function"
    return {
        entry: Compiled(unit=unit, name=symbol) if symbol in defined else f"{missing} {entry!r}"
        for entry in item.entries
        for symbol in [symbol_of(entry, target.arch)]
    }


def _ask(labeller: Labeller, functions: list[Compiled], target: Target) -> list[Answer]:
    """All at once; where the tool fails as a whole, in halves, until the function that breaks it is alone."""
    if not functions:
        return []
    try:
        return labeller.label(functions, target)
    except CostModelError as error:
        if len(functions) == 1:
            return [dict.fromkeys(labeller.gives[target.arch], Value(cause=cause_of(error)))]
    middle = len(functions) // 2
    return _ask(labeller, functions[:middle], target) + _ask(labeller, functions[middle:], target)
