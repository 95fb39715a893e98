"""Predicted against measured runtimes, log-log, with the identity and the model's doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence

from costmodel.search.report.charts.frame import Labelled, grid, legend, line, picture
from costmodel.search.report.charts.scale import Axis, log_axis
from costmodel.search.report.data import TrialPoint, usable
from costmodel.search.report.markup import Markup, tag
from costmodel.search.report.stats import rank_correlation
from costmodel.search.report.units import seconds, tick_seconds

_WIDTH, _HEIGHT = 430.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 414.0, 42.0, 332.0
MOST_POINTS = 2000


def predicted_pairs(points: Sequence[TrialPoint]) -> list[tuple[TrialPoint, float, float]]:
    """The ok trials that had a prediction, with predicted and measured seconds."""
    pairs = ((p, usable(p.predicted_mean_s), p.measured_s) for p in points)
    return [(p, mean_s, s) for p, mean_s, s in pairs if mean_s is not None and s is not None]


def ranking(points: Sequence[TrialPoint]) -> float | None:
    """Rank correlation of prediction and measurement; None where it means nothing."""
    pairs = predicted_pairs(points)
    return rank_correlation([m for _, m, _ in pairs], [s for _, _, s in pairs])


def scatter(points: Sequence[TrialPoint], what: str) -> Markup | None:
    """One dot for each trial with a prediction, at most `MOST_POINTS`, evenly thinned; None without any."""
    pairs = predicted_pairs(points)
    if not pairs:
        return None
    pairs = pairs[:: math.ceil(len(pairs) / MOST_POINTS)]
    both = [v for _, mean_s, measured_s in pairs for v in (mean_s, measured_s)]
    x, y = log_axis(both, _LEFT, _RIGHT), log_axis(both, _BOTTOM, _TOP)
    frame = grid(
        Labelled(axis=x, name="measured", format=tick_seconds),
        Labelled(axis=y, name="predicted, ± one standard deviation", format=tick_seconds),
    )
    marks = [_mark(p, mean_s, measured_s, x, y) for p, mean_s, measured_s in pairs]
    label = f"Predicted against measured runtime of {len(pairs)} trials of {what}"
    key = legend([(tag("path", d="M-8 0H8", class_="identity"), "exact")], 360.0, 14.0)
    return picture(_WIDTH, _HEIGHT, label, frame, line(_LEFT, _BOTTOM, _RIGHT, _TOP, "identity"), marks, key)


def _mark(point: TrialPoint, mean_s: float, measured_s: float, x: Axis, y: Axis) -> Markup:
    at = x.at(measured_s)
    std_s = usable(point.predicted_std_s)
    bar = None
    if std_s is not None:
        bar = line(at, y.at(mean_s - std_s), at, y.at(mean_s + std_s), "doubt")
    doubt = "" if std_s is None else f" ± {seconds(std_s)}"
    title = tag("title", f"measured {seconds(measured_s)}, predicted {seconds(mean_s)}{doubt}")
    return tag("g", title, bar, tag("circle", cx=at, cy=y.at(mean_s), r=3.0, class_="dot"))
