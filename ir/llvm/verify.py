"""LLVM IR through llvmlite in an isolated worker: verified, upgraded, printed as text of LLVM 22.

Owns the conversation with LLVM, which may abort on foreign input. Invariant: a text or a diagnostic, never a crash.
"""

from __future__ import annotations

import re

from costmodel.core.errors import Location
from costmodel.core.workers import run_isolated
from costmodel.ir.llvm.modules import llvm_module
from costmodel.ir.program import Diagnostic

TIMEOUT_S = 60.0
MEMORY_BYTES = 4 << 30
_ERROR = re.compile(r":(\d+):(\d+): (?:error: )?([^\n]*)")


def to_printed(data: bytes, file: str) -> tuple[str | None, Diagnostic | None]:
    """LLVM's own print of text or bitcode, or what it complained about."""
    outcome = run_isolated(
        "costmodel.ir.llvm.verify:print_module", data, timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES
    )
    if not outcome.ok:
        start = Location(file=file, line=1, column=1)
        return None, Diagnostic(location=start, message=f"LLVM failed: {outcome.status} ({outcome.headline})")
    text, error = outcome.value
    if error is None:
        return text, None
    line, column, message = error
    return None, Diagnostic(location=Location(file=file, line=line, column=column), message=message)


def verified(data: bytes, file: str) -> tuple[Diagnostic, ...]:
    """What LLVM complains about in a text; nothing where it accepts it."""
    outcome = run_isolated(
        "costmodel.ir.llvm.verify:verify_module", data, timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES
    )
    if not outcome.ok:
        start = Location(file=file, line=1, column=1)
        return (Diagnostic(location=start, message=f"LLVM failed: {outcome.status} ({outcome.headline})"),)
    if outcome.value is None:
        return ()
    line, column, message = outcome.value
    return (Diagnostic(location=Location(file=file, line=line, column=column), message=message),)


def verify_module(data: bytes) -> tuple[int, int, str] | None:
    """Runs in the worker: (line, column, message) of what is wrong, or None."""
    return _parse(data)[1]


def print_module(data: bytes) -> tuple[str, tuple[int, int, str] | None]:
    """Runs in the worker: the module's text, or (line, column, message)."""
    module, error = _parse(data)
    return ("" if error is not None else str(module)), error


def _parse(data: bytes) -> tuple[object, tuple[int, int, str] | None]:
    try:
        is_bitcode = data.startswith((b"BC\xc0\xde", b"\xde\xc0\x17\x0b"))
        module = llvm_module(data if is_bitcode else data.decode("utf-8", "surrogateescape"))
        module.verify()
        return module, None
    except (RuntimeError, UnicodeError) as error:
        match = _ERROR.search(str(error))
        if match is None:
            return None, (1, 1, str(error).strip().partition("\n")[0][:300])
        return None, (int(match[1]), int(match[2]), match[3].strip())
