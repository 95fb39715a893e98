"""From a trained model to a `Compact`.

Owns what can be exported: boosted trees, ensembles of them, and conformal intervals around either. Invariant: nothing
is lost; the compact's predictions are the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from costmodel.core.errors import UnsupportedError, UsageError
from costmodel.core.metrics import ALL_ARCHS, get_metric
from costmodel.core.target import Target, target_names
from costmodel.core.target_table import Core
from costmodel.export.compact import FIGURES, FLOOR, Compact, Intervals, Part, Slot, Trees, kind_names, no_trees
from costmodel.models import Model
from costmodel.models.base import Array
from costmodel.models.columns import share_columns
from costmodel.models.conformal import Conformal
from costmodel.models.encode import SIZE_NAME, versions
from costmodel.models.ensemble import Ensemble
from costmodel.models.heads import Scale, scale_of
from costmodel.models.metric_model import MetricModel
from costmodel.models.predictor import Predictor
from costmodel.models.tree_arrays import TreeArrays
from costmodel.models.trees import BoostedTrees

EXPORTABLE = ("boosted-trees", "conformal", "ensemble")
_CORE = tuple(Core._fields)


def flatten(
    model: Model, *, name: str = "model", pipelines: Sequence[str] = (), metrics: Sequence[str] = (),
    default_pipeline: str = "",
) -> Compact:  # fmt: skip
    """Everything of a fitted model as arrays.

    Args:
        model: boosted trees, an ensemble of them, or conformal intervals around either.
        name: to be told by the export.
        pipelines: names the model was trained on; one alone is what a question without a pipeline means.
        metrics: keep only these; all by default.
        default_pipeline: what a question without a pipeline means where there are several.

    Raises:
        UnsupportedError: a model of another kind, or one that was adapted.
        UsageError: a model that was never fitted, a metric that it does not have.
    """
    if not isinstance(model, MetricModel) or not isinstance(model, BoostedTrees | Conformal | Ensemble):
        kind = getattr(model, "name", type(model).__name__)
        raise UnsupportedError(
            f"a {kind!r} model cannot be exported; those that can: {', '.join(EXPORTABLE)} over boosted trees. "
            "Train one of these, or distil this one with --unlabelled"
        )
    _check_fitted(model)
    assert model.columns is not None
    chosen = chosen_metrics(model.metrics, metrics)
    members = [_trees_of(member) for member in _members(model)]
    builder = _Builder(members[0], ALL_ARCHS)
    slots = [slot for k, member in enumerate(members) for slot in builder.slots(k, member, chosen)]
    widths, intervals = _intervals(model, chosen)
    return Compact(
        name=name, numbers=model.columns.numbers, ops=_ops(model.columns.numbers), context=model.columns.context,
        metrics=tuple(model.metrics[i] for i in chosen), archs=ALL_ARCHS, known_archs=model.archs,
        targets=target_table(),
        pipelines=tuple(pipelines), versions=versions(), ratios=_ratios(model.columns.numbers),
        slots=(*slots, *widths), guesses=builder.guesses(),
        deviations=np.stack([member._deviation[chosen] for member in members]).astype(np.float64),
        novelty=model.novelty, intervals=intervals, default_pipeline=default_pipeline,
    )  # fmt: skip


def skeleton(
    model: Model, *, name: str = "model", pipelines: Sequence[str] = (), metrics: Sequence[str] = (),
    default_pipeline: str = "",
) -> Compact:  # fmt: skip
    """Everything but the body of any model of programs, for a student to be put in: see `student`.

    Args:
        model: any fitted model that predicts metrics of programs, also a neural one.
        name: as in `flatten`.
        pipelines: as in `flatten`.
        metrics: as in `flatten`.
        default_pipeline: as in `flatten`.

    Raises:
        UnsupportedError: the model ranks schedules, or was adapted.
        UsageError: as in `flatten`.
    """
    if not isinstance(model, MetricModel):
        raise UnsupportedError(f"a {type(model).__name__!r} model does not predict metrics of programs by features")
    _check_fitted(model)
    assert model.columns is not None
    chosen = chosen_metrics(model.metrics, metrics)
    kept = [model.metrics[i] for i in chosen]
    slots = [
        Slot(member=0, metric=i, part=part, trees=no_trees())
        for i, metric in enumerate(kept)
        for part in (Part.GATE, Part.MEAN)
        if part is Part.MEAN or scale_of(metric) is Scale.ZERO_INFLATED
    ]
    widths, intervals = _intervals(model, chosen)
    numbers = model.columns.numbers
    return Compact(
        name=name, numbers=numbers, ops=_ops(numbers), context=model.columns.context, metrics=tuple(kept),
        archs=ALL_ARCHS, known_archs=model.archs, targets=target_table(), pipelines=tuple(pipelines),
        versions=versions(), ratios=_ratios(numbers), slots=(*slots, *widths),
        guesses=np.zeros((0, len(kind_names(ALL_ARCHS)), len(numbers) + 1), np.float32),
        deviations=np.full((1, len(kept)), FLOOR), novelty=model.novelty, intervals=intervals,
        default_pipeline=default_pipeline,
    )  # fmt: skip


def told_of(predictor: Predictor) -> dict[str, Any]:
    """What `flatten` and `skeleton` are told of a loaded predictor: name, pipelines, and that of LLVM IR by default."""
    by_level = predictor.card.get("default_pipelines") or {}
    return {
        "name": predictor.name, "pipelines": tuple(predictor.card.get("pipelines") or ()),
        "default_pipeline": str(by_level.get("llvm", "")),
    }  # fmt: skip


def _check_fitted(model: MetricModel) -> None:
    if model._adaptation is not None:
        raise UnsupportedError(
            "a model that was adapted by `update` cannot be exported: its Gaussian process stays in Python; export the "
            "checkpoint that it was adapted from"
        )
    if model.columns is None or model.novelty is None:
        raise UsageError("a model that was never fitted cannot be exported; call fit, or load a checkpoint")


def chosen_metrics(known: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Columns of the metrics wanted; raises `UsageError` for one that is not there."""
    for metric in wanted:
        get_metric(metric)
        if metric not in known:
            raise UsageError(f"the model was not trained on metric {metric!r}; it has {', '.join(known)}")
    return [known.index(metric) for metric in dict.fromkeys(wanted)] if wanted else list(range(len(known)))


