"""Whole lines of the custom form by their shape: the line's text without names of values and locations.

Owns what a shape says once it has been read: an operation on one line of which the text alone decides everything but
the operands. Invariant: the tree is that of the slow way; a shape is known only if that way found nothing special.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from costmodel.ir.mlir.custom import lexical, structured
from costmodel.ir.mlir.custom.headers import is_declaration, is_symbol_definition
from costmodel.ir.mlir.custom.known import depends_on_text
from costmodel.ir.mlir.structure import Operation

HOLE = "\x00"
"""Stands in a shape for a name."""
MAX_KNOWN = 1 << 13
"""Shapes remembered of texts with equal aliases, at most."""

_LOCAL = re.compile(f"({lexical.OPERAND.pattern})")
_LOCATION = re.compile(r" loc\([^()\"\n]*+\)$", re.MULTILINE)
_BEGINS = re.compile(rf"{lexical.NEXT_STATEMENT}|[ \t]*+\}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One operation, its name `at` characters into the line with a result's name one character long."""

    name: str
    at: int
    holes: int
    properties: str
    attributes: str
    type_text: str | None
    """of the one result"""
    is_swapped: bool
    """the first two operands stand the other way round in the text"""


_STARTS: dict[str, bool] = {}
"""Whether a line of a shape begins a statement."""


@lru_cache(maxsize=16)
def _known(aliases: tuple[tuple[str, str], ...]) -> dict[str, Template]:
    """Templates by shape, of texts with these aliases."""
    return {}


class Lines:
    """The lines of a part with their shapes, and the one that the reader is at."""

    def __init__(self, text: str, start: int, end: int) -> None:
        body = text[start:end] if HOLE not in text else ""
        self.lines = body.split("\n")
        pieces = _LOCAL.split(_LOCATION.sub("", body) if " loc(" in body else body)
        self.names = pieces[1::2]
        self.shapes = HOLE.join(pieces[::2]).split("\n")
        self.shapes.append("")
        self.index = 0
        self.begin = start
        """offset of the line"""
        self.before = 0
        """names before the line"""
        self.resolve({})
        if len(_STARTS) > MAX_KNOWN:
            _STARTS.clear()

    def resolve(self, aliases: dict[str, str]) -> None:
        """From here on these aliases change what shapes mean."""
        self.known = _known(tuple(aliases.items()))
        if len(self.known) > MAX_KNOWN:
            self.known.clear()

    def seek(self, position: int) -> bool:
        """Go to the line of an offset; whether nothing of that line is read yet."""
        lines, index, begin, before = self.lines, self.index, self.begin, self.before
        while index < len(lines) and begin + len(lines[index]) <= position:
            begin += len(lines[index]) + 1
            before += self.shapes[index].count(HOLE)
            index += 1
        self.index, self.begin, self.before = index, begin, before
        return position <= begin and index < len(lines)

    def starts_statement(self, index: int) -> bool:
        """Whether the line shows that the one before it is a whole statement."""
        shape = self.shapes[index]
        found = _STARTS.get(shape)
        if found is None:
            found = _STARTS[shape] = index < len(self.lines) and _BEGINS.match(self.lines[index]) is not None
        return found

    def learn(self, operation: Operation, match: re.Match[str]) -> None:
        """Remember an operation that `lexical.LINE` matched on this line, whose types come from its text alone."""
        result, name, rest = match.groups()
        offset = match.start(2) - self.begin
        if not 0 <= offset < len(self.lines[self.index]) or not _is_plain(operation, name, rest):
            return
        shape = self.shapes[self.index]
        holes = shape.count(HOLE)
        names = self.names[self.before : self.before + holes]
        if result is not None:
            if not names or names[0] != result or len(operation.results) != 1:
                return
            offset -= len(result) - 1
        used = [name.partition("#")[0] for name in names[result is not None :]]
        found = [value.name for value in operation.operands]
        is_swapped = name == "llvm.insertvalue"
        if used != [*found[1::-1], *found[2:]] if is_swapped else used != found:
            return
        self.known[shape] = Template(
            name=name,
            at=offset,
            holes=holes,
            properties=operation._property_text,
            attributes=operation._attribute_text,
            type_text=operation.results[0].type_text if result is not None else None,
            is_swapped=is_swapped,
        )


def _is_plain(operation: Operation, name: str, rest: str) -> bool:
    """Whether nothing but names can differ between operations of this shape."""
    if '"' in rest or "^" in rest or "%" in operation._property_text or "%" in operation._attribute_text:
        return False
    if name == "return" or name in structured.WITH_TRAIT or not depends_on_text(name) or operation.regions:
        return False
    return "@" not in rest or not (is_declaration(name, rest) or is_symbol_definition(name))
