"""Whether a function is written like one of the code bases a model was trained on, by details that counts lose.

Owns the share of a function's details (`ir.features.shingles`) that each training family holds, by how few families
hold each: `cover` is the best family's share, `gap` what it has over the second best. A new function of a known
code base is covered by that one alone; a new code base by a little of each. A logistic regression learns what both are
worth from the training families: each function without itself against each without its family. Sources: containment of
shingles (Broder 1997); inverse document frequency (Sparck Jones 1972).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from costmodel.models.base import Array
from costmodel.models.novelty import best_threshold
from costmodel.models.tensors import joined_planes, planes

MAX_PAIRS = 250_000
"""Details with a family that holds each; of more those with the smallest hashes are kept, an unbiased draw."""
KEY_BITS = 24
"""Of a kept detail's hash: 0.7 % of unseen ones pass for seen."""
LEAST_FUNCTIONS = 30
_COMMON = 0.1
"""Weight of a detail that every family has."""
UNSEEN = 0.5
"""Weight of a detail that no family has, over that of one in a single family: every function has some of its own."""
_ROUNDS, _RIDGE, _MOST = 50, 1e-3, 30.0


@dataclass(frozen=True, kw_only=True)
class Familiarity:
    """Fitted on functions' shingles and families; distances are over the threshold."""

    keys: Array
    """`[K]` u32, sorted, one for each pair of a detail and a family."""
    family: Array
    """`[K]` u16."""
    below: int
    """Shingles from here on are not looked at."""
    weights: tuple[float, float, float]
    """Of 1 - cover, of -gap, and what is added so that the threshold lies at 0."""
    farthest: float
    """Raw distance of `Novelty` that no training function has: beyond it nothing is known."""

    @classmethod
    def fit(cls, shingles: Sequence[Array], groups: Array, farthest: float) -> Self | None:
        """Learn from the `shingles` of each function and its family `groups[N]`; None from too few of either."""
        names, family = np.unique(groups, return_inverse=True)
        if len(names) < 2 or len(shingles) < LEAST_FUNCTIONS:
            return None
        every = np.concatenate(shingles).astype(np.int64)
        of = np.repeat(family, [len(own) for own in shingles])
        pairs = np.unique(every * len(names) + of)
        below = 1 << 32 if len(pairs) <= MAX_PAIRS else int(pairs[MAX_PAIRS] // len(names))
        below = max(below, 1)
        kept = every < below
        pairs, counts = np.unique(
            _keys(every[kept], below).astype(np.int64) * len(names) + of[kept], return_counts=True
        )
        found = cls(
            keys=(pairs // len(names)).astype(np.uint32), family=(pairs % len(names)).astype(np.uint16), below=below,
            weights=(1.0, 1.0, 0.0), farthest=farthest,
        )  # fmt: skip
        return found._weighted(shingles, family, counts)

    def _weighted(self, shingles: Sequence[Array], family: Array, counts: Array) -> Self:
        """With weights that tell functions left out alone from those left out with their families."""
        alone = np.array([self._shares(own, one, counts) for own, one in zip(shingles, family, strict=True)])
        without = np.array([self._shares(own, one) for own, one in zip(shingles, family, strict=True)])
        cover, gap = _logistic(alone, without)
        seen, held = (x @ (cover, gap) for x in (alone, without))
        return replace(self, weights=(cover, gap, -best_threshold(seen, held)))

    @cached_property
    def _starts(self) -> tuple[Array, Array, Array]:
        """Different keys, where the families of each start (one more at the end), and the weight of each key."""
        keys, first = np.unique(self.keys, return_index=True)
        starts = np.concatenate((first, [len(self.keys)]))
        return keys, starts, self._rarity(np.diff(starts))

    @cached_property
    def _rarest(self) -> float:
        """Weight of a detail of a single family."""
        return float(self._rarity(np.ones(1))[0])

    @cached_property
    def families(self) -> int:
        """How many there are."""
        return int(self.family.max(initial=0)) + 1

    def _rarity(self, holders: Array) -> Array:
        return np.asarray(np.log((self.families + 1) / (holders + 1)) + _COMMON)

    def _shares(self, shingles: Array, without: int | None = None, counts: Array | None = None) -> tuple[float, float]:
        """1 - cover, and -gap; `without` a family, or, given `counts` of the pairs, without what it has once only."""
        keys, starts, rarity = self._starts
        wanted = _keys(shingles[: shingles.searchsorted(self.below)], self.below)
        place = keys.searchsorted(wanted)
        place = place[keys[np.minimum(place, len(keys) - 1)] == wanted]
        total = rarity[place].sum() + UNSEEN * (len(wanted) - len(place)) * self._rarest
        length = starts[place + 1] - starts[place]
        pair = (starts[place] - length.cumsum() + length).repeat(length) + np.arange(int(length.sum()))
        weight = rarity[place].repeat(length)
        if without is not None:
            gone = self.family[pair] == without
            gone = gone if counts is None else gone & (counts[pair] == 1)
            total -= (1 - UNSEEN) * weight[gone & np.repeat(length == 1, length)].sum()
            weight[gone] = 0.0
        held = np.bincount(self.family[pair], weight, max(2, self.families)) / max(float(total), _COMMON)
        *_, second, best = sorted(held.tolist())
        return 1.0 - best, second - best

    def distances(self, shingles: Iterable[Array]) -> Array:
        """`[N]`, one of each function."""
        return np.array([self.distance(own) for own in shingles])

    def distance(self, shingles: Array) -> float:
        """Of one function: odds of its family being new, over those at the threshold; NaN where there is no detail."""
        if not len(shingles) or shingles[0] >= self.below:
            return float("nan")
        cover, gap = self._shares(shingles)
        odds = self.weights[0] * cover + self.weights[1] * gap + self.weights[2]
        return float(np.exp(min(max(odds, -_MOST), _MOST)))

    def state(self) -> dict[str, Array]:
        """Arrays for a checkpoint: bytes of the keys' differences and of the families, by place, compressed."""
        steps = np.diff(self.keys, prepend=np.uint32(0)).astype("<u4")
        packed = zlib.compress(planes(steps) + planes(self.family.astype("<u2")), 9)
        return {
            "familiarity.pairs": np.frombuffer(packed, np.uint8),
            "familiarity.numbers": np.array([self.below, *self.weights, self.farthest]),
        }

    @classmethod
    def restore(cls, arrays: dict[str, Array]) -> Self | None:
        """What `state` gave; None of a checkpoint without. Raises `ValueError` for bytes that are damaged."""
        if "familiarity.numbers" not in arrays:
            return None
        try:
            packed = zlib.decompress(arrays["familiarity.pairs"].tobytes())
        except zlib.error as error:
            raise ValueError(f"familiarity.pairs: {error}") from None
        split = len(packed) // 6 * 4
        below, cover, gap, added, farthest = arrays["familiarity.numbers"].tolist()
        return cls(
            keys=np.cumsum(joined_planes(packed[:split], "<u4"), dtype=np.uint32),
            family=joined_planes(packed[split:], "<u2"),
            below=int(below), weights=(cover, gap, added), farthest=farthest,
        )  # fmt: skip


def _keys(shingles: Array, below: int) -> Array:
    """Hashes under `below` spread over `KEY_BITS`."""
    return (np.asarray(shingles, np.uint64) * np.uint64(1 << KEY_BITS) // np.uint64(below)).astype(np.uint32)


def _logistic(seen: Array, held: Array) -> tuple[float, float]:
    """Weights, none below 0, that tell rows of `seen` from those of `held` (`[n, 2]` each), by Newton's method."""
    rows = np.concatenate((seen, held))
    answer = np.arange(len(rows)) >= len(seen)
    used = np.array([True, True, True])
    for _ in range(2):
        weights = _newton(np.column_stack((rows, np.ones(len(rows))))[:, used], answer)
        full = np.zeros(3)
        full[used] = weights
        if (full[:2] >= 0).all():
            break
        used = used & np.array([full[0] >= 0, full[1] >= 0, True])
    return float(max(full[0], 0.0)), float(max(full[1], 0.0))


def _newton(x: Array, answer: Array) -> Array:
    weights = np.zeros(x.shape[1])
    ridge = _RIDGE * len(x) * np.eye(x.shape[1])
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -_MOST, _MOST)))
        slope = x.T @ (answer - chance) - ridge @ weights
        step = np.linalg.solve((x * (chance * (1 - chance))[:, None]).T @ x + ridge, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights
