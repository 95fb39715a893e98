"""Which elements of a tensor one GPU thread holds: Triton's layouts as bits of registers, lanes and warps.

Owns `Spread` and the layouts' grammar (`#ttg.blocked`, `nvidia_mma`, `amd_mfma`, `amd_wmma`, `dot_op`, `slice`,
`linear`). A layout is a list of powers of two, each dealt to a level (register, lane, warp) along a dimension, as in
Triton's linear layouts (Zhou et al., Linear Layouts, 2025). Invariant: any text gives a spread; equal ones share one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from costmodel.ir.mlir.syntax import split_items

REGISTER, LANE, WARP = 0, 1, 2
DEFAULT_WARPS = 4
"""Of a tensor without layout (TTIR), as `triton.compile` takes them by default."""
_LANES = 32
_NOWHERE = -1
"""The dimension of bits that only repeat elements."""
_NUMBER = re.compile(r"\d+")
_MMA_V2, _MMA_V3 = 2, 3
_MFMA_LANES = 64
_MFMA_WIDE, _MFMA_NARROW = 32, 16

Deal = tuple[int, int, int]
"""(level, dimension or -1, how many): so many consecutive steps along the dimension belong to the level."""
Bits = tuple[tuple[tuple[int, int], ...], ...]
"""For each level its bits: (dimension or -1, offset)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a tensor lies in the threads of a block; counts by dimension."""

    registers: tuple[int, ...]
    """Distinct elements of one thread along each dimension."""
    lanes: tuple[int, ...]
    """Lanes of a warp that hold different elements along each dimension."""
    warps: tuple[int, ...]
    contiguous: int
    """Neighbouring elements along one dimension in one thread's registers."""
    kind: str
    """`blocked`, `nvidia_mma`, `dot_op`, ..., and empty without a layout."""
    bits: Bits

    @property
    def elements(self) -> int:
        """Distinct elements of one thread."""
        return prod(self.registers)


@lru_cache(maxsize=16384)
def spread_of(shape: tuple[int, ...], layout: str) -> Spread:
    """The spread of a tensor of static `shape` under `layout` (text with aliases resolved; empty for none)."""
    kind = layout_kind(layout)
    bits = _fitted(_bits(layout, shape), shape)
    rank = len(shape)
    by_level = [[1] * rank for _ in range(3)]
    for level, places in enumerate(bits):
        for dim, _ in places:
            if dim >= 0:
                by_level[level][dim] *= 2
    return Spread(
        registers=tuple(by_level[REGISTER]), lanes=tuple(by_level[LANE]), warps=tuple(by_level[WARP]),
        contiguous=_contiguous(bits[REGISTER], rank), kind=kind, bits=bits,
    )  # fmt: skip


def layout_kind(layout: str) -> str:
    """`blocked` of `#ttg.blocked<{...}>`."""
    return layout.partition("<")[0].strip().rpartition(".")[2].lstrip("#")


def warps_of(layout: str) -> int:
    """Warps that a layout names; 0 where it names none."""
    found = layout.rfind("warpsPerCTA")
    if found < 0:
        return 0
    return prod(_numbers(layout[found : layout.find("]", found)]))


@lru_cache(maxsize=4096)
def fields_of(layout: str) -> Mapping[str, str]:
    """`name = value` pairs of a layout, values as text."""
    opened, closed = layout.find("<"), layout.rfind(">")
    inside = layout[opened + 1 : closed].strip() if 0 <= opened < closed else ""
    items = split_items(inside[1:-1] if inside.startswith("{") else inside)
    pairs = (item.partition("=") for item in items)
    return {name.strip(): value.strip() for name, _, value in pairs}


def parent_of(layout: str) -> str:
    """The innermost parent of `slice` and `dot_op` layouts; the layout itself otherwise."""
    while layout_kind(layout) in ("slice", "dot_op"):
        layout = fields_of(layout).get("parent", "")
    return layout


def _numbers(text: str) -> list[int]:
    return [int(number) for number in _NUMBER.findall(text)]


def _contiguous(places: Sequence[tuple[int, int]], rank: int) -> int:
    most = 1
    for dim in range(rank):
        offsets = {offset for place, offset in places if place == dim}
        run = 1
        while run in offsets:
            run *= 2
        most = max(most, run)
    return most


def _fitted(bits: Sequence[Sequence[tuple[int, int]]], shape: tuple[int, ...]) -> Bits:
    """Bits outside the shape repeat elements; what the bits do not reach lies in more registers."""
    kept = [[(d, o) if 0 <= d < len(shape) and o < shape[d] else (_NOWHERE, 0) for d, o in level] for level in bits]
    for dim, size in enumerate(shape):
        reached = 1
        for level in kept:
            for place, _ in level:
                reached *= 2 if place == dim else 1
        while reached < size:
            kept[REGISTER].append((dim, reached))
            reached *= 2
    return tuple(tuple(level) for level in kept)


