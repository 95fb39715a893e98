"""Best-so-far curves: of one workload over its trials, and of all kernels together over the run."""

from __future__ import annotations

import math
from itertools import pairwise

from costmodel.search.report.charts.frame import Labelled, grid, legend, line, picture, text
from costmodel.search.report.charts.scale import Axis, linear_axis, log_axis
from costmodel.search.report.data import Report, TrialPoint, WorkloadReport, usable
from costmodel.search.report.markup import Markup, tag
from costmodel.search.report.units import seconds, tick_seconds

_WIDTH, _HEIGHT = 640.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 626.0, 42.0, 332.0


def workload_curve(w: WorkloadReport) -> Markup | None:
    """Every trial, the best so far, and what it is compared with; None without a measured trial."""
    points = sorted(w.history, key=lambda p: p.trial)
    measured = [(p.trial + 1, s) for p in points if (s := p.measured_s) is not None]
    if not measured:
        return None
    named = (("default", w.default_s), ("heuristic", w.heuristic_s), (w.vendor or "vendor", w.vendor_s))
    marks = [(name, good_s) for name, s in named if (good_s := usable(s)) is not None]
    y = log_axis([s for _, s in (*measured, *marks)], _BOTTOM, _TOP)
    x = Axis(low=0.5, high=points[-1].trial + 1.5, start_px=_LEFT, end_px=_RIGHT)
    dots = [
        tag("circle", tag("title", f"trial {trial}: {seconds(s)}"), cx=x.at(trial), cy=y.at(s), r=3.0, class_="dot")
        for trial, s in measured
    ]
    failed = [_failure(p, x) for p in points if p.measured_s is None]
    best = _running_best(measured)
    label = f"Best runtime so far of {w.name} over {len(points)} trials, ending at {seconds(best[-1][1])}"
    frame = grid(Labelled(axis=x, name="trial", format=_whole), Labelled(axis=y, name="runtime", format=tick_seconds))
    steps = _steps([(x.at(t), y.at(s)) for t, s in best], x.end_px)
    return picture(_WIDTH, _HEIGHT, label, frame, _references(marks, y), dots, failed, steps, _key(bool(failed)))


def overall_curve(report: Report) -> Markup | None:
    """Count × best so far, summed over all workloads that have a default time, over the seconds of the run."""
    timed = [w for w in report.workloads if usable(w.default_s)]
    current = {i: w.count * (w.default_s or 0.0) for i, w in enumerate(timed)}
    events = sorted(
        (p.elapsed_s, i, timed[i].count * s)
        for i in current
        for p in timed[i].history
        if (s := p.measured_s) is not None and math.isfinite(p.elapsed_s)
    )
    if not events:
        return None
    start_s = sum(current.values())
    curve = [(max(0.0, events[0][0]), start_s)]
    for elapsed_s, i, cost_s in events:
        if cost_s < current[i]:
            current[i] = cost_s
            curve.append((elapsed_s, sum(current.values())))
    x = linear_axis([report.wall_s, events[-1][0]], _LEFT, _RIGHT)
    y = log_axis([s for _, s in curve], _BOTTOM, _TOP)
    label = f"Time in all kernels, best so far, from {seconds(start_s)} to {seconds(curve[-1][1])}"
    frame = grid(
        Labelled(axis=x, name="elapsed", format=tick_seconds),
        Labelled(axis=y, name="time in all kernels (count × best so far)", format=tick_seconds),
    )
    steps = _steps([(x.at(t), y.at(s)) for t, s in curve], x.at(events[-1][0]), from_px=x.start_px)
    return picture(_WIDTH, _HEIGHT, label, frame, steps)


def _failure(point: TrialPoint, x: Axis) -> Markup:
    title = tag("title", f"trial {point.trial + 1}: {point.status}")
    return tag("path", title, d=_cross(x.at(point.trial + 1), _TOP + 6), class_="fail")


def _references(marks: list[tuple[str, float]], y: Axis) -> list[Markup]:
    parts: list[Markup] = []
    last_px = -1e9
    for name, value_s in sorted(marks, key=lambda mark: -mark[1]):
        at = y.at(value_s)
        parts.append(line(_LEFT, at, _RIGHT, at, "reference"))
        last_px = max(at - 4, last_px + 12)
        parts.append(text(_RIGHT - 4, last_px, f"{name} {seconds(value_s)}", anchor="end", class_="tick"))
    return parts


def _key(has_failures: bool) -> list[Markup]:
    items = [
        (tag("path", d="M-8 0H8", class_="best"), "best so far"),
        (tag("circle", cx=0.0, cy=0.0, r=3.0, class_="dot"), "trial"),
    ]
    if has_failures:
        items.append((tag("path", d=_cross(0, 0), class_="fail"), "failed trial"))
    return legend(items, 340.0, 14.0)


def _running_best(measured: list[tuple[int, float]]) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for trial, value_s in measured:
        if not found or value_s < found[-1][1]:
            found.append((trial, value_s))
    return found


def _steps(corners: list[tuple[float, float]], end_px: float, from_px: float | None = None) -> Markup:
    x, y = corners[0]
    path = [f"M{x if from_px is None else from_px:.1f} {y:.1f}"]
    path += [f"H{b[0]:.1f}V{b[1]:.1f}" for _, b in pairwise(corners)]
    return tag("path", d="".join([*path, f"H{end_px:.1f}"]), class_="best")


def _cross(x: float, y: float) -> str:
    return f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"


def _whole(value: float) -> str:
    return f"{value:g}"