def target_table() -> dict[str, tuple[str, tuple[float, ...]]]:
    """All targets that are known by name: architecture and figures."""
    found = {}
    for name in target_names()[1:]:
        target = Target.parse(name)
        found[name] = (target.arch, figures_of(target))
    return found


def figures_of(target: Target) -> tuple[float, ...]:
    """A target's `FIGURES`, 0 for what is not known."""
    own = {f.name for f in fields(Target)}
    values = [getattr(target, name) if name in own else getattr(target.core, name) for name in FIGURES]
    return tuple(float(value or 0.0) for value in values)


def _ops(numbers: Sequence[str]) -> int:
    if SIZE_NAME not in numbers:
        raise UnsupportedError(f"the model does not read {SIZE_NAME!r}, by which shares are taken; train it again")
    return list(numbers).index(SIZE_NAME)


def _ratios(numbers: Sequence[str]) -> Array:
    return np.array(share_columns(numbers), np.int64)


def _members(model: MetricModel) -> list[MetricModel]:
    inner = model._base if isinstance(model, Conformal) else model
    return list(inner._members) if isinstance(inner, Ensemble) else [inner]


def _trees_of(member: MetricModel) -> BoostedTrees:
    if not isinstance(member, BoostedTrees):
        raise UnsupportedError(
            f"the model wraps {member.name!r}, which cannot be exported; those that can: {', '.join(EXPORTABLE)} over "
            "boosted trees. Distil it with --unlabelled"
        )
    return member


class _Builder:
    """Slots of members, and the rows of their guesses."""

    def __init__(self, first: BoostedTrees, archs: Sequence[str]) -> None:
        assert first.columns is not None
        self._numbers = len(first.columns.numbers)
        self._kinds = kind_names(archs)
        self._rows: list[Array] = []

    def slots(self, number: int, member: BoostedTrees, chosen: Sequence[int]) -> list[Slot]:
        found = []
        for (metric, part), place in member._index.items():
            if metric not in chosen:
                continue
            guess = member._guesses.get(metric) if part == "mean" else None
            booster = member._boosters.boosters[place]
            found.append(Slot(
                member=number, metric=list(chosen).index(metric), part=Part.MEAN if part == "mean" else Part.GATE,
                base=booster.base, guess=None if guess is None else len(self._rows),
                trees=trees_of(booster),
            ))  # fmt: skip
            if guess is not None:
                self._rows.append(np.stack([guess.of(name) for name in self._kinds]))
        return found

    def guesses(self) -> Array:
        empty = np.zeros((0, len(self._kinds), self._numbers + 1))
        return np.asarray(np.stack(self._rows) if self._rows else empty, np.float32)


def _intervals(model: MetricModel, chosen: Sequence[int]) -> tuple[list[Slot], Intervals | None]:
    if not isinstance(model, Conformal):
        return [], None
    slots = []
    for i, metric in enumerate(chosen):
        booster = model._widths.boosters[metric]
        slots.append(Slot(member=0, metric=i, part=Part.WIDTH, base=booster.base, trees=trees_of(booster)))
    rows = [model.factors_of(kind) for kind in kind_names(ALL_ARCHS)]
    factors = np.array([[row[i] for i in chosen] for row in rows], np.float64)
    return slots, Intervals(deviations=np.array([model._deviations[i] for i in chosen], np.float64), factors=factors)


def trees_of(booster: TreeArrays) -> Trees:
    """The same trees: their nodes are in breadth-first order, two children side by side."""
    leaf, root = booster.leaf, np.repeat(booster.roots, booster.sizes)
    return Trees(
        sizes=booster.sizes,
        feature=np.where(leaf, -1, booster.column).astype(np.int32),
        threshold=np.where(leaf, np.float32(0), booster.number),
        left=np.where(leaf, -1, booster.left - root).astype(np.int32),
        value=np.where(leaf, booster.number, np.float32(0)),
    )
