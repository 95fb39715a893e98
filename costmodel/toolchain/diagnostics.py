"""What MLIR says about bad text, as one clear line with a place.

Owns the turning of MLIR diagnostics into this project's errors. Invariant: lines and columns are those of the text
that was given.
"""

from __future__ import annotations

import re

from mlir import ir

from costmodel.core.errors import Location, ParseError

_UNREGISTERED = re.compile(r"[Dd]ialect `([^`]*)' not found for custom op '([^']*)'")


def parse_module(text: str, *, context: ir.Context, file: str = "<text>") -> ir.Module:
    """Parse MLIR `text` in `context`; raises `ParseError` with `file:line:column`."""
    if not text.strip():
        raise ParseError("the text is empty; expected an MLIR module", location=Location(file=file, line=1, column=1))
    try:
        return ir.Module.parse(text, context=context)
    except ir.MLIRError as error:
        raise _parse_error(error, text, file) from error


def first_line(error: ir.MLIRError) -> str:
    """The first diagnostic of `error` in one line of at most 400 characters."""
    messages = [diagnostic.message for diagnostic in error.error_diagnostics] or [str(error)]
    return " ".join(messages[0].split())[:400]


def location_of(location: ir.Location, file: str) -> Location | None:
    """The place of an MLIR location in the text called `file`, if it has one."""
    if not location.is_a_file():
        return None
    return Location(file=file, line=location.start_line, column=location.start_col)


def _parse_error(error: ir.MLIRError, text: str, file: str) -> ParseError:
    diagnostics = error.error_diagnostics
    place = location_of(diagnostics[0].location, file) if diagnostics else None
    return ParseError(_explain(first_line(error), text, place), location=place)


def _explain(message: str, text: str, place: Location | None) -> str:
    custom = _UNREGISTERED.search(message)
    if custom:
        return f"unknown dialect {custom[1]!r} of the operation {custom[2]!r}; convert it to upstream dialects first"
    if message.startswith("operation being parsed with an unregistered dialect") and place:
        line = text.splitlines()[place.line - 1][: place.column - 1]
        name = line.rsplit('"', 2)[-2] if line.count('"') >= 2 else "?"
        return f"unknown dialect of the operation {name!r}; convert it to upstream dialects first"
    return message.split(". If this is intended")[0].split(" If this is intended")[0]
