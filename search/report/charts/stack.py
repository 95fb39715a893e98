"""Where the time went: one stacked bar."""

from __future__ import annotations

import math
from collections.abc import Mapping

from costmodel.search.report.charts.frame import picture, text, text_width
from costmodel.search.report.markup import Markup, tag
from costmodel.search.report.units import seconds

_WIDTH, _HEIGHT = 720.0, 44.0
COLOURS = 10


def ordered_shares(time_s: Mapping[str, float]) -> list[tuple[str, float, str]]:
    """Category, seconds and colour class, the largest first and `other` last."""
    known = [(name, s) for name, s in time_s.items() if math.isfinite(s) and s > 0]
    known.sort(key=lambda item: (item[0] == "other", -item[1], item[0]))
    return [(name, s, "c-other" if name == "other" else f"c{i % COLOURS}") for i, (name, s) in enumerate(known)]


def time_bar(time_s: Mapping[str, float]) -> Markup | None:
    """Segments in proportion, named where there is room; None where no time is known."""
    shares = ordered_shares(time_s)
    total_s = sum(s for _, s, _ in shares)
    if not total_s:
        return None
    parts: list[Markup] = []
    x = 0.0
    for name, spent_s, colour in shares:
        width = _WIDTH * spent_s / total_s
        title = tag("title", f"{name}: {seconds(spent_s)}, {spent_s / total_s:.1%}")
        parts.append(tag("rect", title, x=x, y=0.0, width=width, height=_HEIGHT, class_=colour))
        if width > text_width(name) + 12:
            parts.append(text(x + width / 2, _HEIGHT / 2 + 4, name, anchor="middle", class_="on-colour"))
        x += width
    label = "Where the time went: " + ", ".join(f"{name} {seconds(s)}" for name, s, _ in shares)
    return picture(_WIDTH, _HEIGHT, label, parts)
