"""Small data sets on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
from program_samples import KINDS, TARGETS, programs, text
from pyarrow import parquet

from costmodel.core.tables import FunctionRow, LabelRow


def write_dataset(folder: Path, count: int = 16, broken: int = 0) -> Path:
    """`count` drawn functions in four families (equal ones once), and some that no reader takes."""
    folder.mkdir(parents=True, exist_ok=True)
    functions, labels = [], []
    sizes = programs(count, 0)[0]
    for i, (adds, loads) in enumerate(sizes):
        row = _row(text(adds, loads, KINDS[i % 3]), f"family-{i % 4}")
        functions.append(row)
        for arm, target in enumerate(TARGETS):
            truth = {"instructions": adds + 2 * loads + 3 + 2 * arm, "spills": max(0, loads - 10 - 4 * arm)}
            labels += [_label(row, target, metric, float(value)) for metric, value in truth.items()]
    for i in range(broken):
        row = _row(f"define nonsense {i}", "family-0")
        functions.append(row)
        labels.append(_label(row, TARGETS[0], "instructions", 1.0))
    write = parquet.write_table
    write(
        pa.Table.from_pylist([{"function_id": r.function_id, **asdict(r)} for r in functions]),
        folder / "functions.parquet",
    )
    write(pa.Table.from_pylist([{**asdict(r), "samples": list(r.samples)} for r in labels]), folder / "labels.parquet")
    return folder


def _row(ir: str, family: str) -> FunctionRow:
    return FunctionRow(
        ir=ir, format="llvm", level="llvm", stage="source", entry="f", project="p", family=family, license="MIT"
    )


def _label(row: FunctionRow, target: str, metric: str, value: float) -> LabelRow:
    return LabelRow(
        function_id=row.function_id, target=target, pipeline="p-v1", metric=metric, value=value, unit=metric, tool="t",
        tool_version="1",
    )  # fmt: skip
