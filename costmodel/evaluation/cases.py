"""What evaluation takes: rows with labels and what they belong to, and folds of them that do not leak.

Owns `Cases` and `Fold`. Invariant: no function, and no near-duplicate of one, stands on both sides of a fold by family,
project or network. Reads no files: `costmodel.cli.evaluate` fills the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array
from costmodel.models.examples import Examples

SEEN_SHARE = 0.1
"""Of the functions of training families, held back to tell a new function from a new family."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cases:
    """n rows: one function on one target through one pipeline each."""

    examples: Examples
    values: Array
    """`[n, M]` in the metrics' units, NaN where there is no label."""
    metrics: tuple[str, ...]
    columns: Mapping[str, Array]
    """`[n]` texts each: `family`, `project`, `network`, `level`, `stage`, `target`, `pipeline`, `workload`."""
    likeness: Array
    """`[n]` ints: equal for near-duplicates."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Array) -> Cases:
        """Some rows (numbers or a mask)."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Cases(
            examples=self.examples.take(rows), values=self.values[rows], metrics=self.metrics,
            columns={name: column[rows] for name, column in self.columns.items()}, likeness=self.likeness[rows],
        )  # fmt: skip

    def only(self, metrics: tuple[str, ...]) -> Cases:
        """Rows that have a label of some of `metrics`, and no other columns."""
        index = [self.metrics.index(metric) for metric in metrics]
        chosen = replace(self, values=self.values[:, index], metrics=metrics)
        return chosen.take(np.flatnonzero((~np.isnan(chosen.values)).any(axis=1)))

    def column(self, metric: str) -> Array:
        """Labels of a metric `[n]`."""
        return np.asarray(self.values[:, self.metrics.index(metric)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fold:
    """Row numbers of `Cases`."""

    train: Array
    seen: Array
    """New functions of training groups."""
    held: Array
    """What is tested on."""
    groups: tuple[str, ...]
    """Names of what is held out."""
    refused: int = 0
    """Rows left out, since a near-duplicate of their function is trained on."""


def make_fold(cases: Cases, groups: Array, held_out: Array, seed: int, *, seen_share: float = SEEN_SHARE) -> Fold:
    """Hold out the rows of the mask `held_out[n]`, which are whole groups, and a few functions of the others.

    Near-duplicates of training functions leave both test parts; by target, where a function has rows on both sides,
    they do not.

    Raises:
        UsageError: a side is empty.
    """
    crossing = bool(set(groups[held_out]) & set(groups[~held_out]))
    if crossing:
        raise UsageError("a group stands on both sides of the split; hold out whole groups")
    inside = np.flatnonzero(~held_out)
    seen = _drawn(cases.examples.program[inside], seen_share, seed)
    train, seen, held = inside[~seen], inside[seen], np.flatnonzero(held_out)
    by_target = bool(np.array_equal(groups, cases.columns["target"]))
    known = np.unique(cases.likeness[train])
    fresh = np.ones(len(held), bool) if by_target else ~np.isin(cases.likeness[held], known)
    seen_fresh = ~np.isin(cases.likeness[seen], known)
    if not len(train) or not fresh.any():
        raise UsageError(
            f"nothing is left to {'train' if not len(train) else 'test'} on once whole groups are held out; "
            "choose another split or more data"
        )
    return Fold(
        train=train, seen=seen[seen_fresh], held=held[fresh], groups=tuple(sorted(set(map(str, groups[held_out])))),
        refused=int((~fresh).sum() + (~seen_fresh).sum()),
    )  # fmt: skip


def _drawn(program: Array, share: float, seed: int) -> Array:
    """Mask of the rows of about `share` of the functions."""
    names = np.unique(program)
    count = int(share * len(names))
    return np.isin(program, np.random.default_rng(seed).permutation(names)[:count])
