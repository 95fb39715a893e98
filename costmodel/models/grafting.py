"""Boosted trees of two regimes in one booster: each tree asks on which side of a column the row lies before all else.

What is made is a booster like any other: checkpoints, exports and explanations need not know. Invariant: joined trees
answer a row as the trees of its side do, to the rounding of base scores.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from costmodel.models.base import Array
from costmodel.models.tree_arrays import TreeArrays


def joined(below: TreeArrays, above: TreeArrays, column: int, threshold: float = 0.5) -> TreeArrays:
    """Trees that answer as `below` where `x[column] < threshold`, else as `above`; objectives are alike.

    Each tree stands under a new root that asks for the column, beside a leaf of nothing for the other side.
    """
    first_leaves = above.leaf & (np.arange(len(above.leaf)) < above.sizes[0])
    shift = np.where(first_leaves, above.base - below.base, 0.0).astype(np.float32)
    new = {"leaf": (False, True), "column": (column, 0), "number": (threshold, 0.0)}
    parts: dict[str, list[Array]] = {name: [] for name in new}
    for trees, to_left in ((below, True), (replace(above, number=above.number + shift), False)):
        for begin, end in pairwise([*trees.roots.tolist(), len(trees.leaf)]):
            for name, (root, nothing) in new.items():
                own = getattr(trees, name)[begin:end]
                front = (root, own[0], nothing) if to_left else (root, nothing, own[0])
                parts[name] += [np.array(front, own.dtype), own[1:]]
    nodes = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return TreeArrays(head=below.head, sizes=np.concatenate([below.sizes, above.sizes]) + 2, **nodes)
