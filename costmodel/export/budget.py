"""A compact inside a budget of bytes and microseconds: as it is, with coarser leaves, shortened, or a student.

Owns the order in which things are tried: the first that loses nothing; without unlabelled functions the longest prefix
of the trees; with them the student, of trees or a network, that disagrees least with its teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.export.compact import Compact, Part
from costmodel.export.genetic import (
    SMALLEST,
    Budget,
    NetworkShape,
    Shape,
    TreeShape,
    cost_of,
    over_budget,
    promise,
    search,
    shape_cost,
)
from costmodel.export.layout import pack
from costmodel.export.native import NativeModel, build, compiler
from costmodel.export.soft import Labelled, Soft, ask_teacher
from costmodel.export.student import Student, first_rounds, rounded_leaves, train_student
from costmodel.models.base import Array
from costmodel.models.examples import Encoding
from costmodel.models.metric_model import MetricModel

_SHARES = (0.85, 0.7, 0.55, 0.4, 0.3, 0.2, 0.12, 0.06, 0.03)
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """What fits: the compact, how it came to be, its cost (`measured`, or estimated where there is no compiler)."""

    compact: Compact
    how: str
    cost: Budget
    measured: bool
    student: Student | None = None
    lossless: bool = False
    """To three digits of the model's error, without learning anything anew."""


class Scales:
    """Tells what a compact weighs and takes; builds the C predictor once, where there is a compiler."""

    def __init__(self, folder: Path) -> None:
        """`folder` must live as long as this does."""
        self._library = build(folder) if compiler() else None

    @property
    def measured(self) -> bool:
        """Whether microseconds are measured."""
        return self._library is not None

    def cost(self, compact: Compact) -> Budget:
        """Bytes of the weights, microseconds of a function of 500 operations with all metrics."""
        weights = pack(compact)
        if self._library is None:
            return replace(cost_of(compact), size_bytes=len(weights))
        model = NativeModel(self._library, weights)
        try:
            seconds = model.seconds_per_call(typical_rows(compact), model.target(next(iter(compact.targets))))
        finally:
            model.close()
        return Budget(size_bytes=len(weights), latency_us=1e6 * seconds)


def typical_rows(compact: Compact, count: int = 8, seed: int = 0) -> Array:
    """Features `[count, P + 1]` of functions of 500 operations, a third of them not zero, for timing."""
    rng = np.random.default_rng(seed)
    rows = np.where(rng.random((count, len(compact.numbers) + 1)) < 1 / 3, rng.integers(1, 40, (count, 1)), 0).astype(
        float
    )
    rows[:, compact.ops] = 500.0
    return rows


def inside(
    compact: Compact,
    budget: Budget,
    *,
    model: MetricModel | None = None,
    unlabelled: Sequence[Encoding] = (),
    seen: Sequence[Encoding] | None = None,
    labelled: Labelled | None = None,
    scales: Scales | None = None,
    seed: int = 0,
) -> Fitted:
    """The best that fits the budget.

    Args:
        compact: what `flatten` gave, or `skeleton` (then a student is always made).
        budget: most bytes and microseconds.
        model: the teacher, where there are unlabelled functions.
        unlabelled: functions to distil on; none: only what needs no data is tried.
        seen: those as the student sees them (`graph_inputs.of_graphs`).
        labelled: rows whose labels students learn from beside the teacher's answers.
        scales: to be used again; by default the predictor is built for this call.
        seed: of the search and the training.

    Raises:
        UsageError: nothing fits; the message names the nearest point.
    """
    if scales is None:
        with TemporaryDirectory() as folder:
            return inside(
                compact, budget, model=model, unlabelled=unlabelled, seen=seen, labelled=labelled,
                scales=Scales(Path(folder)), seed=seed,
            )  # fmt: skip
    tried: list[Fitted] = []
    taught: Iterator[Fitted] = iter(())
    if model is not None and (unlabelled or labelled is not None):
        taught = _taught(
            compact, partial(ask_teacher, compact, model, unlabelled, seen=seen, seed=seed, labelled=labelled), budget,
            scales, seed,
        )  # fmt: skip
    for way in (_lossless(compact, scales), taught, _prefixes(compact, scales)):
        for found in way:
            tried.append(found)
            if not budget.excess(found.cost):
                return found
    nearest = min((one.cost for one in tried), key=budget.excess, default=shape_cost(compact, SMALLEST))
    raise UsageError(over_budget(budget, nearest))