def _bits(layout: str, shape: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    kind, fields = layout_kind(layout), fields_of(layout)
    if kind == "slice":
        return _slice(fields, shape)
    if kind in ("linear", "generic_linear"):
        return [_linear(fields.get(level, "")) for level in ("register", "lane", "warp")]
    return _dealt(_deals(kind, fields, shape), len(shape))


def _slice(fields: Mapping[str, str], shape: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """The parent's bits without its dimension `dim`."""
    dim = int(fields.get("dim", "0"))
    inner = _bits(fields.get("parent", ""), (*shape[:dim], 1, *shape[dim:]))
    return [
        [(_NOWHERE, 0) if d == dim else (d - (d > dim), o) for d, o in level if level_number != REGISTER or d != dim]
        for level_number, level in enumerate(inner)
    ]


def _linear(text: str) -> list[tuple[int, int]]:
    found = []
    for item in split_items(text.strip()[1:-1]):
        numbers = _numbers(item)
        dim = next((d for d, number in enumerate(numbers) if number), _NOWHERE)
        found.append((dim, numbers[dim] if dim >= 0 else 0))
    return found


def _dealt(deals: Sequence[Deal], rank: int) -> list[list[tuple[int, int]]]:
    bits: list[list[tuple[int, int]]] = [[], [], []]
    reached = [1] * rank
    for level, dim, count in deals:
        while count > 1:
            if 0 <= dim < rank:
                bits[level].append((dim, reached[dim]))
                reached[dim] *= 2
            else:
                bits[level].append((_NOWHERE, 0))
            count //= 2
    return bits


def _deals(kind: str, fields: Mapping[str, str], shape: tuple[int, ...]) -> list[Deal]:
    rank = len(shape)
    if kind == "dot_op":
        return _operand(fields, rank)
    if kind == "nvidia_mma":
        return [*_nvidia_tile(fields, rank), *_warps(fields, rank)]
    if kind in ("amd_mfma", "amd_wmma"):
        return [*_amd_tile(kind, fields, rank), *_warps(fields, rank)]
    if kind == "blocked":
        return _blocked(fields)
    return _default(shape)


def _blocked(fields: Mapping[str, str], broadcast: int | None = None) -> list[Deal]:
    """Registers, lanes, warps in the layout's order; along `broadcast` threads repeat."""
    order = _numbers(fields.get("order", ""))
    deals: list[Deal] = []
    for level, name in ((REGISTER, "sizePerThread"), (LANE, "threadsPerWarp"), (WARP, "warpsPerCTA")):
        counts = _numbers(fields.get(name, ""))
        for dim in order:
            if dim == broadcast:
                deals += [(level, _NOWHERE, counts[dim])] if level != REGISTER else []
            elif dim < len(counts):
                deals.append((level, dim, counts[dim]))
    return deals


def _default(shape: tuple[int, ...]) -> list[Deal]:
    """Lanes, then warps, from the last dimension on: how Triton spreads a tensor at first."""
    deals: list[Deal] = []
    left = list(shape)
    for level, count in ((LANE, _LANES), (WARP, DEFAULT_WARPS)):
        for dim in reversed(range(len(shape))):
            here = min(count, left[dim])
            deals.append((level, dim, here))
            left[dim] //= max(here, 1)
            count //= max(here, 1)
    return deals


def _warps(fields: Mapping[str, str], rank: int, broadcast: int = -2) -> list[Deal]:
    counts = _numbers(fields.get("warpsPerCTA", ""))
    return [
        (WARP, _NOWHERE if dim == broadcast else dim, counts[dim]) for dim in reversed(range(min(rank, len(counts))))
    ]


def _nvidia_tile(fields: Mapping[str, str], rank: int) -> list[Deal]:
    """16x8 accumulators, two neighbours and two rows a thread; warp groups hold N columns."""
    row, column = rank - 2, rank - 1
    shape = _numbers(fields.get("instrShape", "")) or [16, 8]
    columns = shape[1] if int(fields.get("versionMajor", "2")) >= _MMA_V3 and len(shape) > 1 else 8
    return [
        (REGISTER, column, 2),
        (LANE, column, 4),
        (LANE, row, 8),
        (REGISTER, row, 2),
        (REGISTER, column, columns // 8),
    ]


def _amd_tile(kind: str, fields: Mapping[str, str], rank: int) -> list[Deal]:
    row, column = rank - 2, rank - 1
    if fields.get("isTransposed", "false") == "true":
        row, column = column, row
    if kind == "amd_wmma":
        return [(LANE, column, 16), (REGISTER, row, 8), (LANE, row, 2)]
    side = (_numbers(fields.get("instrShape", "")) or [_MFMA_WIDE])[0]
    if side == _MFMA_WIDE:
        return [(LANE, column, 32), (REGISTER, row, 4), (LANE, row, 2), (REGISTER, row, 4)]
    return [(LANE, column, _MFMA_NARROW), (REGISTER, row, 4), (LANE, row, 4)]


def _operand(fields: Mapping[str, str], rank: int) -> list[Deal]:
    """Operand of a matrix product: `opIdx` 0 is [M, K], 1 is [K, N]; warps along the other side repeat it."""
    first = fields.get("opIdx", "0") == "0"
    outer, inner = (rank - 2, rank - 1) if first else (rank - 1, rank - 2)
    width = int(fields.get("kWidth", "1") or 1)
    layout = fields.get("parent", "")
    kind, parent = layout_kind(layout), fields_of(layout)
    if kind == "blocked":
        return _blocked(parent, broadcast=inner)
    tile: list[Deal]
    if kind == "nvidia_mma":
        tile = [(REGISTER, inner, width), (LANE, inner, 4), (LANE, outer, 8)]
        tile += [(REGISTER, outer, 2)] if first else []
        tile.append((REGISTER, inner, 2))
    else:
        side = _MFMA_NARROW if kind == "amd_wmma" else (_numbers(parent.get("instrShape", "")) or [_MFMA_WIDE])[0]
        lanes = _LANES if kind == "amd_wmma" else _MFMA_LANES
        tile = [(REGISTER, inner, width), (LANE, outer, side), (LANE, inner, max(1, lanes // side))]
    return [*tile, *_warps(parent, rank, broadcast=inner)]
