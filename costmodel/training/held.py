"""Which rows are learned from and which are tested on.

Owns the hold-out of a training run. Invariant: no function stands on both sides of a split by family, project, network
or function, nor does a near-duplicate (equal structure, constants erased). The split that lies in the data set's folder
decides where it is of the kind asked for; else whole groups are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.core.splits import SPLIT_FILE, Split
from costmodel.ir.structure import near_hash
from costmodel.models.base import Array
from costmodel.training.examples import groups_of, hold_out
from costmodel.training.table import TrainingTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Masks `[n]` over the rows of a table; a row may be in neither."""

    train: Array
    test: Array
    origin: str
    """`split.json` or `seed`."""
    refused: int = 0
    """Rows in neither: near-duplicates of functions on the other side."""


def hold(table: TrainingTable, split: str, share: float, seed: int) -> Held:
    """Hold out the test part of the data set's own split, or about `share` of the rows in whole groups.

    Args:
        table: rows.
        split: a name of `examples.BY`.
        share: 0 learns from every row.
        seed: of the draw, where there is no split of that kind.

    Raises:
        UsageError: fewer than two groups, nothing left on a side, or the data set's split is not of this data set.
    """
    if share <= 0:
        return Held(train=np.ones(len(table), bool), test=np.zeros(len(table), bool), origin="seed")
    if table.split is not None and f"by_{table.split.by}" == split:
        return _by_file(table, table.split)
    test = hold_out(groups_of(table, split), share, seed)
    refused = np.zeros(len(table), bool) if split == "by_target" else test & np.isin(alike(table), alike(table, ~test))
    return _checked(Held(train=~test, test=test & ~refused, origin="seed", refused=int(refused.sum())))


def alike(table: TrainingTable, rows: Array | None = None) -> Array:
    """`[n]` hashes of the rows' functions (of the mask `rows`), equal for near-duplicates."""
    function = table.function if rows is None else table.function[rows]
    used, index = np.unique(function, return_inverse=True)
    return np.array([near_hash(table.functions[i]) for i in used], "U64")[index]


def _by_file(table: TrainingTable, split: Split) -> Held:
    if split.by == "target":
        names = {part: list(split.groups[part]) for part in split.groups}
        test = np.isin(table.targets, names["test"])
        train = np.isin(table.targets, names["train"] + names["validation"])
    else:
        part = {identity: name for name, ids in split.parts.items() for identity in ids}
        parts = np.array([part.get(identity, "") for identity in table.function_ids])
        if int((parts == "").sum()) > split.refused:
            raise _foreign()
        test, train = parts[table.function] == "test", np.isin(parts[table.function], ("train", "validation"))
    return _checked(Held(train=train, test=test, origin=SPLIT_FILE, refused=int((~train & ~test).sum())), file=True)


def _checked(held: Held, *, file: bool = False) -> Held:
    if held.train.any() and held.test.any():
        return held
    side = "train" if not held.train.any() else "test"
    more = f"; {SPLIT_FILE} leaves none, write another or remove it" if file else "; choose another split or more data"
    raise UsageError(f"nothing is left to {side} on once groups and near-duplicates are held out{more}")


def _foreign() -> UsageError:
    return UsageError(
        f"{SPLIT_FILE} in the data set's folder is of another data set; write it anew with `costmodel data split`, or "
        "remove it"
    )