def _is_hollow(compact: Compact) -> bool:
    """Whether it is a skeleton, which cannot be exported without a student."""
    return not any(s.output is not None or len(s.trees) for s in compact.slots if s.part is not Part.WIDTH)


def _taught(compact: Compact, ask: Callable[[], Soft], budget: Budget, scales: Scales, seed: int) -> Iterator[Fitted]:
    """Students, those that fit first and of them the one that disagrees least."""
    soft = ask()
    students = list(_students(compact, soft, budget, scales, seed))
    yield from sorted(students, key=lambda one: (budget.excess(one.cost), _loss(one, soft)))


def _fitted(compact: Compact, how: str, scales: Scales, student: Student | None = None) -> Fitted:
    return Fitted(compact=compact, how=how, cost=scales.cost(compact), measured=scales.measured, student=student)


def _lossless(compact: Compact, scales: Scales) -> Iterator[Fitted]:
    if _is_hollow(compact):
        return
    yield replace(_fitted(compact, "exact", scales), lossless=True)
    if compact.leaf_bits == 32:
        yield replace(_fitted(rounded_leaves(compact, 16), "leaves of 16 bits", scales), lossless=True)


def _prefixes(compact: Compact, scales: Scales) -> Iterator[Fitted]:
    """Shorter and shorter ones, those with coarse leaves (one scale for a slot) after those with finer ones."""
    if _is_hollow(compact):
        return
    yield _fitted(rounded_leaves(compact, 8), "leaves of 8 bits", scales)
    for share in _SHARES:
        for bits in (16, 8):
            how = f"the first {100 * share:.0f} % of the trees, leaves of {bits} bits"
            yield _fitted(rounded_leaves(first_rounds(compact, share), bits), how, scales)


def _loss(fitted: Fitted, soft: Soft) -> float:
    assert fitted.student is not None
    spread = np.maximum(soft.teacher.mean.std(axis=0), 1e-6)
    return float(np.mean(fitted.student.disagreement / spread))


def best_shape(compact: Compact, soft: Soft, kind: type[Shape], budget: Budget, seed: int) -> Shape:
    """What the genetic search proposes; raises `UsageError` where nothing fits."""

    def fitness(shape: Shape) -> float:
        if isinstance(shape, TreeShape):
            return float(np.log2(shape.rounds) + 0.5 * shape.depth)
        return promise(soft, shape, seed)

    return search(compact, fitness, kind, budget, seed=seed)


def _students(compact: Compact, soft: Soft, budget: Budget, scales: Scales, seed: int) -> Iterator[Fitted]:
    kinds: tuple[type[Shape], ...] = (TreeShape, NetworkShape)
    for kind in kinds:
        aim = budget
        for _ in range(_ATTEMPTS):
            try:
                shape = best_shape(compact, soft, kind, aim, seed)
            except UsageError:
                break
            student = train_student(compact, soft, shape, seed=seed)
            found = _fitted(student.compact, str(shape), scales, student)
            yield found
            if not budget.excess(found.cost):
                break
            aim = _lowered(aim, budget, found.cost)


def _lowered(aim: Budget, budget: Budget, cost: Budget) -> Budget:
    """What to aim at next: lower by what the last student was over."""
    return Budget(
        size_bytes=aim.size_bytes - max(0.0, 1.1 * (cost.size_bytes - budget.size_bytes)),
        latency_us=aim.latency_us - max(0.0, 1.1 * (cost.latency_us - budget.latency_us)),
    )
