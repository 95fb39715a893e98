"""Boosted trees of two regimes in one booster: each tree asks on which side of a column the row lies before all else.

What is made is a booster like any other: checkpoints, exports and explanations need not know. Invariant: joined trees
answer a row as the trees of its side do, to the rounding of base scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from costmodel.models.base import Array
from costmodel.models.tree_arrays import TreeArrays

_NODES = ("leaf", "column", "number")


def joined(below: TreeArrays, above: TreeArrays, column: int, threshold: float = 0.5) -> TreeArrays:
    """Trees that answer as `below` where `x[column] < threshold`, else as `above`; objectives are alike.

    Each tree stands under a new root that asks for the column, beside a leaf of nothing for the other side. The two
    sides' trees take turns, so that the first half of all is the first half of either.
    """
    first_leaves = above.leaf & (np.arange(len(above.leaf)) < above.sizes[0])
    shift = np.where(first_leaves, above.base - below.base, 0.0).astype(np.float32)
    raised = replace(above, number=above.number + shift)
    turns = np.concatenate([(np.arange(len(side)) + 0.5) / len(side) for side in (below, above)])
    order = np.argsort(turns, kind="stable").tolist()
    trees = [*_gated(below, column, threshold, to_left=True), *_gated(raised, column, threshold, to_left=False)]
    nodes = {name: np.concatenate([trees[i][name] for i in order]) for name in _NODES}
    return TreeArrays(head=below.head, sizes=np.array([len(trees[i]["leaf"]) for i in order], np.int64), **nodes)


def _gated(trees: TreeArrays, column: int, threshold: float, *, to_left: bool) -> Iterator[dict[str, Array]]:
    """Nodes of each tree under its new root."""
    new = dict(zip(_NODES, ((False, True), (column, 0), (threshold, 0.0)), strict=True))
    for begin, end in pairwise([*trees.roots.tolist(), len(trees.leaf)]):
        found = {}
        for name, (root, nothing) in new.items():
            own = getattr(trees, name)[begin:end]
            front = (root, own[0], nothing) if to_left else (root, nothing, own[0])
            found[name] = np.concatenate([np.array(front, own.dtype), own[1:]])
        yield found
