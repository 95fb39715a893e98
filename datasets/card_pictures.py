"""Bar charts as SVG text, a few kilobytes each, equal for equal input on every machine and version.

Owns the drawing. A plotting library is not used: its output changes with its version and with the fonts installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

ROW, LEFT, WIDTH, CHARACTERS = 18, 190, 560, 28


def bars(title: str, rows: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars, one for each (name, count), as an SVG document."""
    height = ROW * (len(rows) + 1) + 12
    largest = max((count for _, count in rows), default=0) or 1
    body = [_bar(index, name, count, count / largest) for index, (name, count) in enumerate(rows)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
            f'font-size="12" role="img" aria-label="{escape(title)}">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="8" y="{ROW - 4}" font-weight="bold">{escape(title)}</text>',
            *body,
            "</svg>\n",
        ]
    )


def _bar(index: int, name: str, count: int, share: float) -> str:
    top = ROW * (index + 1) + 4
    length = share * (WIDTH - LEFT - 70)
    shown = name if len(name) <= CHARACTERS else f"{name[: CHARACTERS - 1]}…"
    return (
        f'<text x="{LEFT - 6}" y="{top + 12}" text-anchor="end">{escape(shown)}</text>'
        f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{ROW - 4}" fill="#3b6ea5"/>'
        f'<text x="{LEFT + length + 5:.1f}" y="{top + 12}">{count}</text>'
    )
