"""Which register tiles a nest may use on a target: enough accumulators to hide latency, never more than registers.

Owns the enumeration. Source of the budget: the analytical model of BLIS (Low et al. 2016), relaxed to a range.
"""

from __future__ import annotations

from costmodel.core.target import Target
from costmodel.search.kernel.form import ELEMENT_BYTES
from costmodel.search.kernel.nest import LoopProgram, Nest
from costmodel.search.schedule.plan import packable
from costmodel.search.space.knobs import Micro

ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24)
VECTORS = (1, 2, 3, 4, 6, 8)
MIN_LANES = 4
ELEMENTWISE_BUDGET = 16


def element_bytes(program: LoopProgram, nest: Nest) -> int:
    """Bytes of the widest element the nest touches."""
    by_name = program.kernel.by_name
    return max((ELEMENT_BYTES[by_name[a.buffer].dtype] for a in nest.accesses), default=4)


def vector_dims(program: LoopProgram, nest: Nest) -> list[str]:
    """Dimensions worth vectorizing: contiguous somewhere, or made so by packing."""
    found = []
    for dim in nest.parallel:
        unit = any(a.stride(dim) == 1 for a in nest.accesses)
        packed = any(a.stride(dim) and packable(nest, i, dim) for i, a in enumerate(nest.reads))
        if program.extents[dim] >= MIN_LANES and (unit or packed):
            found.append(dim)
    for dim in nest.reduction:
        moving = [a.stride(dim) for a in nest.reads if a.stride(dim)]
        if program.extents[dim] >= MIN_LANES and moving and all(s == 1 for s in moving):
            found.append(dim)
    return found


def micro_tiles(program: LoopProgram, nest: Nest, target: Target) -> tuple[Micro, ...]:
    """Every register tile of a nest that fits the register file."""
    widest = max(1, target.vector_bits // 8 // element_bytes(program, nest))
    budget = target.vector_registers if nest.combine is not None else ELEMENTWISE_BUDGET
    found: dict[Micro, None] = {}
    for vector in vector_dims(program, nest):
        lanes = MIN_LANES
        while lanes <= widest:
            if lanes < 2 * program.extents[vector]:
                for tile in _tiles(program, nest, vector, lanes, budget):
                    found[tile] = None
            lanes *= 2
    if not found:
        found[Micro(None, 1, ())] = None
    return tuple(found)


def _tiles(program: LoopProgram, nest: Nest, vector: str, lanes: int, budget: int) -> list[Micro]:
    extent = program.extents[vector]
    vectors = [v for v in VECTORS if v == 1 or (v - 1) * lanes < extent]
    rows = [d for d in nest.parallel if d != vector and program.extents[d] > 1]
    if nest.combine is None:
        rows = []
    found = []
    for n in vectors:
        found.append(Micro(vector, lanes, ((vector, n * lanes),)))
        for i, first in enumerate(rows):
            for size in _row_sizes(program.extents[first], budget // n):
                found.append(_micro(vector, lanes, n, ((first, size),)))
                for second in rows[i + 1 :]:
                    sizes = _row_sizes(program.extents[second], budget // (n * size))
                    found += [_micro(vector, lanes, n, ((first, size), (second, s))) for s in sizes]
    return found


def _row_sizes(extent: int, limit: int) -> list[int]:
    return [r for r in ROWS if 1 < r <= min(extent, limit)]


def _micro(vector: str, lanes: int, vectors: int, rows: tuple[tuple[str, int], ...]) -> Micro:
    return Micro(vector, lanes, ((vector, vectors * lanes), *rows))


__all__ = ["element_bytes", "micro_tiles", "vector_dims"]
