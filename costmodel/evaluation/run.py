"""Evaluation proper: train on one side of a fold, test on the other; mean and spread over folds.

Owns the protocol. Invariant: what is told of a fold comes from a model that has seen none of its held-out groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.evaluation.cases import Cases, Fold
from costmodel.evaluation.detection import known_auroc
from costmodel.evaluation.figures import Json, metric_figures
from costmodel.models.base import Array, Model, Prediction
from costmodel.models.metric_model import MetricModel
from costmodel.models.monitor import Monitor

MIN_TRAINING, MIN_TEST = 30, 5
"""Labels of a metric that a fold needs on each side."""
Make = Callable[[tuple[str, ...], int], Model]
"""Builds an unfitted model from metrics and a seed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tested:
    """One fold's figures, and what pictures need."""

    document: Json
    model: Model
    prediction: Prediction
    held: Cases
    curves: Mapping[str, Sequence[tuple[int, float]]]


class Recorder(Monitor):
    """Keeps losses for learning curves; the parts of one run share it."""

    def __init__(self, curves: dict[str, list[tuple[int, float]]] | None = None, prefix: str = "") -> None:
        self.curves: dict[str, list[tuple[int, float]]] = {} if curves is None else curves
        self._prefix = prefix

    def child(self, name: str, share: float = 1.0) -> Recorder:
        """See `Monitor`."""
        return Recorder(self.curves, f"{self._prefix}{name}/")

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """See `Monitor`."""
        for name, value in figures.items():
            self.curves.setdefault(self._prefix + name, []).append((done, value))


def fit(model: Model, cases: Cases, groups: Array, monitor: Monitor | None = None) -> Model:
    """Train on all rows of `cases`; returns the model."""
    if isinstance(model, MetricModel):
        model.fit(cases.examples, cases.values, groups, monitor)
    else:
        model.fit(cases.examples, cases.values, groups)
    return model


def enough_labels(cases: Cases, fold: Fold) -> tuple[str, ...]:
    """Metrics with enough labels on both sides."""
    there = ~np.isnan(cases.values)
    kept = (there[fold.train].sum(axis=0) >= MIN_TRAINING) & (there[fold.held].sum(axis=0) >= MIN_TEST)
    return tuple(metric for metric, keep in zip(cases.metrics, kept, strict=True) if keep)


def examine_fold(cases: Cases, groups: Array, fold: Fold, make: Make, seed: int) -> Tested:
    """Train a fresh model and test it.

    Raises:
        UsageError: no metric has enough labels on both sides.
    """
    metrics = enough_labels(cases, fold)
    if not metrics:
        raise UsageError(
            f"no metric has {MIN_TRAINING} labels to learn from and {MIN_TEST} to test on; choose another split"
        )
    index = [cases.metrics.index(metric) for metric in metrics]
    train = Cases(
        examples=cases.examples, values=cases.values[:, index], metrics=metrics, columns=cases.columns,
        likeness=cases.likeness,
    )  # fmt: skip
    rows = fold.train[~np.isnan(train.values[fold.train]).all(axis=1)]
    recorder = Recorder()
    model = fit(make(metrics, seed), train.take(rows), groups[rows], recorder)
    return examine(train, fold, model, recorder.curves, seed)


def examine(
    cases: Cases, fold: Fold, model: Model, curves: Mapping[str, Sequence[tuple[int, float]]], seed: int | None
) -> Tested:
    """Test a trained model on the held-out rows, and on new functions of training groups where there are any."""
    held, training = cases.take(fold.held), cases.values[fold.train]
    prediction = model.predict(held.examples)
    document: Json = {
        "seed": seed, "held_out": list(fold.groups), "training_rows": len(fold.train), "test_rows": len(fold.held),
        "refused_near_duplicates": fold.refused, "metrics": {},
    }  # fmt: skip
    for i, metric in enumerate(cases.metrics):
        figures = metric_figures(prediction, held, training[:, i], metric)
        if figures is not None:
            document["metrics"][metric] = figures
    if len(fold.seen):
        document["seen"] = _seen(cases.take(fold.seen), training, model, prediction)
    return Tested(document=document, model=model, prediction=prediction, held=held, curves=curves)


def _seen(seen: Cases, training: Array, model: Model, held: Prediction) -> Json:
    """New functions of training groups: their errors, and how well `known` tells them from the held-out."""
    prediction = model.predict(seen.examples)
    found: Json = {"rows": len(seen), "metrics": {}}
    for i, metric in enumerate(seen.metrics):
        figures = metric_figures(prediction, seen, training[:, i], metric)
        if figures is not None:
            found["metrics"][metric] = {k: v for k, v in figures.items() if not isinstance(v, dict | list)}
    if prediction.distance is not None and held.distance is not None:
        found["known_auroc"] = known_auroc(prediction.distance, held.distance)
    if prediction.known is not None and held.known is not None:
        found["known_percent"] = {
            "seen": 100 * float(prediction.known.mean()), "held_out": 100 * float(held.known.mean())
        }  # fmt: skip
    return found


def over_seeds(documents: Sequence[Mapping[str, Any]]) -> Json:
    """Equal documents as one: each number becomes mean, standard deviation (n - 1) and how many there were.

    Numbers that are None, and branches that only some documents have, are taken from those that have them; lists and
    texts are left out.
    """
    found: Json = {}
    for name in dict.fromkeys(name for document in documents for name in document):
        values = [document[name] for document in documents if document.get(name) is not None]
        numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        branches = [v for v in values if isinstance(v, Mapping)]
        if branches:
            found[name] = over_seeds(branches)
        elif numbers:
            found[name] = mean_and_spread(numbers)
    return found


def mean_and_spread(numbers: Sequence[float]) -> Json:
    """Mean, standard deviation (n - 1; 0 of one number) and how many there are."""
    spread = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else 0.0
    return {"mean": float(np.mean(numbers)), "std": spread, "seeds": len(numbers)}
