"""From a table to what models take: encodings, contexts, targets and groups, row by row.

Owns the join of encodings with rows. Rows of functions that cannot be read are dropped, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.models.base import Array
from costmodel.models.context import SCHEDULE_PIPELINE, context_names, context_rows
from costmodel.models.examples import Encoding, Examples
from costmodel.models.realised import Block
from costmodel.training.encodings import Unreadable, row_blocks
from costmodel.training.table import TrainingTable

BY = {"by_family": "family", "by_project": "project", "by_network": "network", "by_target": "", "by_function": ""}
"""What is held out together, by the name of the split; the column of the functions that numbers it."""
UNREALISED = ("linalg", "tensor")
"""Levels at which a schedule says something that the code does not: below, it is in the code already."""
COUNTED = (*UNREALISED, "affine", "scf", "vector", "memref")
"""Levels whose blocks of code are counted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A table with its rows encoded; `dropped` counts functions without an encoding by cause."""

    table: TrainingTable
    examples: Examples
    dropped: dict[str, int]

    def question(self, i: int) -> tuple[FunctionRow, Target, str, str | None]:
        """What row `i` asks: a function, its target, pipeline and schedule."""
        row, pipeline = self.table.functions[self.table.function[i]], str(self.table.pipelines[i])
        return row, Target.parse(str(self.table.targets[i])), pipeline, schedule_of(row, pipeline)


def prepare(table: TrainingTable, encodings: Sequence[Encoding | Unreadable]) -> Prepared:
    """Join `encodings[N]`, one for each function of the table, with its rows.

    Raises:
        UsageError: no function could be read.
        UnknownNameError: a target that this version does not know.
    """
    readable = np.array([isinstance(encoding, Encoding) for encoding in encodings], bool)
    causes = Counter(e.cause.partition(": ")[2][:80] or e.cause[:80] for e in encodings if isinstance(e, Unreadable))
    if not readable.any():
        raise UsageError(
            f"none of the {len(encodings)} functions could be read; the first says: {next(iter(causes), '')}"
        )
    kept = table.take(readable[table.function])
    place = dict(zip(table.function_ids, encodings, strict=True))
    found = [e for function_id in kept.function_ids if isinstance(e := place[function_id], Encoding)]
    return Prepared(table=kept, examples=_examples(kept, found), dropped=dict(causes))


def schedule_of(row: FunctionRow, pipeline: str) -> str | None:
    """The schedule that a row through `pipeline` is asked about under: none where it is in the code already."""
    return row.schedule if pipeline == SCHEDULE_PIPELINE and row.level in UNREALISED else None


def _examples(table: TrainingTable, encodings: Sequence[Encoding]) -> Examples:
    targets = {name: Target.parse(name) for name in sorted(set(table.targets.tolist()))}
    rows, blocks, known = [], [], dict[tuple[int, bool], tuple[Block, ...]]()
    for function, target, pipeline in zip(table.function, table.targets, table.pipelines, strict=True):
        row = table.functions[function]
        schedule = schedule_of(row, str(pipeline))
        rows.append((targets[str(target)], str(pipeline), schedule))
        key = function, schedule is None
        if key not in known:
            known[key] = row_blocks(row, schedule) if row.level in COUNTED else ()
        blocks.append(known[key])
    return Examples(
        encodings=encodings, program=table.function, context=context_rows(rows, blocks), context_names=context_names(),
        archs=np.array([targets[str(name)].arch for name in table.targets]),
    )  # fmt: skip


def groups_of(table: TrainingTable, split: str) -> Array:
    """`[n]` names of what a split holds out together; raises `UsageError` for an unknown split."""
    if split not in BY:
        raise UsageError(f"unknown split {split!r}; known: {', '.join(BY)}")
    if split == "by_target":
        return table.targets
    if split == "by_function":
        return np.array(table.function_ids)[table.function]
    return table.column(BY[split])


def hold_out(groups: Array, share: float, seed: int) -> Array:
    """Mask `[n]` of whole groups that hold about `share` of the rows, drawn by `seed`; none for a share of 0.

    Raises:
        UsageError: there are not two groups to tell apart.
    """
    names, index = np.unique(groups, return_inverse=True)
    if share <= 0:
        return np.zeros(len(groups), bool)
    if len(names) < 2:
        raise UsageError(f"the split needs two groups at least, there is only {names[0]!r}; choose another split")
    order = np.random.default_rng(seed).permutation(len(names))
    filled = np.cumsum(np.bincount(index)[order])
    count = int(np.searchsorted(filled, share * len(groups), side="left")) + 1
    return np.isin(index, order[: min(count, len(names) - 1)])
