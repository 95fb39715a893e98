"""What a teacher says of unlabelled functions: the rows that students learn from.

Owns the way from a teacher's answer to targets for slots, and from labels where there are some: a student that reads
fewer numbers than its teacher learns more from them. The teacher may be any model of programs (boosted trees, an
ensemble, the hybrid network); its columns and context are the student's. Source: distillation (Hinton et al. 2015), as
applied to models of code by Shi et al. 2022 (arXiv 2208.07120).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.core.target import Target
from costmodel.export.compact import Compact, Part, Slot
from costmodel.export.evaluate import guess, main_matrix
from costmodel.models.base import Array
from costmodel.models.columns import Columns, compressed
from costmodel.models.context import CODEGEN, context_names, context_rows
from costmodel.models.examples import Encoding, Examples
from costmodel.models.heads import Scale, scale
from costmodel.models.kinds import kinds_of
from costmodel.models.levels import level_of
from costmodel.models.metric_model import MetricModel, Scaled
from costmodel.models.tree_arrays import library

_SCALED = ("mean", "std", "nonzero")
_CHUNK = 2048
MOST_LOGIT = 6.0
MOST_ROWS = 8000
LEAST_FUNCTIONS = 20
HELD_OUT = 0.25
LABELLED_GATE = 0.5
"""How much a label says of the probability of not being zero; the rest is the teacher's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Rows whose truth is known."""

    examples: Examples
    values: Array
    """`[n, M]` in the units of the compact's metrics, NaN where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Soft:
    """n rows: the main matrix, and for each of S slots what the teacher's margin is above the guess."""

    x: Array
    """`[n, width]` f32."""
    kinds: Array
    """`[n]`."""
    offsets: Array
    """`[n, S]`: guesses, or zero."""
    targets: Array
    """`[n, S]`: margins over the offsets."""
    weights: Array
    """`[n, S]`: how much a row counts for a slot."""
    held: Array
    """`[n]` bool: rows of functions that students do not learn from."""
    teacher: Scaled
    """`[n, M]`."""
    values: Array
    """`[n, M]`: labels on the metrics' scales, NaN where there is none."""
    examples: Examples
    order: Array
    """Columns of the main matrix that vary, those that tell most of the teacher first."""

    def part(self, held: bool) -> Soft:
        """The rows to learn from, or those to compare on."""
        rows = np.flatnonzero(self.held == held)
        names = ("x", "kinds", "offsets", "targets", "weights", "held", "values")
        arrays = {name: getattr(self, name)[rows] for name in names}
        teacher = Scaled(mean=self.teacher.mean[rows], std=self.teacher.std[rows], nonzero=self.teacher.nonzero[rows])
        return replace(self, **arrays, teacher=teacher, examples=self.examples.take(rows))


def body(compact: Compact) -> list[Slot]:
    """The slots of one member that a student has: one for each metric, one more for each that is zero-inflated."""
    return [slot for slot in compact.slots if slot.part is not Part.WIDTH and slot.member == 0]


