"""From a data set on disk to what evaluation takes; the one place where tables, splits and evaluation meet.

Owns the join. Near-duplicates are told by `costmodel.ir.structure`: equal structure, constants erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.core.splits import Split
from costmodel.core.tables import FunctionRow
from costmodel.evaluation.cases import Cases, Fold, make_fold
from costmodel.ir.structure import near_hash
from costmodel.models.base import Array
from costmodel.models.metric_model import Needs
from costmodel.training.encodings import Told, encode_all
from costmodel.training.examples import Prepared, groups_of, hold_out, prepare
from costmodel.training.table import TrainingTable

SPLITS = ("by_family", "by_project", "by_network", "by_target")
_COLUMNS = {
    "family": "family",
    "project": "project",
    "network": "network",
    "level": "level",
    "stage": "stage",
    "workload": "workload_id",
}


def load_cases(
    table: TrainingTable, needs: Needs, *, cache: Path | None, workers: int = 1, told: Told | None = None
) -> tuple[Cases, Prepared]:
    """Read, encode and join; raises `UsageError` where no function can be read."""
    encodings = encode_all(table.functions, table.function_ids, needs, cache=cache, workers=workers, told=told)
    ready = prepare(table, encodings)
    return cases_of(ready), ready


def cases_of(ready: Prepared) -> Cases:
    """Rows of a prepared table as evaluation takes them."""
    table = ready.table
    columns = {name: table.column(column) for name, column in _COLUMNS.items()}
    return Cases(
        examples=ready.examples, values=table.values, metrics=table.metrics,
        columns={**columns, "target": table.targets.astype(str), "pipeline": table.pipelines.astype(str)},
        likeness=likeness(table.functions)[table.function],
    )  # fmt: skip


def likeness(functions: Sequence[FunctionRow]) -> Array:
    """`[N]` numbers, equal for near-duplicates."""
    hashes = [near_hash(row) for row in functions]
    return np.unique(np.array(hashes, "U64"), return_inverse=True)[1] if hashes else np.zeros(0, np.int64)


def split_groups(ready: Prepared, split: str) -> Array:
    """`[n]` names of what the split holds out together; rows without one are a group of their own.

    Raises:
        UsageError: fewer than two groups.
    """
    groups = groups_of(ready.table, split)
    names = [str(name) for name in np.unique(groups)]
    if len(names) < 2:
        kind = split.removeprefix("by_")
        raise UsageError(
            f"all rows have one {kind} ({names[0] or 'none'}), so nothing can be held out {split}; choose another split"
        )
    return groups


def own_split(ready: Prepared, split: str) -> Split | None:
    """The split that lies in the data set's folder, where it is of the kind asked for."""
    own = ready.table.split
    return own if own is not None and f"by_{own.by}" == split else None


def fold_of_seed(cases: Cases, groups: Array, share: float, seed: int, own: Split | None = None) -> Fold:
    """The test groups of the data set's own split held out, or about `share` of the rows in groups drawn by `seed`."""
    if own is None:
        return make_fold(cases, groups, hold_out(groups, share, seed), seed)
    names = ["" if name.startswith("(no ") else name for name in own.groups["test"]]
    return make_fold(cases, groups, np.isin(groups, names), seed)
