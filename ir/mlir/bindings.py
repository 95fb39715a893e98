"""Custom-form MLIR and bytecode to generic form, by MLIR bindings in isolated workers.

Owns the conversation with the bindings, which may abort the process on foreign input. Each set of bindings has a worker
of its own. Invariant: the caller gets a text or a diagnostic, never a crash. Locations are not printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module, util

from costmodel.core.errors import Location
from costmodel.core.workers import run_isolated
from costmodel.ir.mlir import syntax
from costmodel.ir.program import Diagnostic

TIMEOUT_S = 60.0
MEMORY_BYTES = 4 << 30
_ERROR = re.compile(r"error: (?:\"[^\"]*\":(\d+):(\d+): )?([^\n]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """One set: the module that holds its `ir`, what registers more dialects, and how to install it."""

    name: str
    module: str
    dialects: str | None
    remedy: str


BINDINGS = (
    Bindings(name="mlir", module="mlir.ir", dialects=None, remedy="the project's own dependencies"),
    Bindings(name="iree", module="iree.compiler.ir", dialects=None, remedy="the extra 'iree'"),
    Bindings(
        name="torch_mlir", module="torch_mlir.ir", dialects="torch_mlir.dialects.torch", remedy="the extra 'onnx'"
    ),
)
"""In the order in which they are asked."""


def to_generic(source: str | bytes, file: str) -> tuple[str | None, Diagnostic]:
    """Generic form of a text (parts split by `// -----` become parts again) or of bytecode, or what went wrong.

    Bindings that are not installed are passed over; the diagnostic is that of the attempt that got furthest.
    """
    parts: list[str | bytes] = [source] if isinstance(source, bytes) else list(syntax.SPLIT_MARK.split(source))
    start = Location(file=file, line=1, column=1)
    best: Diagnostic | None = None
    for bindings in BINDINGS:
        if util.find_spec(bindings.module.partition(".")[0]) is None:
            continue
        printed, diagnostic = _ask(bindings, parts, source, start)
        if printed is not None:
            return printed, diagnostic
        if best is None or _place(diagnostic) > _place(best):
            best = diagnostic
    if best is not None:
        return None, best
    remedies = "; ".join(f"{bindings.name}: {bindings.remedy}" for bindings in BINDINGS)
    return None, Diagnostic(location=start, message=f"no MLIR bindings are installed ({remedies})")


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    return diagnostic.location.line, diagnostic.location.column


def _ask(
    bindings: Bindings, parts: list[str | bytes], source: str | bytes, start: Location
) -> tuple[str | None, Diagnostic]:
    outcome = run_isolated(
        "costmodel.ir.mlir.bindings:print_generic",
        bindings.module,
        bindings.dialects,
        parts,
        timeout_s=TIMEOUT_S,
        memory_bytes=MEMORY_BYTES + BINDINGS.index(bindings),  # a worker of its own for each set
    )
    if outcome.status != "ok":
        message = f"the {bindings.name} bindings failed: {outcome.status} ({outcome.headline})"
        return None, Diagnostic(location=start, message=message)
    texts, error = outcome.value
    if error is None:
        return "\n// -----\n".join(texts), Diagnostic(location=start, message=f"read by the {bindings.name} bindings")
    part, line, column, message = error
    before = source[: _offset(source, part)] if isinstance(source, str) else ""
    location = Location(file=start.file, line=before.count("\n") + line, column=column)
    return None, Diagnostic(location=location, message=message)


def _offset(text: str, part: int) -> int:
    """Where part number `part` begins."""
    ends = [0, *(match.end() for match in syntax.SPLIT_MARK.finditer(text))]
    return ends[part]


def print_generic(
    name: str, dialects: str | None, parts: list[str | bytes]
) -> tuple[list[str], tuple[int, int, int, str] | None]:
    """Runs in the worker: generic form of each part, or (part, line, column, message) of the first error."""
    try:
        ir = import_module(name)
        registry = import_module(dialects) if dialects is not None else None
    except ImportError as error:
        return [], (0, 1, 1, f"{name} cannot be imported: {error}")
    texts: list[str] = []
    for number, part in enumerate(parts):
        if isinstance(part, str) and not syntax.COMMENT.sub(lambda match: match[1] or "", part).strip():
            continue
        with ir.Context() as context:
            context.allow_unregistered_dialects = True
            if registry is not None:
                registry.register_dialect(context)
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
