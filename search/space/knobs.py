"""Knobs: each owns its values, sampling, neighbours, encoding and size. Strategies never ask what kind one is.

Invariant: every value a knob hands out is legal for the kernel it was built for.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

KnobValue = Hashable
_NEAR = 12


class Knob(Protocol):
    """One decision. Values are hashable; `encode` has a fixed length for all values of a knob."""

    @property
    def name(self) -> str:
        """Unique among the knobs of a space."""
        ...

    @property
    def size(self) -> int:
        """Number of values."""
        ...

    def sample(self, rng: np.random.Generator) -> KnobValue:
        """A value drawn uniformly."""
        ...

    def neighbour(self, value: KnobValue, rng: np.random.Generator) -> KnobValue:
        """Another value near `value`; `value` itself if there is no other."""
        ...

    def encode(self, value: KnobValue) -> tuple[float, ...]:
        """Numbers for a model or a distance."""
        ...


@dataclass(frozen=True)
class ChoiceKnob:
    """An ordered list of values; neighbours are the adjacent ones."""

    name: str
    values: tuple[KnobValue, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.values)

    def sample(self, rng: np.random.Generator) -> KnobValue:
        """A value drawn uniformly."""
        return self.values[int(rng.integers(len(self.values)))]

    def neighbour(self, value: KnobValue, rng: np.random.Generator) -> KnobValue:
        """One step up or down."""
        at = self.values.index(value)
        near = [i for i in (at - 1, at + 1) if 0 <= i < len(self.values)]
        return self.values[near[int(rng.integers(len(near)))]] if near else value

    def encode(self, value: KnobValue) -> tuple[float, ...]:
        """Position in the list, 0 to 1."""
        return (self.values.index(value) / max(1, len(self.values) - 1),)


@dataclass(frozen=True)
class PermutationKnob:
    """An order of names; neighbours differ by one exchange."""

    name: str
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of permutations."""
        return math.factorial(len(self.names))

    def sample(self, rng: np.random.Generator) -> KnobValue:
        """A permutation drawn uniformly."""
        return tuple(self.names[i] for i in rng.permutation(len(self.names)))

    def neighbour(self, value: KnobValue, rng: np.random.Generator) -> KnobValue:
        """Two names exchanged."""
        order = list(value)  # type: ignore[call-overload]
        if len(order) < 2:
            return value
        i, j = rng.choice(len(order), size=2, replace=False)
        order[i], order[j] = order[j], order[i]
        return tuple(order)

    def encode(self, value: KnobValue) -> tuple[float, ...]:
        """Position of each name."""
        order: tuple[str, ...] = value  # type: ignore[assignment]
        return tuple(order.index(n) / max(1, len(order) - 1) for n in self.names)


@dataclass(frozen=True, slots=True)
class Micro:
    """A register tile: vector dimension, lanes, and elements of each tiled dimension."""

    vector: str | None
    lanes: int
    sizes: tuple[tuple[str, int], ...]

    def size(self, dim: str) -> int:
        """Elements of `dim` in the tile."""
        return next((s for d, s in self.sizes if d == dim), 1)


@dataclass(frozen=True)
class MicroKnob:
    """All register tiles that fit the register file; neighbours are the nearest by logarithms of sizes."""

    name: str
    values: tuple[Micro, ...]
    dims: tuple[str, ...]
    _codes: np.ndarray = field(init=False, repr=False, compare=False)
    _index: dict[Micro, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Precompute encodings."""
        object.__setattr__(self, "_codes", np.array([self.encode(v) for v in self.values], np.float32))
        object.__setattr__(self, "_index", {v: i for i, v in enumerate(self.values)})

    @property
    def size(self) -> int:
        """Number of tiles."""
        return len(self.values)

    def sample(self, rng: np.random.Generator) -> KnobValue:
        """Vector dimension first, then a tile with it, so that small groups are seen too."""
        vectors = sorted({(v.vector or "", v.lanes) for v in self.values})
        chosen = vectors[int(rng.integers(len(vectors)))]
        group = [v for v in self.values if (v.vector or "", v.lanes) == chosen]
        return group[int(rng.integers(len(group)))]

    def neighbour(self, value: KnobValue, rng: np.random.Generator) -> KnobValue:
        """One of the nearest tiles."""
        if len(self.values) < 2:
            return value
        at = self._index[value]  # type: ignore[index]
        distance = np.abs(self._codes - self._codes[at]).sum(axis=1)
        distance[at] = np.inf
        near = np.argsort(distance, kind="stable")[: min(_NEAR, len(self.values) - 1)]
        return self.values[int(near[int(rng.integers(len(near)))])]

    def encode(self, value: KnobValue) -> tuple[float, ...]:
        """Which dimension is the vector (weighted), logarithms of lanes and sizes."""
        assert isinstance(value, Micro)
        which = tuple(4.0 * (d == value.vector) for d in self.dims)
        return (*which, 2 * math.log2(value.lanes), *(math.log2(value.size(d)) for d in self.dims))


def log_range(low: int, high: int) -> tuple[int, ...]:
    """Powers of two from `low` up to below `high`."""
    values: list[int] = []
    size = low
    while size < high:
        values.append(size)
        size *= 2
    return tuple(values)


def subsets(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """All subsets, smallest first."""
    found: list[tuple[str, ...]] = [()]
    for n in names:
        found += [(*f, n) for f in found]
    return tuple(sorted(found, key=lambda s: (len(s), s)))
