"""The slow way through operations that the one-pattern reader does not match: brackets nested deeper than its limit.

Owns the token-by-token reading of an operation's head and tail. Invariant: iterative, linear in the text of the
operation. Returns the groups that the fast patterns give, or the offset at which reading stopped.
"""

from __future__ import annotations

import re

from costmodel.ir.mlir import syntax

Head = tuple[str | None, str, str, str | None, str | None, str | None, str | None, str | None, str | None]
Tail = tuple[str | None, str | None, str | None]

_RESULTS = re.compile(rf"({syntax.RESULT_NAMES}){syntax.SPACE}={syntax.SPACE}")
_NAME = re.compile(rf"({syntax.STRING}){syntax.SPACE}")
_REGION_OPEN = re.compile(rf"\({syntax.SPACE}\{{")
_COLON = re.compile(rf"{syntax.SPACE}:{syntax.SPACE}")
_ARROW = re.compile(rf"{syntax.SPACE}->{syntax.SPACE}")
_WORD = re.compile(r"!?[\w$.]++")
_LOC = re.compile(rf"{syntax.SPACE}loc{syntax.SPACE}(?=\()")
_LABEL = re.compile(rf"(\^[\w$.\-]++){syntax.SPACE}")


def _skip(text: str, position: int, end: int) -> int:
    match = syntax.SKIP.match(text, position, end)
    return match.end() if match else position


def wide_operation(text: str, at: int, end: int) -> tuple[Head, int] | int:
    """Read one operation's head (and tail, unless regions follow) from `at`; the offset of trouble otherwise."""
    results = _RESULTS.match(text, at, end)
    position = results.end() if results else at
    name = _NAME.match(text, position, end)
    if name is None:
        return position
    position = name.end()
    closed = _closed(text, position, end, "(")
    if closed < 0:
        return position if position < end and text[position] != "(" else end
    operands = text[position + 1 : closed - 1]
    position = _skip(text, closed, end)
    successors = properties = None
    if text.startswith("[", position):
        closed = _closed(text, position, end, "[")
        if closed < 0:
            return end
        successors = text[position + 1 : closed - 1]
        position = _skip(text, closed, end)
    if text.startswith("<{", position):
        closed = _closed(text, position, end, "<")
        if closed < 0:
            return end
        properties = text[position + 2 : closed - 2]
        position = _skip(text, closed, end)
    opening = _REGION_OPEN.match(text, position, end)
    first = results[1] if results else None
    if opening is not None:
        return (first, name[1], operands, successors, properties, "({", None, None, None), opening.end()
    tail = wide_tail(text, position, end)
    if isinstance(tail, int):
        return tail
    return (first, name[1], operands, successors, properties, None, *tail[0]), tail[1]


def wide_tail(text: str, position: int, end: int) -> tuple[Tail, int] | int:
    """Read `{attributes} : (types) -> types loc(...)`; the offset of trouble otherwise."""
    position = _skip(text, position, end)
    attributes = None
    if text.startswith("{", position):
        closed = _closed(text, position, end, "{")
        if closed < 0:
            return end
        attributes = text[position + 1 : closed - 1]
        position = closed
    colon = _COLON.match(text, position, end)
    if colon is None:
        return _skip(text, position, end)
    closed = _closed(text, colon.end(), end, "(")
    if closed < 0:
        return colon.end() if not text.startswith("(", colon.end()) else end
    operand_types = text[colon.end() + 1 : closed - 1]
    arrow = _ARROW.match(text, closed, end)
    if arrow is None:
        return _skip(text, closed, end)
    position = arrow.end()
    stop = _type_end(text, position, end)
    if stop < 0:
        return end if text.startswith("(", position, end) else position
    result_types = text[position:stop]
    location = _LOC.match(text, stop, end)
    if location is not None:
        stop = _closed(text, location.end(), end, "(")
        if stop < 0:
            return end
    return (attributes, operand_types, result_types), stop


def wide_block(text: str, at: int, end: int) -> tuple[tuple[str, str | None], int] | int:
    """Read `^label(arguments):`; the offset of trouble otherwise."""
    label = _LABEL.match(text, at, end)
    if label is None:
        return at
    position = label.end()
    arguments = None
    if text.startswith("(", position):
        closed = _closed(text, position, end, "(")
        if closed < 0:
            return end
        arguments = text[position + 1 : closed - 1]
        position = closed
    colon = _COLON.match(text, position, end)
    return ((label[1], arguments), colon.end()) if colon is not None else position


def _closed(text: str, position: int, end: int, opener: str) -> int:
    return syntax.balanced_end(text, position, end) if text.startswith(opener, position, end) else -1


def _type_end(text: str, position: int, end: int) -> int:
    if text.startswith("(", position, end):
        return syntax.balanced_end(text, position, end)
    word = _WORD.match(text, position, end)
    if word is None:
        return -1
    return syntax.balanced_end(text, word.end(), end) if text.startswith("<", word.end(), end) else word.end()
