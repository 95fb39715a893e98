"""Several data sets into one: equal functions once, licences kept, labels of both.

Owns what wins. Invariant: independent of the order in which the data sets are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from costmodel.core.errors import UsageError
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.dedup import drop_by
from costmodel.datasets.store import Dataset
from costmodel.ir.structure import structural_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The rows of the merged data set."""

    functions: list[FunctionRow]
    labels: list[LabelRow]
    dropped: int
    """Functions that were structurally equal to one that stays."""


def merge(datasets: Sequence[Dataset]) -> Merged:
    """Merge; structurally equal functions of one level and stage become one, which keeps its own licence and labels.

    Raises:
        UsageError: two data sets give different values for one label of one function by one tool.
    """
    rows = [row for data in datasets for row in data.function_rows()]
    kept = drop_by(rows, lambda row: (row.format, row.level, row.stage, row.workload_id, structural_hash(row)))
    ids = {row.function_id for row in kept}
    labels: dict[tuple[str, ...], LabelRow] = {}
    for data in datasets:
        for label in data.label_rows():
            if label.function_id not in ids:
                continue
            first = labels.setdefault(label.sort_key, label)
            if not _agree(first, label):
                raise UsageError(
                    f"function {label.function_id}: {label.metric} on {label.target} is {first.value} by "
                    f"{first.tool} {first.tool_version} in one data set and {label.value} in another; label them anew"
                )
    return Merged(functions=kept, labels=list(labels.values()), dropped=len(rows) - len(kept))


def _agree(first: LabelRow, second: LabelRow) -> bool:
    """Measured labels differ from run to run; the first named stays."""
    return first.value == second.value or (first.device is not None and first.device == second.device)
