"""The trees of boosters as arrays: all of them are walked at once, for the few rows of one question.

A booster's prediction costs the library some 0.2 ms a call, whatever the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from costmodel.models.base import Array
from costmodel.models.tree_arrays import TreeArrays

_CHILD_BITS = 32
_CHILD = (1 << _CHILD_BITS) - 1


@dataclass(frozen=True)
class Forest:
    """Trees of several boosters as arrays; `owner[t]` is the booster of tree t. Nodes are numbered across trees."""

    roots: Array
    owner: Array
    feature: Array
    threshold: Array
    children: Array
    """`[nodes, 2]`: where to go if the value is below the threshold or not; a leaf points at itself."""
    value: Array
    base: Array
    """`[boosters]`: margin of an empty tree list."""
    depth: int

    @classmethod
    def of(cls, boosters: Sequence[TreeArrays]) -> Forest:
        """All trees of all boosters."""
        starts = np.cumsum([0, *(len(booster.leaf) for booster in boosters)])
        both = list(zip(boosters, starts.tolist(), strict=False))
        nothing = np.zeros(0, np.int64)
        leaf = np.concatenate([nothing.astype(bool), *(b.leaf for b in boosters)])
        number = np.concatenate([nothing.astype(np.float32), *(b.number for b in boosters)])
        left = np.concatenate([nothing, *(b.left + start for b, start in both)])
        return cls(
            roots=np.concatenate([nothing, *(b.roots + start for b, start in both)]),
            owner=np.repeat(np.arange(len(boosters)), [len(b) for b in boosters]),
            feature=np.concatenate([nothing, *(b.column for b in boosters)]),
            threshold=np.where(leaf, np.float32(np.inf), number),
            children=np.stack([left, np.where(leaf, left, left + 1)], axis=1),
            value=np.where(leaf, number, 0.0).astype(np.float64), base=np.array([b.base for b in boosters]),
            depth=max((b.depth for b in boosters), default=0),
        )  # fmt: skip

    def margins(self, x: Array) -> Array:
        """Sums of leaves `[n, boosters]` for rows `x[n, F]` f32 without NaN, base margins included."""
        found = np.empty((len(x), len(self.base)))
        for i, row in enumerate(x):
            found[i] = self._sums(row)
        return found

    def paired(self, x: Array) -> Array:
        """Sum of leaves `[boosters]` of booster i for row i of `x[boosters, F]`, base margins included."""
        return self._sums(np.ascontiguousarray(x).reshape(-1), self.owner * x.shape[1])

    def _sums(self, numbers: Array, first: Array | int = 0) -> Array:
        """Sums of leaves `[boosters]`; `first[t]` is where the numbers of tree t begin."""
        packed, threshold, value = self._packed
        owner, node = self.owner, np.arange(len(self.roots))
        for level in range(self.depth):
            here = packed.take(node, mode="clip")
            right = numbers.take((here >> _CHILD_BITS) + first, mode="clip") >= threshold.take(node, mode="clip")
            node = (here & _CHILD) + right
            if level == 0 and self._gated is not None:
                left = self._gated.take(node, mode="clip").nonzero()[0]
                node, owner = node[left], owner[left]
                first = first if isinstance(first, int) else first[left]
        leaves = value.take(node, mode="clip").astype(np.float64)
        return np.asarray(np.bincount(owner, leaves, minlength=len(self.base)) + self.base)

    @cached_property
    def _gated(self) -> Array | None:
        """By node, whether it leads to anything; None where no tree asks for a regime first (`grafting`)."""
        _, threshold, value = self._packed
        something = np.isfinite(threshold) | (value != 0)
        return None if something[: 3 * len(self.roots)].all() else something

    @cached_property
    def _packed(self) -> tuple[Array, Array, Array]:
        """By node: `feature << 32 | left child` i64 (the right one is next), threshold f32, value f32.

        Breadth first over all trees at once, so that what every row visits lies together. Indices are of the machine's
        width and none is out of range, which is what `take` is fast for.
        """
        nodes, levels = self.roots, []
        while len(nodes):
            levels.append(nodes)
            inner = nodes[self.children[nodes, 0] != nodes]
            nodes = self.children[inner].reshape(-1)
        order = np.concatenate(levels) if levels else self.roots
        number = np.empty(len(self.feature), np.int64)
        number[order] = np.arange(len(order))
        packed = self.feature[order] << _CHILD_BITS | number[self.children[order, 0]]
        return packed, self.threshold[order].astype(np.float32), self.value[order].astype(np.float32)
