"""The search space of a kernel: knobs derived from its loops, and the schedule each candidate stands for.

Owns the derivation. Invariant: legal by construction. Every candidate gives a schedule that `Planner` accepts; sizes
that do not divide an extent leave a ragged tail, vectors are capped by the target. No rule knows a concrete workload.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log10

import numpy as np

from costmodel.core.target import Target
from costmodel.search.kernel.form import Kernel
from costmodel.search.schedule.plan import Planner, packable
from costmodel.search.schedule.text import OPERAND_NAMES, Argument, Schedule, Step
from costmodel.search.space.knobs import (
    ChoiceKnob,
    Knob,
    KnobValue,
    Micro,
    MicroKnob,
    PermutationKnob,
    log_range,
    subsets,
)
from costmodel.search.space.micro import micro_tiles

Candidate = tuple[KnobValue, ...]
UNROLLS = (1, 2, 4, 8)
FULL = 0
MAX_BODY = 512
REDUCTION_TILES = (32, 64, 128, 256, 512)


@dataclass(frozen=True)
class SearchSpace:
    """Knobs of one kernel on one target, and how a candidate prints. Immutable; safe to share."""

    kernel: Kernel
    target: Target
    planner: Planner
    knobs: tuple[Knob, ...]
    _texts: dict[Candidate, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def log10_size(self) -> float:
        """Decimal logarithm of the number of candidates, duplicates included."""
        return sum(log10(k.size) for k in self.knobs)

    def sample(self, rng: np.random.Generator) -> Candidate:
        """A candidate drawn knob by knob."""
        return tuple(k.sample(rng) for k in self.knobs)

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """One or two knobs moved to a neighbour, now and then to any value."""
        values = list(candidate)
        free = [i for i, k in enumerate(self.knobs) if k.size > 1]
        if not free:
            return candidate
        for i in rng.choice(free, size=min(len(free), 1 + int(rng.random() < 0.4)), replace=False):
            knob = self.knobs[int(i)]
            values[int(i)] = knob.sample(rng) if rng.random() < 0.25 else knob.neighbour(values[int(i)], rng)
        return tuple(values)

    def crossover(self, a: Candidate, b: Candidate, rng: np.random.Generator) -> Candidate:
        """Each knob from one of two parents."""
        return tuple(x if rng.random() < 0.5 else y for x, y in zip(a, b, strict=True))

    def encode(self, candidate: Candidate) -> tuple[float, ...]:
        """Knob encodings side by side."""
        return tuple(x for k, v in zip(self.knobs, candidate, strict=True) for x in k.encode(v))

    def text(self, candidate: Candidate) -> str:
        """`str(schedule(candidate))`, remembered."""
        text = self._texts.get(candidate)
        if text is None:
            text = self._texts[candidate] = str(self.schedule(candidate))
        return text

    def schedule(self, candidate: Candidate) -> Schedule:
        """The schedule text of a candidate; candidates that mean the same print the same."""
        return _Printer(self, dict(zip((k.name for k in self.knobs), candidate, strict=True))).schedule()


class _Printer:
    def __init__(self, space: SearchSpace, values: dict[str, KnobValue]) -> None:
        self.space = space
        self.values = values
        fuse = {key: int(values.get(key, 0)) for key in ("producers", "consumers", "depth")}  # type: ignore[call-overload]
        self.fuse = fuse
        self.program = space.planner.program(fuse["producers"], fuse["consumers"])
        self.anchor = self.program.anchor
        micro = values["micro"]
        assert isinstance(micro, Micro)
        self.micro = micro

    def schedule(self) -> Schedule:
        steps = [
            self._fuse(),
            self._tile("cache", self._cache()),
            self._order_step(self._order()),
            self._tile("register", self._register()),
        ]
        steps += [self._pack(), self._vectorize(), self._unroll()]
        return Schedule(tuple(s for s in steps if s is not None))

    def _fuse(self) -> Step | None:
        kept = tuple((k, v) for k, v in self.fuse.items() if v)
        return Step("fuse", (), kept) if kept else None

    def _order(self) -> tuple[str, ...]:
        order = self.values.get("order", ())
        return tuple(d for d in order if d in self.anchor.dims)  # type: ignore[attr-defined]

    def _order_step(self, order: tuple[str, ...]) -> Step | None:
        natural = tuple(d for d in self.program.extents if d in order)
        return Step("order", order) if order and order != natural else None

    def _register(self) -> dict[str, int]:
        return {d: s for d, s in self.micro.sizes if s > 1}

    def _tile(self, level: str, sizes: dict[str, int]) -> Step | None:
        items = tuple((d, s) for d, s in sizes.items() if s > 0)
        return Step("tile", (), (("level", level), *items)) if items else None

    def _cache(self) -> dict[str, int]:
        sizes = {}
        for dim, extent in self.program.extents.items():
            value = int(self.values.get(f"cache.{dim}", FULL))  # type: ignore[call-overload]
            if value == FULL:
                continue
            if dim in self.anchor.reduction and dim == self.micro.vector:
                continue
            unit = self.micro.size(dim)
            size = value * unit if dim not in self.anchor.reduction else value
            if size < extent:
                sizes[dim] = size
        return sizes

    def _pack(self) -> Step | None:
        wanted = self.values.get("pack", ())
        names: list[Argument] = []
        for i, access in enumerate(self.anchor.reads):
            if access.buffer in wanted and packable(self.anchor, i, self.micro.vector):  # type: ignore[operator]
                names.append(OPERAND_NAMES[i])
        return Step("pack", tuple(names)) if names else None

    def _vectorize(self) -> Step | None:
        if self.micro.vector is None:
            return None
        dim = self.micro.vector
        kwargs: tuple[tuple[str, Argument], ...] = (
            (("dim", dim),) if dim != self.space.planner.default_vector(self.anchor) else ()
        )
        return Step("vectorize", (self.micro.lanes,), kwargs)

    def _unroll(self) -> Step | None:
        lanes = max(1, self.micro.lanes)
        body = max(1, int(np.prod([s for _, s in self.micro.sizes])) // lanes)
        sizes = []
        for dim in self.anchor.reduction:
            factor = int(self.values.get(f"unroll.{dim}", 1))  # type: ignore[call-overload]
            if dim == self.micro.vector:
                continue
            factor = min(factor, self.program.extents[dim])
            while factor > 1 and body * factor > MAX_BODY:
                factor //= 2
            body *= factor
            if factor > 1:
                sizes.append((dim, factor))
        return Step("unroll", (), tuple(sizes)) if sizes else None


def build_space(kernel: Kernel, target: Target) -> SearchSpace:
    """Derive the knobs of a kernel."""
    planner = Planner(kernel)
    program = planner.program(0, 0)
    anchor = program.anchor
    knobs: list[Knob] = [MicroKnob("micro", micro_tiles(program, anchor, target), tuple(program.extents))]
    knobs += _fusion_knobs(planner)
    knobs += _cache_knobs(planner)
    dims = tuple(d for d in program.extents if d in anchor.dims)
    if len(dims) > 1:
        knobs.append(PermutationKnob("order", dims))
    packs = sorted({a.buffer for i, a in enumerate(anchor.reads) if packable(anchor, i, None)})
    if packs:
        knobs.append(ChoiceKnob("pack", subsets(packs)))
    for dim in anchor.reduction:
        extent = program.extents[dim]
        factors = sorted({f for f in UNROLLS if f <= extent} | ({extent} if extent <= UNROLLS[-1] else set()))
        if len(factors) > 1:
            knobs.append(ChoiceKnob(f"unroll.{dim}", tuple(factors)))
    return SearchSpace(kernel=kernel, target=target, planner=planner, knobs=tuple(knobs))


def _fusion_knobs(planner: Planner) -> list[Knob]:
    producers, consumers = planner.fusable()
    knobs: list[Knob] = []
    if producers:
        knobs.append(ChoiceKnob("producers", tuple(range(producers + 1))))
    if consumers:
        knobs.append(ChoiceKnob("consumers", tuple(range(consumers + 1))))
    depth = planner.max_depth()
    if depth:
        knobs.append(ChoiceKnob("depth", tuple(range(depth + 1))))
    return knobs


def _cache_knobs(planner: Planner) -> list[Knob]:
    program = planner.program(0, 0)
    anchor = program.anchor
    walks = len(anchor.dims) > 1
    knobs: list[Knob] = []
    for dim in anchor.dims:
        extent = program.extents[dim]
        if dim in anchor.reduction:
            sizes: Sequence[int] = [s for s in REDUCTION_TILES if 2 * s <= extent]
        else:
            sizes = log_range(1, extent // 2 + 1) if walks or planner.max_depth() else ()
        if sizes and extent > 2:
            knobs.append(ChoiceKnob(f"cache.{dim}", (*sizes, FULL)))
    return knobs
