"""Horizontal bars: speed-up of each kernel, latency of the whole model."""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.search.report.charts.frame import line, picture, text, text_width
from costmodel.search.report.charts.scale import Axis, linear_axis
from costmodel.search.report.data import EndToEnd, WorkloadReport, ratio, usable
from costmodel.search.report.markup import Markup, tag
from costmodel.search.report.units import seconds, times

_WIDTH = 720.0
_LEFT, _RIGHT = 210.0, 630.0
_ROW = 24.0
_NAME_LENGTH = 30


def speedup_bars(workloads: Sequence[WorkloadReport]) -> Markup | None:
    """Default ÷ best on a log scale from 1×; a tick where the vendor's library stands. None where none is known."""
    rows = [(w, w.speedup, ratio(w.default_s, w.vendor_s)) for w in workloads]
    known = [(w, value, vendor) for w, value, vendor in rows if value is not None]
    if not known:
        return None
    values = [1.0, *(v for _, value, vendor in known for v in (value, vendor) if v is not None)]
    axis = Axis(low=min(values) / 1.001, high=max(*values, 1.1) * 1.02, start_px=_LEFT, end_px=_RIGHT, is_log=True)
    height = 34.0 + _ROW * len(known)
    parts: list[Markup] = []
    for value in axis.ticks():
        parts.append(line(axis.at(value), 22, axis.at(value), height - 6, "grid"))
        parts.append(text(axis.at(value), 14, f"{value:g}×", anchor="middle", class_="tick"))
    for row, (w, value, vendor) in enumerate(known):
        parts += _speedup_row(w, value, vendor, axis, 28.0 + _ROW * row)
    parts.append(line(axis.at(1.0), 22, axis.at(1.0), height - 6, "axis"))
    return picture(_WIDTH, height, f"Speed-up over the default lowering of {len(known)} kernels", parts)


def _speedup_row(w: WorkloadReport, value: float, vendor: float | None, axis: Axis, top: float) -> list[Markup]:
    one, at = axis.at(1.0), axis.at(value)
    title = tag("title", f"{w.name}: {seconds(w.default_s)} → {seconds(w.best_s)}, {times(value)}")
    box = tag("rect", title, x=min(one, at), y=top, width=max(1.5, abs(at - one)), height=_ROW - 8, class_="bar")
    parts = [text(_LEFT - 10, top + 12, _short(w.name), anchor="end"), box]
    label_px = max(one, at) + 6
    if vendor is not None:
        mark = axis.at(vendor)
        name = tag("title", f"{w.vendor or 'vendor'}: {seconds(w.vendor_s)}, {times(vendor)} of the default's speed")
        parts.append(tag("rect", name, x=mark - 1.5, y=top - 3, width=3.0, height=_ROW - 2, class_="vendor"))
        if label_px - 4 < mark + 3 and mark - 3 < label_px + text_width(times(value)):
            label_px = mark + 7
    parts.append(text(label_px, top + 12, times(value), class_="tick"))
    return parts


def latency_bars(result: EndToEnd) -> Markup | None:
    """Default, tuned and onnxruntime, from 0; None where none was measured."""
    named = (("default lowering", result.default_s), ("tuned", result.tuned_s), ("onnxruntime", result.onnxruntime_s))
    rows = [(name, value) for name, value in named if usable(value) and value is not None]
    if not rows:
        return None
    axis = linear_axis([value for _, value in rows], _LEFT, _RIGHT)
    parts: list[Markup] = []
    for row, (name, value) in enumerate(rows):
        top = 6.0 + _ROW * row
        kind = "bar" if name == "tuned" else "bar quiet"
        parts.append(text(_LEFT - 10, top + 12, name, anchor="end"))
        parts.append(tag("rect", x=_LEFT, y=top, width=max(1.5, axis.at(value) - _LEFT), height=_ROW - 8, class_=kind))
        parts.append(text(max(_LEFT + 1.5, axis.at(value)) + 6, top + 12, seconds(value), class_="tick"))
    label = "Latency of the whole model: " + ", ".join(f"{name} {seconds(value)}" for name, value in rows)
    return picture(_WIDTH, 6 + _ROW * len(rows), label, parts)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"
