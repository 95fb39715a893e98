"""The `llvm` reader: LLVM IR as text or bitcode.

Owns the order of attempts: LLVM verifies and prints the module (upgrading older versions), then our parser reads the
print. What LLVM refuses but looks like its IR comes back at level "tokens"; anything else is a `ParseError`.
"""

from __future__ import annotations

import hashlib
import re

from costmodel.core.errors import Location, ParseError
from costmodel.ir.llvm.functions import parse_module
from costmodel.ir.llvm.verify import to_printed
from costmodel.ir.program import MODULE_NAME, Function, Program, functions_of

_MAGICS = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")
_TEXT = re.compile(
    r"^(?:define\s[^\n]*@|declare\s[^\n]*@|target (?:triple|datalayout)\s*=|source_filename\s*=|; ModuleID"
    r"|@[\w$.\-\"]+\s*=\s*[^\n]*(?:global|constant)|%[\w$.\-\"]+\s*=\s*type\s)",
    re.MULTILINE,
)
_IDENT = re.compile(r"^!llvm\.ident = !\{!(\d+)", re.MULTILINE)


class LlvmReader:
    """Reads LLVM IR."""

    suffixes: tuple[str, ...] = (".ll", ".bc")

    def sniff(self, head: bytes) -> bool:
        """Bitcode by its magic number, text by a definition at the start of a line."""
        return head.startswith(_MAGICS) or _TEXT.search(head.decode("utf-8", "replace")) is not None

    def read(self, data: bytes, file: str) -> Program:
        """See `reading.Reader`."""
        from costmodel.ir.reading import decode

        sha256 = hashlib.sha256(data).hexdigest()
        text = None if data.startswith(_MAGICS) else decode(data, file)
        if text is not None and _TEXT.search(text) is None:
            raise ParseError(
                "this is no LLVM IR: no definition begins any of its lines; give LLVM IR (text or bitcode), or name "
                "the right format",
                location=Location(file=file, line=1, column=1),
            )
        printed, diagnostic = to_printed(data, file)
        if printed is not None:
            module = parse_module(printed, file=f"{file} as printed by LLVM")
            functions = functions_of(module) if module.operations else ()
            return Program(
                format="llvm",
                level="graph",
                producer=_producer(printed),
                functions=functions,
                diagnostics=(),
                sha256=sha256,
            )
        assert diagnostic is not None
        if text is None:
            raise ParseError(f"bitcode that LLVM 22 cannot read: {diagnostic.message}", location=diagnostic.location)
        return Program(
            format="llvm",
            level="tokens",
            producer=_producer(text),
            functions=(Function(name=MODULE_NAME, operation=None, text=text),),
            diagnostics=(diagnostic,),
            sha256=sha256,
        )


def _producer(text: str) -> str | None:
    """What `!llvm.ident` says."""
    ident = _IDENT.search(text)
    if ident is None:
        return None
    named = re.search(rf"^!{ident[1]} = !\{{!\"([^\"]*)\"", text, re.MULTILINE)
    return named[1] if named else None
