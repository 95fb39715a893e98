"""The `mlir` reader: generic form and custom form directly, bindings where that cannot tell the structure, else tokens.

Owns the order of attempts. Invariant: a text of MLIR never fails for an unknown dialect: what cannot be a graph comes
back at level "tokens" with a diagnostic that says why. Text that is no MLIR at all is a `ParseError`.
"""

from __future__ import annotations

import hashlib
import re

from costmodel.core.errors import Location, ParseError
from costmodel.ir.mlir import bindings, syntax
from costmodel.ir.mlir.custom import parse_custom
from costmodel.ir.mlir.generic import parse_generic
from costmodel.ir.mlir.levels import levelled
from costmodel.ir.program import Diagnostic, Function, Program, functions_of

_MAGIC = b"ML\xefR"
_NAME = rf"(?:{syntax.VALUE_NAME}[^=\n\"]*=\s*)?"
_ALIASES = rf"(?:{syntax.SPACE}[#!][^\n]*\n(?:[ \t]*+=[^\n]*\n)?)*+"
_GENERIC_START = re.compile(rf"{_ALIASES}{syntax.SPACE}{_NAME}\"[^\"\n]+\"{syntax.SPACE}\(")
_CUSTOM_LINE = re.compile(
    rf"^[ \t]*+(?:{syntax.VALUE_NAME}[\w:,%# ]*+=[ \t]*+\"?[A-Za-z_][\w$]*[.\"\w]*|(?:builtin\.)?module\b[^\n]*\{{"
    r"|[a-z_][\w$]*+\.[\w.$]++\"?[^\n@%(\{]*+[@%(\{]|func\s+(?:private\s+)?@|[#!][\w.$\-]+\s*=\s*\S)",
    re.MULTILINE,
)
_REMEDY = "give MLIR (custom or generic form), or name the right format"


class MlirReader:
    """Reads MLIR text in any form, and MLIR bytecode."""

    suffixes: tuple[str, ...] = (".mlir", ".mlirbc", ".ttir", ".ttgir")

    def sniff(self, head: bytes) -> bool:
        """Bytecode by its magic number, text by an operation at the start of a line."""
        if head.startswith(_MAGIC):
            return True
        text = head.decode("utf-8", "replace")
        return _GENERIC_START.match(text) is not None or _CUSTOM_LINE.search(text) is not None

    def read(self, data: bytes, file: str) -> Program:
        """See `reading.Reader`."""
        sha256 = hashlib.sha256(data).hexdigest()
        if data.startswith(_MAGIC):
            return self._bytecode(data, file, sha256)
        from costmodel.ir.reading import decode

        text = decode(data, file)
        start = Location(file=file, line=1, column=1)
        if not syntax.COMMENT.sub(lambda match: match[1] or "", text[:4096]).strip() and not text[4096:].strip():
            raise ParseError(f"the input is empty; {_REMEDY}", location=start)
        if _GENERIC_START.match(text) is not None:
            try:
                functions = functions_of(parse_generic(text, file=file))
            except ParseError as error:
                if "is not the generic form" not in str(error):
                    raise
            else:
                return _program(functions, (), sha256)
        elif _CUSTOM_LINE.search(text) is None:
            raise ParseError(f"this is no MLIR: no operation begins any of its lines; {_REMEDY}", location=start)
        return self._custom(text, file, sha256)

    def _custom(self, text: str, file: str, sha256: str) -> Program:
        functions, diagnostics = levelled(parse_custom(text, file=file))
        if all(function.level == "graph" for function in functions):
            return _program(functions, diagnostics, sha256)
        printed, complaint = bindings.to_generic(text, file)
        if printed is None:
            return _program(functions, (*diagnostics, complaint), sha256)
        return _program(functions_of(parse_generic(printed, file=file)), (), sha256)

    def _bytecode(self, data: bytes, file: str, sha256: str) -> Program:
        printed, complaint = bindings.to_generic(data, file)
        if printed is None:
            raise ParseError(f"MLIR bytecode that cannot be read: {complaint.message}", location=complaint.location)
        return _program(functions_of(parse_generic(printed, file=file)), (), sha256)


def _program(functions: tuple[Function, ...], diagnostics: tuple[Diagnostic, ...], sha256: str) -> Program:
    return Program(
        format="mlir",
        level="graph" if all(function.level == "graph" for function in functions) else "tokens",
        producer=None,
        functions=functions,
        diagnostics=diagnostics,
        sha256=sha256,
    )
