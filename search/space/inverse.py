"""A candidate for a schedule text: the way back, for resumed sessions and warm starts."""

from __future__ import annotations

from costmodel.search.schedule.text import OPERAND_NAMES, Schedule, Step
from costmodel.search.space.knobs import KnobValue, Micro, PermutationKnob
from costmodel.search.space.space import FULL, Candidate, SearchSpace


def candidate_of(space: SearchSpace, schedule: Schedule) -> Candidate | None:
    """The candidate that prints as `schedule`, or None where the space has none (a schedule from elsewhere)."""
    fuse = (schedule.find("fuse") or Step("fuse")).sizes()
    program = space.planner.program(fuse.get("producers", 0), fuse.get("consumers", 0))
    anchor = program.anchor
    vectorize = schedule.find("vectorize")
    vector = None
    if vectorize is not None:
        named = vectorize.get("dim")
        vector = str(named) if named is not None else space.planner.default_vector(anchor)
    register = (schedule.find("tile", "register") or Step("tile")).sizes()
    lanes = int(vectorize.args[0]) if vectorize is not None else 1
    cache = (schedule.find("tile", "cache") or Step("tile")).sizes()
    unroll = (schedule.find("unroll") or Step("unroll")).sizes()
    order = tuple(str(d) for d in (schedule.find("order") or Step("order")).args)
    packed = tuple(
        anchor.reads[OPERAND_NAMES.index(str(a))].buffer for a in (schedule.find("pack") or Step("pack")).args
        if OPERAND_NAMES.index(str(a)) < len(anchor.reads)
    )  # fmt: skip
    values: list[KnobValue] = []
    for knob in space.knobs:
        value: KnobValue
        if knob.name == "micro":
            value = _micro(vector, lanes, register)
        elif knob.name in ("producers", "consumers", "depth"):
            value = fuse.get(knob.name, 0)
        elif isinstance(knob, PermutationKnob):
            value = tuple(d for d in order if d in knob.names) + tuple(d for d in knob.names if d not in order)
        elif knob.name == "pack":
            value = tuple(sorted(packed))
        else:
            kind, _, dim = knob.name.partition(".")
            value = unroll.get(dim, 1) if kind == "unroll" else _cache(cache, dim, register, dim in anchor.reduction)
        values.append(value)
    candidate = tuple(values)
    return candidate if _known(space, candidate) and space.schedule(candidate) == schedule else None


def _known(space: SearchSpace, candidate: Candidate) -> bool:
    """Whether every knob can encode its value."""
    try:
        for knob, value in zip(space.knobs, candidate, strict=True):
            knob.encode(value)
    except (ValueError, KeyError, TypeError, AssertionError):
        return False
    return True


def _micro(vector: str | None, lanes: int, register: dict[str, int]) -> Micro:
    if vector is None:
        return Micro(None, 1, ())
    sizes = ((vector, register.get(vector, lanes)), *((d, s) for d, s in register.items() if d != vector))
    return Micro(vector, lanes, sizes)


def _cache(cache: dict[str, int], dim: str, register: dict[str, int], reduction: bool) -> int:
    if dim not in cache:
        return FULL
    return cache[dim] if reduction else cache[dim] // register.get(dim, 1)
