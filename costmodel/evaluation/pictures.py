"""Pictures of a report, as SVG files that are equal for equal figures.

Owns the drawing, by matplotlib (extra `data` or `train`). Decides nothing about figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.core.errors import MissingDependencyError
from costmodel.core.metrics import get_metric
from costmodel.evaluation.figures import Column, Json
from costmodel.evaluation.run import Tested
from costmodel.models.base import Array

_MOST_POINTS, _MOST_FAMILIES, _MOST_CURVES = 4000, 30, 8
_INK, _PALE = "#3b6ea5", "#b0b7c0"


def _pyplot() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingDependencyError(
            f"pictures need matplotlib ({error}); pip install 'costmodel-ir[data]', or leave --report out"
        ) from error
    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "costmodel", "svg.fonttype": "none", "figure.max_open_warning": 0})
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> str:
    figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    _pyplot().close(figure)
    return path.name


def draw_all(folder: Path, tested: Sequence[Tested], document: Json) -> list[str]:
    """Write every picture that there are figures for; names of the files."""
    names = []
    for metric in document["metrics"]:
        columns = [Column.of(t.prediction, t.held, metric) for t in tested if metric in t.prediction.metrics]
        columns = [column for column in columns if len(column.rows)]
        if columns:
            names.append(predicted_and_true(folder / f"predicted_true-{metric}.svg", metric, columns))
    names.append(error_by_family(folder / "error_by_family.svg", document["metrics"]))
    names.append(calibrations(folder / "calibration.svg", tested))
    curves = next((t.curves for t in tested if t.curves), None)
    if curves:
        names.append(training_curves(folder / "training_curves.svg", curves))
    for study, x in (("data_scaling", "rows"), ("model_scaling", "size_bytes")):
        if document.get(study):
            names.append(scaling(folder / f"{study}.svg", document[study], x))
    return names


def predicted_and_true(path: Path, metric: str, columns: Sequence[Column]) -> str:
    """A point for each held-out row; the diagonal is perfect."""
    figure, axes = _pyplot().subplots(figsize=(4.5, 4.5))
    truth, mean = (np.concatenate([getattr(c, name) for c in columns]) for name in ("truth", "mean"))
    step = -(-len(truth) // _MOST_POINTS)
    axes.scatter(truth[::step], mean[::step], s=6, alpha=0.35, color=_INK, linewidths=0)
    ends = [float(min(truth.min(), mean.min())), float(max(truth.max(), mean.max()))]
    axes.plot(ends, ends, color=_PALE, linewidth=1)
    if ends[1] > 100 * max(1.0, float(np.median(truth))) or get_metric(metric).unit == "s":
        least = float(truth[truth > 0].min()) if (truth > 0).any() else 1.0
        for set_scale in (axes.set_xscale, axes.set_yscale):
            set_scale("symlog", linthresh=least if get_metric(metric).unit == "s" else 1.0)
    axes.set(title=f"{metric}, {len(truth)} held-out rows", xlabel=f"true ({get_metric(metric).unit})",
             ylabel="predicted")  # fmt: skip
    return _save(figure, path)


def error_by_family(path: Path, metrics: Mapping[str, Any]) -> str:
    """RMSE of each held-out family over the label range, with the metric's own in pale."""
    shown = {m: _family_errors(f) for m, f in metrics.items()}
    shown = {m: rows for m, rows in shown.items() if rows} or {"no family has figures": []}
    heights = [max(1.2, 0.22 * len(rows) + 0.8) for rows in shown.values()]
    figure, panels = _pyplot().subplots(
        len(shown), 1, figsize=(7, sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axes, (metric, rows) in zip(panels[:, 0], shown.items(), strict=True):
        axes.barh([name for name, _ in rows][::-1], [value for _, value in rows][::-1], color=_INK)
        axes.set_title(metric, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_xlabel("RMSE, % of range", fontsize=8)
    return _save(figure, path)


def _family_errors(figures: Mapping[str, Any]) -> list[tuple[str, float]]:
    families = figures.get("by", {}).get("family", {})
    found = [(name, _mean(row.get("rmse_percent_of_range"))) for name, row in families.items()]
    return sorted([(n, v) for n, v in found if v is not None], key=lambda pair: -pair[1])[:_MOST_FAMILIES]


def _mean(value: Any) -> float | None:
    return value.get("mean") if isinstance(value, Mapping) else value


def calibrations(path: Path, tested: Sequence[Tested]) -> str:
    """Observed share of labels inside intervals of each nominal level; below the diagonal is overconfidence."""
    figure, axes = _pyplot().subplots(figsize=(4.5, 4.5))
    axes.plot([0, 1], [0, 1], color=_PALE, linewidth=1)
    points: dict[str, list[Array]] = {}
    for one in tested:
        for metric, figures in one.document["metrics"].items():
            points.setdefault(metric, []).append(np.array(figures["calibration"]))
    for metric, curves in points.items():
        mean = np.mean(curves, axis=0)
        axes.plot(mean[:, 0], mean[:, 1], marker="o", markersize=3, linewidth=1, label=metric)
    axes.set(title="calibration on held-out groups", xlabel="nominal level", ylabel="observed share")
    axes.legend(fontsize=6)
    return _save(figure, path)


def training_curves(path: Path, curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Losses over steps of the first fold's training, the longest curves."""
    figure, axes = _pyplot().subplots(figsize=(6, 4))
    kept = sorted(curves, key=lambda name: ("all/" not in name, -len(curves[name]), name))[:_MOST_CURVES]
    for name in kept:
        points = np.array(curves[name], float)
        axes.plot(points[:, 0], points[:, 1] / max(float(np.abs(points[0, 1])), 1e-12), linewidth=1, label=name)
    axes.set(title="learning curves", xlabel="step", ylabel="loss over the first one")
    axes.legend(fontsize=6)
    return _save(figure, path)


def scaling(path: Path, rows: Sequence[Mapping[str, Any]], x: str) -> str:
    """Error against the size of the data or of the model, both logarithmic."""
    figure, axes = _pyplot().subplots(figsize=(5, 4))
    for metric in rows[0]["metrics"]:
        points = [(row[x], row["metrics"].get(metric, {}).get("rmse_percent_of_range")) for row in rows if row[x]]
        points = [(a, b) for a, b in points if b]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=metric)
    axes.set(title="error and size", xscale="log", yscale="log", ylabel="RMSE, % of range",
             xlabel="training rows" if x == "rows" else "bytes of the checkpoint")  # fmt: skip
    axes.legend(fontsize=6)
    return _save(figure, path)