def ask_teacher(
    compact: Compact,
    model: MetricModel,
    encodings: Sequence[Encoding],
    *,
    seen: Sequence[Encoding] | None = None,
    seed: int = 0,
    targets_each: int | None = None,
    labelled: Labelled | None = None,
) -> Soft:
    """Ask the teacher about each function on some of the targets that it knows.

    Args:
        compact: the teacher as `flatten` gave it, for columns, slots and guesses.
        model: the teacher.
        encodings: functions without labels.
        seen: the same functions as the student sees them, where it reads other numbers (`graph_inputs`).
        seed: of the draw of targets and of the functions held out.
        targets_each: targets drawn for each function; by default about `MOST_ROWS` rows, two to eight each.
        labelled: rows to learn from as well, by their labels; with `seen` there can be none.

    Raises:
        UsageError: fewer functions than `LEAST_FUNCTIONS`.
    """
    known = 0 if labelled is None else len(labelled.examples.encodings)
    if len(encodings) + known < LEAST_FUNCTIONS:
        raise UsageError(
            f"distillation got {len(encodings) + known} functions, at least {LEAST_FUNCTIONS} are needed; give more"
        )
    rng = np.random.default_rng(seed)
    each = targets_each or int(np.clip(MOST_ROWS // max(1, len(encodings)), 2, 8))
    examples = _questions(compact, encodings, rng, each)
    values = np.full((len(examples), len(compact.metrics)), np.nan)
    if labelled is not None:
        assert seen is None
        examples = _joined(examples, labelled.examples)
        values = np.concatenate([values, _on_scales(compact, labelled.values)])
    columns = Columns(numbers=compact.numbers, context=compact.context)
    x = main_matrix(compact, columns.functions(seen or examples.encodings)[examples.program], examples.context)
    teacher = _only(_asked(model, examples), model.metrics, compact.metrics)
    held_functions = rng.random(len(examples.encodings)) < HELD_OUT
    held_functions[:2] = True, False
    slots = body(compact)
    kinds = kinds_of(examples)
    offsets = np.stack([guess(compact, slot, x, kinds) for slot in slots], axis=1)
    margins, weights = zip(*(_margins(compact, slot, teacher, values) for slot in slots), strict=True)
    found = Soft(
        x=x, kinds=kinds, offsets=offsets, targets=np.stack(margins, axis=1) - offsets,
        weights=np.stack(weights, axis=1), held=held_functions[examples.program], teacher=teacher, values=values,
        examples=examples, order=np.zeros(0, np.int64),
    )  # fmt: skip
    return replace(found, order=_order(found.part(False), seed))


def _order(soft: Soft, seed: int) -> Array:
    """Columns by the gain of a few trees for each slot, then by how much they vary."""
    xgb = library()
    told = np.zeros(soft.x.shape[1])
    for i in range(soft.targets.shape[1]):
        booster = xgb.train(
            {"max_depth": 4, "eta": 0.3, "nthread": 1, "verbosity": 0, "seed": seed, "tree_method": "hist"},
            xgb.DMatrix(soft.x, soft.targets[:, i], weight=soft.weights[:, i]), 20,
        )  # fmt: skip
        gains = booster.get_score(importance_type="total_gain")
        total = sum(gains.values()) or 1.0
        for name, gain in gains.items():
            told[int(name[1:])] += gain / total
    varied = np.flatnonzero(np.ptp(soft.x, axis=0) > 0)
    spread = compressed(soft.x).std(axis=0)
    return np.asarray(varied[np.lexsort((-spread[varied], -told[varied]))], np.int64)


def _questions(compact: Compact, encodings: Sequence[Encoding], rng: np.random.Generator, each: int) -> Examples:
    known = [name for name, (arch, _) in compact.targets.items() if arch in compact.known_archs]
    names = known or list(compact.targets)
    targets = [Target.parse(names[i]) for i in rng.integers(0, len(names), len(encodings) * each)]
    draws = rng.random(len(targets))
    choices = [_pipelines(compact, encoding) for encoding in encodings for _ in range(each)]
    rows = [
        (target, several[int(draw * len(several))], None)
        for target, several, draw in zip(targets, choices, draws, strict=True)
    ]
    return Examples(
        encodings=list(encodings), program=np.repeat(np.arange(len(encodings)), each), context=context_rows(rows),
        context_names=context_names(), archs=np.array([target.arch for target in targets]),
    )  # fmt: skip


def _pipelines(compact: Compact, encoding: Encoding) -> tuple[str, ...] | tuple[None]:
    """What a function may be asked about: LLVM IR goes another way than code above it."""
    of_llvm = {compact.own_pipeline, CODEGEN}
    fitting = tuple(p for p in compact.pipelines if (p in of_llvm) == (level_of(encoding.numbers) == "llvm"))
    return fitting or compact.pipelines or (None,)


def _joined(first: Examples, second: Examples) -> Examples:
    return Examples(
        encodings=[*first.encodings, *second.encodings],
        program=np.concatenate([first.program, second.program + len(first.encodings)]),
        context=np.concatenate([first.context, second.context]), context_names=first.context_names,
        archs=np.concatenate([first.archs, second.archs]),
    )  # fmt: skip


def _on_scales(compact: Compact, values: Array) -> Array:
    columns = [
        np.where(np.isnan(column), np.nan, scale(np.nan_to_num(column), kind))
        for column, kind in zip(values.T, compact.scales, strict=True)
    ]
    return np.stack(columns, axis=1)


def _asked(model: MetricModel, examples: Examples) -> Scaled:
    """The teacher's answers, some rows at a time."""
    several = [np.arange(i, min(i + _CHUNK, len(examples))) for i in range(0, len(examples), _CHUNK)]
    parts = [model.adapted(examples.take(rows)) for rows in several]
    return Scaled(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _SCALED})


def _only(found: Scaled, metrics: Sequence[str], wanted: Sequence[str]) -> Scaled:
    columns = [list(metrics).index(metric) for metric in wanted]
    return Scaled(mean=found.mean[:, columns], std=found.std[:, columns], nonzero=found.nonzero[:, columns])


def _margins(compact: Compact, slot: Slot, teacher: Scaled, values: Array) -> tuple[Array, Array]:
    """The margin of a slot that is wanted, the teacher's or the label's, and the weight of each row."""
    mean, nonzero, label = teacher.mean[:, slot.metric], teacher.nonzero[:, slot.metric], values[:, slot.metric]
    told = ~np.isnan(label)
    if compact.scales[slot.metric] is not Scale.ZERO_INFLATED:
        return np.where(told, label, mean), np.ones(len(mean))
    if slot.part is Part.GATE:
        p = np.where(told, LABELLED_GATE * (label > 0) + (1 - LABELLED_GATE) * nonzero, nonzero)
        p = np.clip(p, 1e-9, 1 - 1e-9)
        return np.clip(np.log(p / (1 - p)), -MOST_LOGIT, MOST_LOGIT), 0.05 + 4 * p * (1 - p)
    sizes = np.log1p(np.expm1(mean) / np.maximum(nonzero, 1e-6))
    return np.where(label > 0, label, sizes), np.where(label > 0, 1.0, np.maximum(nonzero, 0.02))
