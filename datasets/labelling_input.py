"""Files to rows: what `costmodel label` reads.

Owns the choice of the format, the level of MLIR and the list of functions. Foreign text is read in isolated workers.
"""

from __future__ import annotations

import re
from pathlib import Path

from costmodel.core.errors import ParseError, UsageError
from costmodel.core.tables import FunctionRow
from costmodel.models.levels import level_of_dialects
from costmodel.toolchain.isolation import call_isolated

FORMATS = {".ll": "llvm", ".bc": "llvm", ".mlir": "mlir"}

_MAGICS = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")
_OPERATION = re.compile(r"^\s*(?:%[\w$#.:, %-]+ = )?\"?([a-z_]\w*)\.[a-z_]\w*", re.MULTILINE)


def read_rows(path: Path, schedule: str | None = None) -> list[FunctionRow]:
    """A row for each function that the file defines.

    Raises:
        UsageError: no such file, another suffix, a schedule for something that is not one linalg function.
        ParseError: the content is not what the suffix says, is empty, or defines no function.
    """
    data = _content(path)
    if FORMATS[path.suffix] == "llvm":
        if schedule is not None:
            raise UsageError(f"{path}: a schedule is for linalg in .mlir files, not for LLVM IR")
        text, names = call_isolated("costmodel.datasets.labelling_input:llvm_functions", data, str(path))
        level = "llvm"
    else:
        text = _decoded(data, path)
        names = call_isolated("costmodel.datasets.labelling_input:mlir_functions", text, str(path))
        level = level_of(text)
    if not names:
        raise ParseError(f"{path}: the file defines no function; expected one with a body")
    stage = "source" if schedule is None else "scheduled"
    return [
        FunctionRow(
            ir=text, format=FORMATS[path.suffix], level=level, stage=stage, entry=name, schedule=schedule,
            project=path.name, family=level, license="NOASSERTION",
        )
        for name in names
    ]  # fmt: skip


def llvm_functions(data: bytes, name: str) -> tuple[str, list[str]]:
    """Runs in a worker: the module as LLVM prints it, and the functions it defines."""
    from costmodel.toolchain.retarget import definitions, print_module

    text = print_module(data if data.startswith(_MAGICS) else _decoded(data, Path(name)), name)
    return text, definitions(text)


def mlir_functions(text: str, name: str) -> list[str]:
    """Runs in a worker: the functions with a body of a module of upstream MLIR."""
    from mlir import ir

    from costmodel.toolchain.diagnostics import parse_module

    with ir.Context() as context, ir.Location.unknown():
        module = parse_module(text, context=context, file=name)
        return [
            ir.StringAttr(op.operation.attributes["sym_name"]).value
            for op in module.body.operations
            if op.operation.name in ("func.func", "llvm.func") and len(op.operation.regions[0].blocks)
        ]


def level_of(text: str) -> str:
    """The highest level whose operations MLIR `text` holds; `llvm` where there is nothing above it."""
    if "tensor<" in text:
        return "linalg"
    return level_of_dialects(set(_OPERATION.findall(text))) or "scf"


def _content(path: Path) -> bytes:
    if path.suffix not in FORMATS:
        raise UsageError(f"{path}: expected a file that ends in {', '.join(FORMATS)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    if not data.strip():
        raise ParseError(f"{path}:1:1: the file is empty; expected LLVM IR or MLIR")
    return data


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"{path}: byte {error.start} is not UTF-8; expected text, or bitcode in a .bc file") from error
