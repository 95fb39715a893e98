"""The body of a function cut into lines, their shapes and the names of locals, in a few passes over the whole text.

Owns what a local's name is and where a line ends. Invariant: a shape is its line's text with `HOLE` for every name of a
local, metadata attachments and comments aside; names of types stay in it.
"""

from __future__ import annotations

import re

HOLE = "\x00"
"""Stands in a shape where a local's name stood."""

_TYPE_NAME = re.compile(r"\n(%\"[^\"\n]*\"|%[\w$.\-]+)\s*=\s*type\b")
_LONG_NAME = 4096
_CONTINUED = re.compile(
    r"\n(?=[ \t]+(?:to label|unwind |cleanup[\s,]|catch |filter |i\d+ -?\d+, label|\[label)|[ \t]*\])"
)
_UNUSUAL = re.compile(r"\n(?: {3}|\t| {0,2}\])")
"""Finds what may be `_CONTINUED` faster."""
_LOCAL = re.compile("(%[A-Za-z0-9_$.\\-\x80-\U0010ffff]++)")
_METADATA = re.compile(r", ![^\n]*+")
_LOCAL_OR_STRING = re.compile(r"(%\"[^\"]*\"|%[\w$.\-]+)|\"[^\"]*\"|;.*$")


def names_of_types(text: str) -> frozenset[str]:
    """Names that a module's lines `%name = type ...` define."""
    if "type" not in text:
        return frozenset()
    first = _TYPE_NAME.match(f"\n{text[:_LONG_NAME]}")
    return frozenset([*_TYPE_NAME.findall(text), *([first[1]] if first is not None else ())])


def cut(body: str, types: frozenset[str]) -> tuple[list[str], list[str], list[str]]:
    """Lines, the shape of each, and the names in all of them in order; blind to strings and comments."""
    if _UNUSUAL.search(body) is not None:
        body = _CONTINUED.sub(" ", body)
    pieces = _LOCAL.split(_METADATA.sub("", body) if "!" in body else body)
    shapes, names = _join(pieces, types)
    return body.split("\n"), shapes.split("\n"), names


def shape_of(line: str, types: frozenset[str]) -> tuple[str, list[str]]:
    """Shape and names of one line that has strings or a comment."""
    return _join(_split_strings(line), types)


def _join(pieces: list[str], types: frozenset[str]) -> tuple[str, list[str]]:
    names = pieces[1::2]
    if not types.isdisjoint(names):
        pieces = _keep_types(pieces, types)
        names = pieces[1::2]
    return HOLE.join(pieces[::2]), names


def _split_strings(line: str) -> list[str]:
    """Like `_LOCAL.split`, blind to names inside strings; a comment is dropped."""
    pieces: list[str] = []
    start = 0
    for match in _LOCAL_OR_STRING.finditer(line):
        if match[1] is not None:
            pieces += [line[start : match.start()], match[1]]
            start = match.end()
        elif match[0][0] == ";":
            return [*pieces, line[start : match.start()].rstrip()]
    return [*pieces, line[start:]]


def _keep_types(pieces: list[str], types: frozenset[str]) -> list[str]:
    """Names of types go back into the text between names of locals."""
    kept = [pieces[0]]
    for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in types:
            kept[-1] += name + text
        else:
            kept += [name, text]
    return kept
