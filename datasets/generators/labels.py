"""Labels of generated rows: each lowering is labelled once, and every level of it gets the answer.

Owns which row answers for which. Invariant: a label copied to a higher level names the pipeline that leads from that
level to the code that was labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.labelling import label_functions
from costmodel.datasets.labelling_cache import LabelCache

DEFAULT, SCHEDULE = "linalg-default-v1", "schedule"
_COMPILED = ("ttir", "ttgir")
"""Levels that their generator labels."""


def label_rows(
    rows: Sequence[FunctionRow], targets: Sequence[str], *, cache: LabelCache | None = None, jobs: int | None = None,
    metrics: Sequence[str] | None = None, labellers: Sequence[str] | None = None,
) -> list[LabelRow]:  # fmt: skip
    """Labels of all rows but Triton's, in canonical order; arguments as of `label_functions`."""
    answering = {_lowering(row): row for row in rows if row.level == "llvm"}
    copied = {
        row.function_id: answering[_lowering(row)]
        for row in rows
        if row.level in ("linalg", "vector", "scf") and _lowering(row) in answering
    }
    asked = [row for row in rows if row.function_id not in copied and row.level not in _COMPILED]
    if not asked or not targets:
        return []
    found = label_functions(asked, targets, cache=cache, jobs=jobs, metrics=metrics, labellers=labellers)
    by_function: dict[str, list[LabelRow]] = {}
    for label in found:
        by_function.setdefault(label.function_id, []).append(label)
    for row in rows:
        if (source := copied.get(row.function_id)) is not None:
            pipeline = SCHEDULE if row.schedule else DEFAULT
            found += [
                replace(label, function_id=row.function_id, pipeline=pipeline)
                for label in by_function[source.function_id]
            ]
    return sorted(found, key=lambda label: label.sort_key)


def _lowering(row: FunctionRow) -> tuple[object, ...]:
    """What rows of one lowering share at every level."""
    return (row.project, row.network, row.family, row.workload_id, row.schedule)
