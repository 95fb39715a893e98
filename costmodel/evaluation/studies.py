"""Studies that train more than once: error against data and model size, and adaptation to a new target.

Owns their protocols; the size studies are after SURGE (Lyu et al. 2025), which asks how surrogates of program
execution scale with data and parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.evaluation.cases import Cases, Fold
from costmodel.evaluation.figures import Column, Json, column_figures
from costmodel.evaluation.run import Make, enough_labels, fit
from costmodel.models.base import Array, Model
from costmodel.models.metric_model import MetricModel

DATA_SHARES = (0.125, 0.25, 0.5, 1.0)
MODEL_FACTORS = (0.125, 0.25, 0.5, 1.0)
SHOTS = (0, 32, 256)
MIN_LABELS = 12
"""Of a metric, from which a share of the data is worth training on."""
RESIZED = ("rounds", "width", "hidden")
"""Options that make models larger."""
_BRIEF = ("rmse_percent_of_range", "mae", "mape_percent", "kendall_tau", "auc_nonzero", "coverage_percent")


def resized(options: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """A model's options with what makes it large multiplied, also inside wrappers; at least 4, in steps of 4."""
    found = dict(options)
    for name, value in options.items():
        if isinstance(value, Mapping):
            found[name] = resized(value, factor)
        elif name in RESIZED:
            found[name] = max(4, round(value * factor / 4) * 4)
    return found


def size_bytes(model: Model) -> int | None:
    """Of a trained model's checkpoint, without the frame that all models share."""
    return sum(map(len, model.state().values())) if isinstance(model, MetricModel) else None


def brief(model: Model, cases: Cases, training: Array) -> dict[str, dict[str, float | None]]:
    """A few figures by metric."""
    prediction = model.predict(cases.examples)
    found = {}
    for i, metric in enumerate(cases.metrics):
        column = Column.of(prediction, cases, metric)
        if len(column.rows):
            figures = column_figures(column, training[~np.isnan(training[:, i]), i])
            found[metric] = {name: figures[name] for name in _BRIEF if name in figures}
    return found


def data_scaling(
    cases: Cases, groups: Array, fold: Fold, make: Make, seed: int, shares: Sequence[float] = DATA_SHARES
) -> list[Json]:
    """Error on the same held-out rows after training on a growing share of the training functions, each in the next."""
    metrics = _needed(cases, fold)
    held, training = _with(cases, metrics, fold.held), _with(cases, metrics, fold.train)
    order = np.random.default_rng(seed).permutation(np.unique(cases.examples.program[fold.train]))
    found = []
    for share in shares:
        chosen = order[: max(1, round(share * len(order)))]
        rows = fold.train[np.isin(cases.examples.program[fold.train], chosen)]
        part = _with(cases, metrics, rows)
        if (~np.isnan(part.values)).sum(axis=0).min() < MIN_LABELS:
            continue
        model = fit(make(metrics, seed), part, groups[rows])
        found.append({"share": share, "functions": len(chosen), "rows": len(rows),
                      "metrics": brief(model, held, training.values)})  # fmt: skip
    return found


def model_scaling(
    cases: Cases, groups: Array, fold: Fold, make: Callable[[float], Make], seed: int,
    factors: Sequence[float] = MODEL_FACTORS,
) -> list[Json]:  # fmt: skip
    """Error of models of growing size on the same rows; `make(factor)` builds one of that size."""
    metrics = _needed(cases, fold)
    held, training = _with(cases, metrics, fold.held), _with(cases, metrics, fold.train)
    found = []
    for factor in factors:
        model = fit(make(factor)(metrics, seed), training, groups[fold.train])
        found.append({"factor": factor, "size_bytes": size_bytes(model),
                      "metrics": brief(model, held, training.values)})  # fmt: skip
    return found


def _needed(cases: Cases, fold: Fold) -> tuple[str, ...]:
    metrics = enough_labels(cases, fold)
    if not metrics:
        raise UsageError("no metric has enough labels on both sides of the split; choose another one")
    return metrics


def _with(cases: Cases, metrics: tuple[str, ...], rows: Array) -> Cases:
    index = [cases.metrics.index(metric) for metric in metrics]
    part = cases.take(rows)
    return Cases(examples=part.examples, values=part.values[:, index], metrics=metrics, columns=part.columns,
                 likeness=part.likeness)  # fmt: skip


def few_shot(
    cases: Cases, groups: Array, target: str, held_out: Array, make: Make, seed: int,
    shots: Sequence[int] = SHOTS,
) -> Json:  # fmt: skip
    """How a model gets on with a target it has not met.

    Args:
        cases: rows of several targets.
        groups: `[n]`, what a model holds out together while it trains.
        target: the new one.
        held_out: mask `[n]` of whole groups: tested on, whatever the target; never trained on. Near-duplicates of
            functions outside it are not tested on.
        make: builds models.
        seed: of the model and of the shots.
        shots: numbers of labelled rows of the new target that `update` gets, in rising order.

    Returns:
        Figures after each number of shots; those of a model trained with the target (`seen`); for each metric the
        error without shots over that of `seen` (`ratio`).

    Raises:
        UsageError: the target has no rows on one side.
    """
    own = cases.columns["target"] == target
    fresh = ~np.isin(cases.likeness, cases.likeness[~held_out])
    test, pool, rest = (np.flatnonzero(m) for m in (own & held_out & fresh, own & ~held_out, ~own & ~held_out))
    if not len(test) or not len(pool) or not len(rest):
        raise UsageError(f"target {target} has no rows on both sides of the split, or is the only one")
    fold = Fold(train=rest, seen=rest[:0], held=test, groups=(target,))
    metrics = _needed(cases, fold)
    pool = pool[~np.isnan(_with(cases, metrics, pool).values).any(axis=1)]
    drawn = np.random.default_rng(seed).permutation(pool)
    held, training = _with(cases, metrics, test), _with(cases, metrics, rest)
    model = fit(make(metrics, seed), training, groups[rest])
    found: Json = {"target": target, "test_rows": len(test), "training_rows": len(rest), "shots": []}
    given = 0
    for shot in shots:
        new = drawn[given:shot]
        if len(new) < shot - given:
            break
        if len(new):
            part = _with(cases, metrics, new)
            model.update(part.examples, part.values)
        given = shot
        found["shots"].append({"labels": shot, "metrics": brief(model, held, training.values)})
    both = np.concatenate([rest, np.flatnonzero(own & ~held_out)])
    full = fit(make(metrics, seed), _with(cases, metrics, both), groups[both])
    found["seen"] = {"metrics": brief(full, held, training.values)}
    found["ratio"] = _ratios(found["shots"][0]["metrics"], found["seen"]["metrics"])
    return found


def _ratios(unseen: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
    return {metric: unseen[metric]["mae"] / seen[metric]["mae"] for metric in unseen if seen.get(metric, {}).get("mae")}
