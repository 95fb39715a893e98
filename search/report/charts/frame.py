"""What all pictures share: the SVG element with its name for screen readers, the grid, labels, legends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from costmodel.search.report.charts.scale import Axis
from costmodel.search.report.markup import Child, Markup, tag

Format = Callable[[float], str]
_CHARACTER_PX = 6.6


def picture(width: float, height: float, label: str, *children: Child) -> Markup:
    """An `<svg>` that scales with the page; `label` says in words what it shows."""
    return tag(
        "svg", tag("title", label), *children,
        viewBox=f"0 0 {width:g} {height:g}", width=width, height=height, role="img", aria_label=label,
    )  # fmt: skip


def text(x: float, y: float, content: str, *, anchor: str = "start", class_: str | None = None) -> Markup:
    """A piece of text; `anchor` is start, middle or end."""
    return tag("text", content, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text_width(content: str) -> float:
    """About how wide a label comes out, in pixels."""
    return len(content) * _CHARACTER_PX


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """An axis with its name and how its ticks read."""

    axis: Axis
    name: str
    format: Format


def grid(x: Labelled, y: Labelled) -> list[Markup]:
    """Grid lines, tick labels and the names of both axes."""
    left, right = x.axis.start_px, x.axis.end_px
    bottom, top = y.axis.start_px, y.axis.end_px
    parts = [line(left, bottom, right, bottom, "axis"), line(left, bottom, left, top, "axis")]
    taken = -1e9
    for value in x.axis.ticks():
        at, label = x.axis.at(value), x.format(value)
        parts.append(line(at, bottom, at, top, "grid"))
        if at - text_width(label) / 2 > taken:
            parts.append(text(at, bottom + 16, label, anchor="middle", class_="tick"))
            taken = at + text_width(label) / 2 + 4
    for value in y.axis.ticks():
        at = y.axis.at(value)
        parts.append(line(left, at, right, at, "grid"))
        parts.append(text(left - 6, at + 4, y.format(value), anchor="end", class_="tick"))
    parts.append(text((left + right) / 2, bottom + 34, x.name, anchor="middle"))
    parts.append(text(left - 58, top - 10, y.name))
    return parts


def legend(items: Sequence[tuple[Markup, str]], x: float, y: float) -> list[Markup]:
    """Marks (drawn around the origin) with their names, in a row."""
    parts: list[Markup] = []
    for mark, name in items:
        parts.append(tag("g", mark, transform=f"translate({x:.1f} {y:.1f})"))
        parts.append(text(x + 12, y + 4, name, class_="tick"))
        x += 12 + text_width(name) + 18
    return parts
