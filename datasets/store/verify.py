"""Checking a data set: files against the manifest, rows against their ids, labels against the tools.

Owns what is compared. Invariant: changes nothing. Labels are made anew for a sample only; measured ones are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.store.read import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check found; all is well where `problems` is empty."""

    problems: tuple[str, ...]
    functions: int
    relabelled: int
    """Labels that were made again and compared."""
    skipped: int
    """Labels of the sample that this machine's tools do not give in the version recorded."""


def verify(dataset: Dataset, *, sample: int, seed: int, jobs: int | None = None) -> Verdict:
    """Compare files with the manifest and, of `sample` functions, every reproducible label exactly."""
    problems = [f"{name} {what}" for name, what in dataset.damaged().items()]
    if problems:
        return Verdict(problems=tuple(problems), functions=0, relabelled=0, skipped=0)
    rows = list(dataset.function_rows())
    stored = list(dataset.column("function_id"))
    problems += [
        f"function {identity} has other content than its id says"
        for row, identity in zip(rows, stored, strict=True)
        if row.function_id != identity
    ]
    chosen = _sample(rows, list(dataset.label_rows()), sample, seed)
    again, compared, skipped = _relabel(*chosen, jobs)
    return Verdict(problems=(*problems, *again), functions=len(rows), relabelled=compared, skipped=skipped)


def _sample(
    rows: Sequence[FunctionRow], labels: Sequence[LabelRow], sample: int, seed: int
) -> tuple[list[FunctionRow], list[LabelRow]]:
    reproducible = [label for label in labels if label.device is None]
    labelled = {label.function_id for label in reproducible}
    candidates = [row for row in rows if row.function_id in labelled]
    count = min(sample, len(candidates))
    picked = sorted(np.random.default_rng(seed).choice(len(candidates), size=count, replace=False)) if count else []
    kept = [candidates[index] for index in picked]
    ids = {row.function_id for row in kept}
    return kept, [label for label in reproducible if label.function_id in ids]


def _relabel(rows: Sequence[FunctionRow], labels: Sequence[LabelRow], jobs: int | None) -> tuple[list[str], int, int]:
    if not rows:
        return [], 0, 0
    from costmodel.datasets.labelling import label_functions

    fresh: dict[tuple[str, ...], LabelRow] = {}
    for target, tools in sorted(_tools(labels).items()):
        wanted = {label.function_id for label in labels if label.target == target}
        made = label_functions([row for row in rows if row.function_id in wanted], [target], jobs=jobs)
        fresh.update({label.sort_key: label for label in made if label.tool in tools})
    problems, compared, skipped = [], 0, 0
    for label in labels:
        other = fresh.get(label.sort_key)
        if other is None or other.tool_version != label.tool_version:
            skipped += 1
            continue
        compared += 1
        if other.value != label.value:
            problems.append(
                f"{label.metric} of {label.function_id} on {label.target} by {label.tool} is {label.value} in the data "
                f"set and {other.value} now"
            )
    return problems, compared, skipped


def _tools(labels: Sequence[LabelRow]) -> dict[str, set[str]]:
    tools: dict[str, set[str]] = {}
    for label in labels:
        tools.setdefault(label.target, set()).add(label.tool)
    return tools
