"""Rows whose trees are of their own: code of one kind, which examples of other kinds would blur.

Owns the table of kinds and how their boosters are put together. A column tells a kind; a root split on it joins its
trees to those that all rows share (`grafting`). A new kind is one line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from costmodel.models.base import Array
from costmodel.models.grafting import joined
from costmodel.models.kinds import BLOCKS, STANDS

_LAID_OUT = "static:gpu_has_layouts"
_STRUCTURED = "static:structured_ops"
_SET = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """Rows where `column` is set, if there are `least_rows`; `gates` where chances of not being zero are theirs too."""

    name: str
    column: str
    least_rows: int
    gates: bool = False


Grow = Callable[[Array, Regime | None], tuple[Any, Array, Array]]
"""Of rows `[k]`, all of one regime or of any: a booster, errors `[h]` of rows not seen, and their places `[h]`."""
REGIMES = (
    Regime(name="loops", column=BLOCKS, least_rows=1000),
    Regime(name="standing", column=STANDS, least_rows=1000),
    Regime(name="laid-out", column=_LAID_OUT, least_rows=200, gates=True),
    Regime(name="structured", column=_STRUCTURED, least_rows=1000),
)
"""Loops that are written out, whose blocks are counted. A row of several kinds is of the last.

LLVM IR that no optimiser sees any more: what optimisers do to small loops is no matter there.

GPU kernels whose values have layouts: what a thread holds is known, which is a guess at a level above.
Structured operations, whose code a schedule decides: nothing of it is written out yet.
"""


def grafted(names: Sequence[str], x: Array, grow: Grow, *, gate: bool = False) -> tuple[Any, Array]:
    """A booster of rows `x[n, F]`, whose first columns are `names`, and its errors `[h]` on rows it did not see."""
    owners = _owners(names, x, gate)
    alone = next((regime for regime, rows in owners.items() if len(rows) == len(x)), None)
    booster, errors, seen = grow(np.arange(len(x)), alone)
    for regime, rows in owners.items() if alone is None else ():
        own, own_errors, places = grow(rows, regime)
        booster = joined(booster, own, names.index(regime.column))
        kept = ~np.isin(seen, rows)
        errors, seen = np.concatenate([errors[kept], own_errors]), np.concatenate([seen[kept], rows[places]])
    return booster, errors


def _owners(names: Sequence[str], x: Array, gate: bool) -> dict[Regime, Array]:
    """Rows of each regime that has enough of them, in the order of `REGIMES`; each row has one owner at most."""
    free, found = np.ones(len(x), bool), dict[Regime, Array]()
    for regime in reversed(REGIMES):
        if regime.column in names and (regime.gates or not gate):
            own = free & (x[:, names.index(regime.column)] >= _SET)
            if own.sum() >= regime.least_rows:
                found[regime] = np.flatnonzero(own)
                free &= ~own
    return dict(reversed(found.items()))
