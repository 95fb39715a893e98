"""`costmodel label FILE…`: what real tools say that code costs on targets nobody needs to own.

Owns the options and how labels are shown. Labelling is in `costmodel.datasets.labelling`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.core.errors import UsageError

if TYPE_CHECKING:
    from costmodel.core.tables import FunctionRow, LabelRow

SCHEMA_VERSION = 1
FORMATS = ("table", "json", "parquet")


def add_parser(subparsers: Any) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser("label", help="what real tools say that code costs, for any target")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help=".ll, .bc or .mlir")
    parser.add_argument("--target", required=True, metavar="T1,T2", help="for example x86-64/znver4,nvptx64/sm_90")
    lowering = parser.add_mutually_exclusive_group()
    lowering.add_argument(
        "--pipeline", metavar="P",
        help="named lowering of MLIR (default: by its level); codegen-v1 compiles LLVM IR as it is, without O3",
    )  # fmt: skip
    lowering.add_argument("--schedule", metavar="TEXT", help="schedule of the kernel in an .mlir file of linalg")
    parser.add_argument("--metrics", metavar="M1,M2", help="what to ask (default: all that is quick)")
    parser.add_argument("--labellers", metavar="L1,L2", help="whom to ask (default: those that are quick and here)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="what to write (default: table)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to (default: standard output)")
    parser.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one a core)")
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keep answers in this file and look there first")


def run(args: argparse.Namespace) -> int:
    """Label; functions that a tool rejects are answers with a cause."""
    from costmodel.core.target import Target
    from costmodel.datasets.labelling import label_functions
    from costmodel.datasets.labelling_cache import LabelCache
    from costmodel.datasets.labelling_input import read_rows
    from costmodel.datasets.labelling_plan import missing_metrics

    _check(args)
    targets = [Target.parse(name) for name in _names(args.target) or ()]
    rows = [row for path in args.files for row in read_rows(path, args.schedule)]
    labels = label_functions(
        rows, targets, labellers=_names(args.labellers), metrics=_names(args.metrics), pipeline=args.pipeline,
        cache=LabelCache(args.cache) if args.cache else None, jobs=args.jobs,
    )  # fmt: skip
    _write(args, rows, labels)
    if args.labellers is None and args.metrics is None:
        for target in targets:
            for needs, metrics in _by_value(missing_metrics(target)).items():
                print(f"costmodel: {target.name}: {', '.join(metrics)} left out: needs {needs}", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs {args.jobs}: expected at least 1")
    if args.format == "parquet" and args.output is None:
        raise UsageError("--format parquet needs -o FILE")
    if args.pipeline is not None:
        from costmodel.datasets.labelling_lower import LLVM
        from costmodel.toolchain.pipelines import PIPELINES

        if args.pipeline not in (*PIPELINES, *LLVM):
            raise UsageError(f"unknown pipeline {args.pipeline!r}; known: {', '.join(sorted((*PIPELINES, *LLVM)))}")


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{text!r}: expected names separated by commas")
    return list(dict.fromkeys(names))


def _by_value(metrics: dict[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for metric, needs in metrics.items():
        grouped.setdefault(needs, []).append(metric)
    return grouped


def _write(args: argparse.Namespace, rows: Sequence[FunctionRow], labels: Sequence[LabelRow]) -> None:
    try:
        if args.format == "parquet":
            _write_parquet(args.output, labels)
            return
        entries = {row.function_id: row.entry for row in rows}
        text = as_json(entries, labels) if args.format == "json" else as_table(entries, labels)
        if args.output is None:
            print(text, flush=True)
        else:
            args.output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{args.output or 'standard output'}: cannot be written ({error.strerror})") from error


def as_json(entries: dict[str, str], labels: Sequence[LabelRow]) -> str:
    """Contract "label and predict": one element for each function and target. `entries`: function_id to name."""
    functions = []
    for (function_id, target, pipeline), group in groupby(labels, key=lambda r: (r.function_id, r.target, r.pipeline)):
        metrics = {
            row.metric: {
                "value": row.value, "unit": row.unit, "tool": row.tool, "tool_version": row.tool_version,
                "cause": row.cause,
                **({"samples": row.samples, "device": row.device} if row.samples else {}),
            }
            for row in group
        }  # fmt: skip
        known = any(metric["value"] is not None for metric in metrics.values())
        functions.append(
            {"name": entries[function_id], "function_id": function_id, "target": target, "pipeline": pipeline,
             "known": known, "metrics": metrics}
        )  # fmt: skip
    return json.dumps({"schema_version": SCHEMA_VERSION, "functions": functions}, indent=2, ensure_ascii=False)


def as_table(entries: dict[str, str], labels: Sequence[LabelRow]) -> str:
    """Columns: function, target, metric, value, unit, tool; a missing value's cause stands in the place of the tool."""
    lines = [("function", "target", "metric", "value", "unit", "tool")]
    for row in labels:
        value = "-" if row.value is None else f"{row.value:.6g}"
        said = f"{row.tool}: {row.cause}" if row.cause else f"{row.tool} {row.tool_version}"
        lines.append((entries[row.function_id], row.target, row.metric, value, row.unit, said))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[5]]) for line in lines
    )


def _write_parquet(path: Path, labels: Sequence[LabelRow]) -> None:
    from costmodel.datasets.store.arrow import label_table, write_table

    write_table(label_table(sorted(labels, key=lambda row: row.sort_key)), path)
