"""The `llvm` reader: LLVM IR as text or bitcode.

Owns the order of attempts. Text goes to our own parser as it stands; whoever looks at the program's diagnostics has
LLVM verify it, in a worker. What LLVM refuses but we can read is at level "graph" with its complaint as a diagnostic,
and text that only LLVM can read is read as LLVM prints it. Typed pointers are not shown to LLVM. Bitcode is read as
LLVM prints it. What looks like LLVM IR but nobody can read is at level "tokens"; anything else is a `ParseError`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import partial

from costmodel.core.errors import Location, ParseError
from costmodel.ir.llvm.functions import parse_module
from costmodel.ir.llvm.verify import to_printed, verified
from costmodel.ir.mlir.structure import MlirModule, Source
from costmodel.ir.program import MODULE_NAME, Diagnostic, Function, Level, Program, functions_of

_MAGICS = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")
_TEXT = re.compile(
    r"^(?:define\s[^\n]*@|declare\s[^\n]*@|target (?:triple|datalayout)\s*=|source_filename\s*=|; ModuleID"
    r"|@[\w$.\-\"]+\s*=\s*[^\n]*(?:global|constant)|%[\w$.\-\"]+\s*=\s*type\s)",
    re.MULTILINE,
)
_TYPED_POINTER = re.compile(
    r"^(?:define\b|declare\b|[ \t]+%[\w.$\-]+ = |[ \t]+store\b)[^;\"\n]*?[\w>\]})]\*(?=[\s,)*])", re.MULTILINE
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
        text, functions, level, diagnostics = _bitcode(data, file) if text is None else _text(data, text, file)
        return LlvmProgram.of(text, functions, level, diagnostics, sha256)


Diagnostics = tuple[Diagnostic, ...] | Callable[[], tuple[Diagnostic, ...]]
Reading = tuple[str, tuple[Function, ...], Level, Diagnostics]
"""Text, functions, level, diagnostics."""


class LlvmProgram(Program):
    """A program whose diagnostics are found when somebody looks at them: LLVM verifies for longer than we read."""

    __slots__ = ("_ask",)
    _ask: Callable[[], tuple[Diagnostic, ...]]

    @classmethod
    def of(
        cls, text: str, functions: tuple[Function, ...], level: Level, diagnostics: Diagnostics, sha256: str
    ) -> LlvmProgram:
        """A program of the text `text`."""
        found = cls.__new__(cls)
        parts = {"format": "llvm", "level": level, "producer": _producer(text), "functions": functions}
        late = {"_ask" if callable(diagnostics) else "diagnostics": diagnostics, "sha256": sha256}
        for name, value in (*parts.items(), *late.items()):
            object.__setattr__(found, name, value)
        return found

    def __getattr__(self, name: str) -> tuple[Diagnostic, ...]:
        if name != "diagnostics":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found = self._ask()
        object.__setattr__(self, "diagnostics", found)
        return found


def _bitcode(data: bytes, file: str) -> Reading:
    """Only LLVM reads bitcode."""
    printed, diagnostic = to_printed(data, file)
    if printed is None:
        assert diagnostic is not None
        raise ParseError(
            f"bitcode that LLVM 22 cannot read ({diagnostic.message}); it is damaged or of a newer LLVM: write it "
            "anew, or give the text of llvm-dis of the LLVM that wrote it",
            location=diagnostic.location,
        )
    return printed, _functions(parse_module(printed, file=f"{file} as printed by LLVM")), "graph", ()


def _text(data: bytes, text: str, file: str) -> Reading:
    """Our own parser first; LLVM's print where we cannot tell; tokens where nobody can."""
    typed = _TYPED_POINTER.search(text) if "*" in text else None
    objections = partial(verified, data, file) if typed is None else partial(_old_syntax, text, typed, file)
    try:
        return text, _functions(parse_module(text, file=file)), "graph", objections
    except ParseError as error:
        failure = error
    found = objections()
    if not found:
        printed, _ = to_printed(data, file)
        if printed is not None:
            return text, _functions(parse_module(printed, file=f"{file} as printed by LLVM")), "graph", ()
    start = Location(file=file, line=1, column=1)
    ours = Diagnostic(location=failure.location or start, message=str(failure).removeprefix(f"{failure.location}: "))
    return text, (Function(name=MODULE_NAME, operation=None, text=text),), "tokens", (*found, ours)


def _functions(module: MlirModule) -> tuple[Function, ...]:
    return functions_of(module) if module.operations else ()


def _old_syntax(text: str, typed: re.Match[str], file: str) -> tuple[Diagnostic, ...]:
    place = Source(text, file).location(typed.end() - 1)
    message = "typed pointers, which LLVM reads no longer since 17: read as opaque pointers, not verified"
    return (Diagnostic(location=place, message=message),)


def _producer(text: str) -> str | None:
    """What `!llvm.ident` says."""
    ident = _IDENT.search(text) if "!llvm.ident" in text else None
    if ident is None:
        return None
    named = re.search(rf"^!{ident[1]} = !\{{!\"([^\"]*)\"", text, re.MULTILINE)
    return named[1] if named else None
