"""One hand-written schedule for each family: what an experienced engineer would try first, without measuring.

Owns the baseline `heuristic_s`. Source: BLIS's rule (keep as many accumulators as registers allow, balance loads of the
two operands, pack what is not contiguous), contiguous vectors elsewhere. No concrete size appears.
"""

from __future__ import annotations

from math import prod

from costmodel.search.kernel.nest import Nest
from costmodel.search.schedule.plan import packable, reused
from costmodel.search.schedule.text import OPERAND_NAMES, Argument, Schedule, Step
from costmodel.search.space.knobs import Micro, MicroKnob
from costmodel.search.space.space import SearchSpace

_FILL = 0.85
_WINDOW_UNROLL = 4


def heuristic_schedule(space: SearchSpace) -> Schedule:
    """The fixed schedule of the kernel's structure: a sum of products, or anything else."""
    producers, consumers = space.planner.fusable()
    depth = space.planner.max_depth()
    program = space.planner.program(producers, consumers)
    anchor = program.anchor
    fuse = tuple((k, v) for k, v in (("producers", producers), ("consumers", consumers), ("depth", min(1, depth))) if v)
    steps = [Step("fuse", (), fuse)] if fuse else []
    micro = _micro(space, anchor)
    if micro.vector is None:
        return Schedule(tuple(steps))
    packs = _packs(anchor, micro)
    if anchor.combine is not None and micro.vector in anchor.parallel and packs:
        steps += [Step("tile", (), (("level", "cache"), (micro.vector, micro.size(micro.vector))))]
        order = (micro.vector, *(d for d in program.extents if d in anchor.dims and d != micro.vector))
        steps += [Step("order", order)]
    sizes = tuple((d, s) for d, s in micro.sizes if s > 1)
    steps += [Step("tile", (), (("level", "register"), *sizes))]
    steps += [Step("pack", packs)] if packs else []
    default = space.planner.default_vector(anchor)
    dim: tuple[tuple[str, Argument], ...] = () if micro.vector == default else (("dim", micro.vector),)
    steps += [Step("vectorize", (micro.lanes,), dim)]
    unroll = tuple(
        (d, program.extents[d]) for d in anchor.reduction if program.extents[d] <= _WINDOW_UNROLL and d != micro.vector
    )
    steps += [Step("unroll", (), unroll[-1:])] if unroll else []
    return Schedule(tuple(steps))


def _micro(space: SearchSpace, anchor: Nest) -> Micro:
    """The tile with the most work for each load among those that leave some registers free."""
    knob = next(k for k in space.knobs if isinstance(k, MicroKnob))
    wanted = space.planner.default_vector(anchor)
    usable = [m for m in knob.values if m.vector == wanted and all(d in anchor.dims for d, _ in m.sizes)]
    usable = usable or [m for m in knob.values if m.vector is None or m.vector in anchor.dims]
    lanes = max((m.lanes for m in usable), default=1)
    usable = [m for m in usable if m.lanes == lanes] or [Micro(None, 1, ())]
    if anchor.combine is None or wanted in anchor.reduction:
        return min(usable, key=lambda m: (abs(_vectors(m) - 4) + 4 * (_rows(m) - 1), m.sizes))
    budget = _FILL * space.target.vector_registers
    fitting = [m for m in usable if _vectors(m) * (_rows(m) + 1) <= budget] or usable
    return max(fitting, key=lambda m: (_intensity(m), _vectors(m) * _rows(m), m.sizes))


def _vectors(m: Micro) -> int:
    return max(1, m.size(m.vector or "") // m.lanes)


def _rows(m: Micro) -> int:
    return prod((s for d, s in m.sizes if d != m.vector), start=1)


def _intensity(m: Micro) -> float:
    return _vectors(m) * _rows(m) / (_vectors(m) + _rows(m))


def _packs(anchor: Nest, micro: Micro) -> tuple[Argument, ...]:
    """The operand that runs along the vector dimension, where it can be packed."""
    if anchor.combine is None or not reused(anchor, micro.vector or ""):
        return ()
    return tuple(
        OPERAND_NAMES[i]
        for i, a in enumerate(anchor.reads)
        if a.stride(micro.vector or "") and packable(anchor, i, micro.vector)
    )
