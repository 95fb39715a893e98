"""Random names, and random orders that respect dependences."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def fresh_names(count: int, rng: np.random.Generator, prefix: str = "") -> list[str]:
    """So many distinct names of three to eight letters and a number."""
    names: list[str] = []
    for index, size in enumerate(rng.integers(3, 9, count)):
        letters = "".join(_LETTERS[i] for i in rng.integers(0, len(_LETTERS), int(size)))
        names.append(f"{prefix}{letters}_{index}")
    return names


def shuffled_order(before: Sequence[set[int]], rng: np.random.Generator) -> list[int]:
    """A random order of 0..n-1 in which all of `before[i]` come before i."""
    waiting = [len(items) for items in before]
    after: list[list[int]] = [[] for _ in before]
    for index, items in enumerate(before):
        for item in items:
            after[item].append(index)
    rank = rng.permutation(len(before))
    ready = [(int(rank[index]), index) for index, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, index = heapq.heappop(ready)
        order.append(index)
        for other in after[index]:
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, (int(rank[other]), other))
    return order
