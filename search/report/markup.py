"""HTML and SVG elements, balanced and escaped by construction.

Invariant: a `str` child or attribute is text and gets escaped; only `Markup` goes through as it is.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

_VOID = frozenset({"meta", "br"})
_SVG_LEAVES = frozenset({"line", "rect", "circle", "path"})
Attribute = str | float | int | None


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Markup | Iterable["Child"] | None


def escape(text: str) -> Markup:
    """Text as it may stand in an element or a quoted attribute; what HTML cannot hold becomes U+FFFD."""
    return Markup(html.escape("".join(c if c.isprintable() or c in "\n\t" else "�" for c in text), quote=True))


def tag(element: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element. `class_` and `aria_label` become `class` and `aria-label`; an attribute that is None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(v)}"' for key, v in attributes.items() if v is not None
    )
    if element in _VOID:
        return Markup(f"<{element}{written}>")
    inner = join(*children)
    if element in _SVG_LEAVES and not inner:
        return Markup(f"<{element}{written}/>")
    return Markup(f"<{element}{written}>{inner}</{element}>")


def join(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    return escape(child) if isinstance(child, str) else join(*child)


def _value(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return escape(str(value))
