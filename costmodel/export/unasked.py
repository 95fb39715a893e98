"""Trees that C is never asked for: of code under a schedule, or whose blocks are counted, both of which it is not told.

Owns the rule. A tree under a root that asks for such a column adds nothing where the column is zero, and in C it always
is (`layout.context_kind`). Invariant: C's answers stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from costmodel.export.compact import Compact, Part, Slot, Trees
from costmodel.models.base import Array


def without_unasked(compact: Compact, always_zero: Array) -> Compact:
    """The compact without trees that say nothing where the columns `always_zero` of the main matrix are zero."""
    return replace(compact, slots=tuple(_slot(slot, always_zero) for slot in compact.slots))


def _slot(slot: Slot, always_zero: Array) -> Slot:
    trees = slot.trees
    if slot.part is Part.WIDTH or not len(trees):
        return slot
    says = _reached(trees, always_zero) & (trees.feature < 0) & (trees.value != 0)
    keep = np.logical_or.reduceat(says, trees.starts)
    nodes = np.repeat(keep, trees.sizes)
    return replace(slot, trees=Trees(
        sizes=trees.sizes[keep], feature=trees.feature[nodes], threshold=trees.threshold[nodes], left=trees.left[nodes],
        value=trees.value[nodes],
    ))  # fmt: skip


def _reached(trees: Trees, always_zero: Array) -> Array:
    """Nodes `[nodes]` that some row gets to; of a column that is zero it gets to one side only."""
    reached = np.zeros(len(trees.feature), bool)
    zero = np.isin(trees.feature, always_zero)
    left = np.maximum(trees.left, 0) + np.repeat(trees.starts, trees.sizes)
    front = trees.starts
    while len(front):
        reached[front] = True
        inner = front[trees.feature[front] >= 0]
        below = inner[~zero[inner] | (trees.threshold[inner] > 0)]
        above = inner[~zero[inner] | (trees.threshold[inner] <= 0)]
        front = np.concatenate([left[below], left[above] + 1])
    return reached
