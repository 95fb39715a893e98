"""The `mlir` reader: generic form directly, custom form and bytecode through the bindings, tokens where neither works.

Owns the order of attempts. Invariant: a text of MLIR never fails for an unknown dialect: it comes back at level
"tokens" with the bindings' complaint as diagnostic. Text that is no MLIR at all is a `ParseError`.
"""

from __future__ import annotations

import hashlib
import re

from costmodel.core.errors import Location, ParseError
from costmodel.ir.mlir import bindings, syntax
from costmodel.ir.mlir.generic import parse_generic
from costmodel.ir.program import MODULE_NAME, Diagnostic, Function, Program, functions_of

_MAGIC = b"ML\xefR"
_NAME = rf"(?:{syntax.VALUE_NAME}[^=\n\"]*=\s*)?"
_GENERIC_START = re.compile(rf"(?:{syntax.SPACE}[#!][^\n]*\n)*+{syntax.SPACE}{_NAME}\"[^\"\n]+\"{syntax.SPACE}\(")
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
            return self._through_bindings(None, data, file, sha256)
        from costmodel.ir.reading import decode

        text = decode(data, file)
        start = Location(file=file, line=1, column=1)
        if not syntax.COMMENT.sub(lambda match: match[1] or "", text[:4096]).strip() and not text[4096:].strip():
            raise ParseError(f"the input is empty; {_REMEDY}", location=start)
        if _GENERIC_START.match(text) is not None:
            return self._generic(text, file, sha256)
        if _CUSTOM_LINE.search(text) is None:
            raise ParseError(f"this is no MLIR: no operation begins any of its lines; {_REMEDY}", location=start)
        return self._through_bindings(text, data, file, sha256)

    def _generic(self, text: str, file: str, sha256: str) -> Program:
        try:
            module = parse_generic(text, file=file)
        except ParseError as error:
            custom_inside = "is not the generic form" in str(error)
            if not custom_inside:
                raise
            return self._through_bindings(text, text.encode("utf-8"), file, sha256)
        return Program(
            format="mlir",
            level="graph",
            producer=None,
            functions=functions_of(module),
            diagnostics=(),
            sha256=sha256,
        )

    def _through_bindings(self, text: str | None, data: bytes, file: str, sha256: str) -> Program:
        printed, diagnostic = bindings.to_generic(text if text is not None else data, file)
        if printed is not None:
            module = parse_generic(printed, file=file)
            functions = functions_of(module)
            return Program(
                format="mlir", level="graph", producer=None, functions=functions, diagnostics=(), sha256=sha256
            )
        assert diagnostic is not None
        if text is None:
            raise ParseError(f"MLIR bytecode that cannot be read: {diagnostic.message}", location=diagnostic.location)
        function = Function(name=MODULE_NAME, operation=None, text=text)
        return _tokens_program(function, diagnostic, sha256)


def _tokens_program(function: Function, diagnostic: Diagnostic, sha256: str) -> Program:
    return Program(
        format="mlir",
        level="tokens",
        producer=None,
        functions=(function,),
        diagnostics=(diagnostic,),
        sha256=sha256,
    )
