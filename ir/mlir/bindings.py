"""Custom-form MLIR and bytecode to generic form, by the MLIR bindings in an isolated worker.

Owns the conversation with the bindings, which may abort the process on foreign input. Invariant: the caller gets a
text or a diagnostic, never a crash. Locations are not printed.
"""

from __future__ import annotations

import re

from costmodel.core.errors import Location, MissingDependencyError
from costmodel.core.workers import run_isolated
from costmodel.ir.mlir import syntax
from costmodel.ir.program import Diagnostic

TIMEOUT_S = 60.0
MEMORY_BYTES = 4 << 30
_ERROR = re.compile(r"error: (?:\"[^\"]*\":(\d+):(\d+): )?([^\n]*)")


def to_generic(source: str | bytes, file: str) -> tuple[str | None, Diagnostic | None]:
    """Generic form of a text (parts split by `// -----` become parts again) or of bytecode, or what went wrong.

    Raises:
        MissingDependencyError: the bindings are not installed.
    """
    parts: list[str | bytes] = [source] if isinstance(source, bytes) else list(_parts(source))
    outcome = run_isolated(
        "costmodel.ir.mlir.bindings:print_generic", parts, timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES
    )
    if outcome.status != "ok":
        start = Location(file=file, line=1, column=1)
        return None, Diagnostic(location=start, message=f"the MLIR bindings failed: {outcome.status} ({outcome.cause})")
    texts, error = outcome.value
    if error is None:
        return "\n// -----\n".join(texts), None
    part, line, column, message = error
    if part < 0:
        raise MissingDependencyError(
            f"reading MLIR in custom form needs the MLIR bindings ({message}); "
            "install the project's dependencies, or give the generic form"
        )
    before = source[: _offset(source, part)] if isinstance(source, str) else ""
    location = Location(file=file, line=before.count("\n") + line, column=column)
    return None, Diagnostic(location=location, message=message)


def _parts(text: str) -> list[str]:
    return syntax.SPLIT_MARK.split(text)


def _offset(text: str, part: int) -> int:
    """Where part number `part` begins."""
    ends = [0, *(match.end() for match in syntax.SPLIT_MARK.finditer(text))]
    return ends[part]


def print_generic(parts: list[str | bytes]) -> tuple[list[str], tuple[int, int, int, str] | None]:
    """Runs in the worker: generic form of each part, or (part, line, column, message) of the first error.

    A part number of -1 says that the bindings cannot be imported.
    """
    try:
        from mlir import ir
    except ImportError as error:
        return [], (-1, 1, 1, str(error))
    texts: list[str] = []
    for number, part in enumerate(parts):
        if isinstance(part, str) and not part.strip():
            continue
        with ir.Context() as context:
            context.allow_unregistered_dialects = True
            try:
                module = ir.Module.parse(part)
            except (ir.MLIRError, ValueError) as error:
                return [], (number, *_position(str(error)))
            texts.append(module.operation.get_asm(print_generic_op_form=True, enable_debug_info=False))
    return texts, None


def _position(message: str) -> tuple[int, int, str]:
    match = _ERROR.search(message)
    if match is None:
        return 1, 1, message.strip().split("\n")[0]
    return int(match[1] or 1), int(match[2] or 1), match[3].strip()
