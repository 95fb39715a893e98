"""What the code generator is told about one nest: tiles, order, vector dimension, packed operands; no decisions."""

from __future__ import annotations

from dataclasses import dataclass, field

from costmodel.search.kernel.nest import FlatAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedRead:
    """A read that goes through a packed copy.

    The element of dimension `d` at loop value `iv` (counted from the region's start if `d` is `relative`) plus a static
    offset `o` lies at `sum(loop_strides[d] * iv + lane_strides[d] * o)`.
    """

    buffer: str
    loop_strides: dict[str, int]
    lane_strides: dict[str, int]
    relative: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NestPlan:
    """Schedule of one nest, in elements: every size is at least 1, cache sizes are multiples of register sizes."""

    order: tuple[str, ...]
    register: dict[str, int]
    cache: dict[str, int] = field(default_factory=dict)
    unroll: dict[str, int] = field(default_factory=dict)
    vector: str | None = None
    lanes: int = 1
    pack: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a dimension that a nest covers: `[start, min(start + span, extent))`; start None is 0."""

    start: str | None
    span: int


def whole(extent: int) -> Region:
    """All of a dimension."""
    return Region(None, extent)


def tile_count(extent: int, tile: int) -> int:
    """Tiles that cover an extent."""
    return -(-extent // tile)


__all__ = ["FlatAccess", "NestPlan", "PackedRead", "Region", "tile_count", "whole"]
