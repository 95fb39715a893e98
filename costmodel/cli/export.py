"""`costmodel export MODEL --format c|onnx -o DIR`: a predictor for compilers, without Python.

Owns the arguments and what is printed; the work is `costmodel.export`'s.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.core.errors import UsageError

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

BUDGET_BYTES = 3_000_000
BUDGET_US = 50.0


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("export", help="write a predictor as C or ONNX, for use inside compilers")
    parser.add_argument("model", metavar="MODEL", help="a shipped model's name or a checkpoint folder")
    parser.add_argument("--format", choices=("c", "onnx"), default="c", help="what to write (default: c)")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="a folder, empty or not there")
    parser.add_argument("--metrics", default="", metavar="A,B", help="keep only these metrics (default: all)")
    parser.add_argument(
        "--budget-bytes", type=int, default=BUDGET_BYTES, metavar="N", help=f"most bytes of weights ({BUDGET_BYTES})"
    )
    parser.add_argument(
        "--budget-us", type=float, default=BUDGET_US, metavar="US", help=f"most microseconds a function ({BUDGET_US:g})"
    )


def run(args: argparse.Namespace) -> int:
    """Export, and print what was written as JSON."""
    from costmodel.export.bundle import check_folder, export_c, export_onnx
    from costmodel.export.flatten import flatten
    from costmodel.models.predictor import Predictor

    if args.budget_bytes <= 0 or not args.budget_us > 0:
        raise UsageError(f"the budget is {args.budget_bytes} bytes and {args.budget_us} µs; give numbers above 0")
    check_folder(args.output)
    predictor = Predictor.load(args.model)
    metrics = [name for name in args.metrics.split(",") if name]
    pipelines = tuple(predictor.card.get("pipelines") or ())
    compact = flatten(predictor.model, name=predictor.name, pipelines=pipelines, metrics=metrics)
    files = (export_c if args.format == "c" else export_onnx)(compact, args.output)
    print(json.dumps({"schema_version": 1, "format": args.format, "files": [str(path) for path in files]}, indent=2))
    print(f"costmodel: wrote {args.output}", file=sys.stderr)
    return 0
