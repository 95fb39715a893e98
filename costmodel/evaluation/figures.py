"""All figures of one model on one set of rows: by metric, by category, by workload.

Owns which figures a metric gets: registers are counted exactly, zero-inflated metrics as detection too, latencies of
several schedules of one workload as ranking and selection. The definitions are in the modules beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from costmodel.core.metrics import get_metric
from costmodel.evaluation.cases import Cases
from costmodel.evaluation.detection import detection_figures
from costmodel.evaluation.intervals import calibration, coverage_by, interval_figures
from costmodel.evaluation.metrics import Figures, exact_percent, value_figures, within_percent
from costmodel.evaluation.ranking import (
    grouped_pairwise_accuracy,
    kendall_tau,
    mean_top_k_score,
    spearman,
    top_k_score,
    top_k_slowdown_percent,
)
from costmodel.evaluation.selection import eff_at_k, efficiencies, regrets_percent
from costmodel.models.base import Array, Prediction
from costmodel.models.label_range import label_range

CATEGORIES = ("family", "project", "network", "level", "stage", "target", "pipeline")
MIN_CATEGORY = 5
"""Rows that a category needs for figures of its own."""
MIN_SCHEDULES = 8
"""Schedules of one workload on one target from which ranking them is asked about."""
LEAST_GAP = 0.02
"""Of two latencies: closer ones are told apart by noise as much as by anything else."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """One metric's labels and predictions, rows without a label left out, all `[n]`."""

    metric: str
    truth: Array
    mean: Array
    low: Array
    high: Array
    nonzero: Array
    """NaN where the metric is not zero-inflated."""
    rows: Array
    """Row numbers in the cases."""

    @classmethod
    def of(cls, prediction: Prediction, cases: Cases, metric: str) -> Column:
        """The labelled rows of a metric."""
        truth = cases.column(metric)
        rows = np.flatnonzero(~np.isnan(truth))
        i = prediction.metrics.index(metric)
        nothing = np.full(prediction.mean.shape, np.nan)
        low, high, nonzero = (p if p is not None else nothing for p in
                              (prediction.low, prediction.high, prediction.nonzero))  # fmt: skip
        return cls(metric=metric, truth=truth[rows], mean=prediction.mean[rows, i], low=low[rows, i],
                   high=high[rows, i], nonzero=nonzero[rows, i], rows=rows)  # fmt: skip

    def take(self, chosen: Array) -> Column:
        """Some of its rows."""
        parts = {name: getattr(self, name)[chosen] for name in ("truth", "mean", "low", "high", "nonzero", "rows")}
        return Column(metric=self.metric, **parts)


def metric_figures(prediction: Prediction, cases: Cases, training: Array, metric: str) -> Json | None:
    """Figures of one metric, None where no row has a label; `training` are the labels that were learned from."""
    column = Column.of(prediction, cases, metric)
    if not len(column.rows):
        return None
    training = training[~np.isnan(training)]
    spread = label_range(training)
    found: Json = {"unit": get_metric(metric).unit, "rows": len(column.rows), **column_figures(column, training)}
    found["calibration"] = calibration(column.mean, column.low, column.high, column.truth)
    found["by"] = {name: _by(column, cases.columns[name][column.rows], training) for name in CATEGORIES}
    found["coverage_by_family"] = coverage_by(
        cases.columns["family"][column.rows], column.low, column.high, column.truth, spread
    )
    ranked = schedule_figures(column, cases)
    return found | ({"schedules": ranked} if ranked else {})


def column_figures(column: Column, training: Array) -> Figures:
    """Values, order and intervals of some rows of one metric."""
    spread = label_range(training)
    found = value_figures(column.mean, column.truth, training)
    found |= {"kendall_tau": kendall_tau(column.mean, column.truth), "spearman": spearman(column.mean, column.truth)}
    if get_metric(column.metric).unit == "registers":
        found["exact_percent"] = exact_percent(column.mean, column.truth)
        found["within_1_percent"] = within_percent(column.mean, column.truth, 1)
    if np.isfinite(column.nonzero).all():
        found |= detection_figures(column.nonzero, column.truth > 0)
    if np.isfinite(column.low).all():
        found |= interval_figures(column.low, column.high, column.truth, spread)
    return found


def _by(column: Column, names: Array, training: Array) -> dict[str, Figures]:
    found = {}
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        if len(rows) >= MIN_CATEGORY:
            found[str(name) or "(none)"] = {"rows": float(len(rows)), **column_figures(column.take(rows), training)}
    return found if len(found) > 1 else {}


def schedule_figures(column: Column, cases: Cases) -> Json | None:
    """Ranking of schedules within workloads, None where no workload has several; for metrics that should be low."""
    names = workload_names(cases, column.rows)
    kept = _crowded(names) & (names != "") & (column.truth > 0)
    if get_metric(column.metric).direction != "lower" or not kept.any():
        return None
    return ranking_figures(column.mean[kept], column.truth[kept], names[kept])


def ranking_figures(predicted: Array, truth: Array, groups: Array) -> Json:
    """All figures of an order within groups; `truth` above 0, lower is better."""
    regret = regrets_percent(predicted, truth, groups)
    scores = [efficiencies(truth[groups == name]) for name in np.unique(groups)]
    return {
        "workloads": len(regret),
        "schedules": len(truth),
        "pairwise_accuracy": grouped_pairwise_accuracy(predicted, truth, groups),
        "pairwise_accuracy_over_2_percent": grouped_pairwise_accuracy(predicted, truth, groups, LEAST_GAP),
        "kendall_tau": _mean_tau(predicted, truth, groups),
        **{f"top_{k}_score": top_k_score(predicted, truth, groups, k) for k in (1, 5)},
        **{f"mean_top_{k}_score": mean_top_k_score(predicted, truth, groups, k) for k in (1, 5)},
        **{f"top_{k}_slowdown_percent": top_k_slowdown_percent(predicted, truth, groups, k) for k in (1, 5, 10)},
        "regret_percent": {
            "mean": float(regret.mean()), "median": float(np.median(regret)),
            "percentile_90": float(np.percentile(regret, 90)), "worst": float(regret.max()),
        },
        "eff_at_5_of_chance": float(np.mean([eff_at_k(s.tolist(), min(5, len(s))) for s in scores])),
    }  # fmt: skip


def _mean_tau(predicted: Array, truth: Array, groups: Array) -> float | None:
    found = [kendall_tau(predicted[groups == name], truth[groups == name]) for name in np.unique(groups)]
    kept = [value for value in found if value is not None]
    return float(np.mean(kept)) if kept else None


def workload_names(cases: Cases, rows: Array) -> Array:
    """Workload with its target for each of `rows`, `` where the function has none."""
    workload, target = cases.columns["workload"][rows], cases.columns["target"][rows]
    return np.array([f"{w} {t}" if w else "" for w, t in zip(workload, target, strict=True)])


def _crowded(names: Array) -> Array:
    _, index, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.asarray(counts[index] >= MIN_SCHEDULES)
