"""ComPile's Parquet layout: one bitcode module a row, with its licence; read into functions.

Owns the columns (`content`, `license_expression`, `license_source`, `license_files`, `package_source`, `language`;
arXiv 2309.15432). Bitcode is opened in isolated workers; a module that LLVM refuses costs only itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from costmodel.core.tables import FunctionRow
from costmodel.core.workers import WorkerPool
from costmodel.datasets.dedup import drop_equal
from costmodel.datasets.loaders import Loaded
from costmodel.datasets.loaders.files import read_rows

TIMEOUT_S = 120.0
_TASK = "costmodel.datasets.loaders.compile:cut_guarded"


def load(path: Path) -> Loaded:
    """Functions of every module in the file; ComPile's bitcode is taken before optimisation."""
    rows = read_rows(path, "content", "license_expression", "language")
    skipped: Counter[str] = Counter()
    with WorkerPool("compile-loader", 1, preload=("llvmlite.binding",)) as pool:
        outcomes = pool.map(_TASK, ((row["content"],) for row in rows), timeout_s=TIMEOUT_S)
    functions: list[FunctionRow] = []
    for row, outcome in zip(rows, outcomes, strict=True):
        if not outcome.ok or isinstance(outcome.value, str):
            skipped[outcome.value if outcome.ok else f"{outcome.status}: {outcome.headline}"] += 1
            continue
        functions += _functions(row, outcome.value)
    return Loaded(functions=tuple(drop_equal(functions)), skipped=dict(skipped))


def cut_guarded(bitcode: bytes) -> list[tuple[str, str]] | str:
    """Runs in the worker: functions, or why LLVM refuses the module."""
    from costmodel.datasets.extract.unit import cut

    try:
        return cut(bitcode)[0]
    except RuntimeError as error:
        return f"LLVM 22 cannot read it: {' '.join(str(error).split())[:200]}"


def _functions(row: Mapping[str, Any], cut: list[tuple[str, str]]) -> Iterator[FunctionRow]:
    files = row.get("license_files") or []
    for symbol, text in cut:
        yield FunctionRow(
            ir=text,
            format="llvm",
            level="llvm",
            stage=str(row.get("stage") or "before-optimisation"),
            entry=symbol,
            project=str(row.get("project") or row.get("package_source") or "unknown"),
            family=str(row["language"]),
            language=str(row["language"]),
            license=str(row["license_expression"]),
            license_file=str(files[0]) if files else None,
        )
