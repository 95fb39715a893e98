"""Rows of tokens with gaps, which names fill once a whole function is read.

Owns what the fast paths over text share. Invariant: a gap is told by identity, so no text can hold one.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

GAP = "\x00gap"
"""Stands in a row where the token of a value, a block or a symbol goes."""

Row = tuple[str, ...]


class Unusual(Exception):  # noqa: N818 - no error: it says that the tree has to be taken
    """The fast path does not know this text."""


def filled(rows: Iterable[Row], tokens: Iterable[str]) -> list[str]:
    """The rows one after the other, their gaps filled in order; there are as many tokens as gaps."""
    gap, fill = GAP, iter(tokens).__next__
    return [token if token is not gap else fill() for token in chain.from_iterable(rows)]
