"""`costmodel export MODEL --format c|onnx -o DIR`: a predictor for compilers, without Python.

Owns the arguments, the reading of unlabelled functions and what is printed; the work is `costmodel.export`'s.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from costmodel.core.errors import CostModelError, MissingDependencyError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from costmodel.export.budget import Fitted
    from costmodel.export.soft import Labelled
    from costmodel.models.examples import Encoding
    from costmodel.models.metric_model import MetricModel
    from costmodel.models.predictor import Predictor

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

BUDGET_BYTES = 3_000_000
BUDGET_US = 50.0
_SUFFIXES = (".ll", ".bc", ".mlir", ".onnx")


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
    parser.add_argument(
        "--unlabelled", type=Path, metavar="DIR",
        help="a data set, or a folder of .ll, .bc, .mlir: functions to distil on where the model is over the budget",
    )  # fmt: skip
    parser.add_argument(
        "--most-functions", type=int, default=4000, metavar="N", help="of those, at most so many (4000)"
    )
    parser.add_argument(
        "--takes", choices=("features", "graph"), default="features",
        help="what the C function is asked with; a model that takes graph arrays is distilled on --unlabelled",
    )  # fmt: skip
    parser.add_argument(
        "--features", choices=("all", "v1"), default="all",
        help="v1: what compiler passes compute (FUNCTION_FEATURES_V1, counts of operations); a model that reads more "
        "is distilled on --unlabelled",
    )  # fmt: skip
    parser.add_argument(
        "--labelled", type=Path, metavar="DATA_SET",
        help="a data set whose labels students learn from too; what the model's own training held out stays out",
    )  # fmt: skip
    parser.add_argument("--cache", type=Path, metavar="FILE", help="where encodings of --labelled are kept")
    parser.add_argument("--seed", type=int, default=0, help="of the search and the training of students (0)")


def run(args: argparse.Namespace) -> int:
    """Export, and print what was written as JSON."""
    from costmodel.export.budget import inside
    from costmodel.export.bundle import check_folder, export_c, export_onnx
    from costmodel.export.function_features import functions_for_passes, marked, of_function_features
    from costmodel.export.genetic import Budget
    from costmodel.export.graph_inputs import of_graphs
    from costmodel.models.predictor import Predictor

    if args.budget_bytes <= 0 or not args.budget_us > 0:
        raise UsageError(f"the budget is {args.budget_bytes} bytes and {args.budget_us} µs; give numbers above 0")
    if args.takes == "graph" and args.labelled is not None:
        raise UsageError("--takes graph learns from --unlabelled alone; leave --labelled out")
    if args.takes == "graph" and args.unlabelled is None:
        raise UsageError("--takes graph makes a student; give functions to distil on with --unlabelled DIR")
    check_folder(args.output)
    predictor = Predictor.load(args.model)
    budget = Budget(size_bytes=args.budget_bytes, latency_us=args.budget_us)
    compact = _compact(predictor, args)
    unlabelled, seen = _unlabelled(predictor, args), None
    labelled = _labelled(predictor, compact.metrics, args)
    if args.takes == "graph":
        compact, seen = of_graphs(compact, unlabelled, args.seed)
    elif args.features == "v1":
        unlabelled = functions_for_passes(unlabelled)
        known = [] if labelled is None else labelled.examples.encodings
        compact = of_function_features(compact, [*unlabelled, *known], args.seed)
    else:
        compact = marked(compact)
    fitted = inside(
        compact, budget, model=cast("MetricModel", predictor.model), unlabelled=unlabelled, seen=seen,
        labelled=labelled, seed=args.seed,
    )  # fmt: skip
    extra = _card(fitted)
    files = (export_c if args.format == "c" else export_onnx)(fitted.compact, args.output, extra=extra)
    print(
        json.dumps(
            {"schema_version": 1, "format": args.format, "files": [str(path) for path in files], **extra}, indent=2
        )
    )
    how = f"{fitted.how}; {fitted.cost.size_bytes:.0f} bytes, {fitted.cost.latency_us:.1f} µs a function"
    print(f"costmodel: wrote {args.output}: {how} ({'measured' if fitted.measured else 'estimated'})", file=sys.stderr)
    if fitted.student is None and not fitted.lossless:
        print("costmodel: that loses accuracy; --unlabelled DIR distils a student instead", file=sys.stderr)
    return 0


def _unlabelled(predictor: Predictor, args: argparse.Namespace) -> list[Encoding]:
    if args.unlabelled is None:
        return []
    return read_unlabelled(
        args.unlabelled, predictor, args.most_functions, args.seed, graph=args.takes == "graph"
    )  # fmt: skip


def _labelled(predictor: Predictor, metrics: tuple[str, ...], args: argparse.Namespace) -> Labelled | None:
    if args.labelled is None:
        return None
    from costmodel.cli.labelled import rows_of

    level = "llvm" if args.features == "v1" else ""
    found = rows_of(
        args.labelled, predictor, metrics, level=level, most=args.most_functions, cache=args.cache, seed=args.seed
    )
    return found.learned


def _compact(predictor: Predictor, args: argparse.Namespace) -> Any:
    from costmodel.export.flatten import flatten, skeleton, told_of
    from costmodel.export.function_features import metrics_for_passes

    metrics = [name for name in args.metrics.split(",") if name]
    if args.features == "v1":
        metrics = list(metrics_for_passes(metrics or predictor.metrics))
    about: dict[str, Any] = {**told_of(predictor), "metrics": metrics}
    try:
        return flatten(predictor.model, **about)
    except UnsupportedError:
        if args.unlabelled is None and args.labelled is None:
            raise
        return skeleton(predictor.model, **about)


def _card(fitted: Fitted) -> dict[str, Any]:
    student = fitted.student
    return {
        "compression": fitted.how, "size_bytes": int(fitted.cost.size_bytes),
        "latency_us": round(fitted.cost.latency_us, 2), "latency_is": "measured" if fitted.measured else "estimated",
        "disagreement_with_teacher": None if student is None else
        {name: round(float(v), 5) for name, v in zip(fitted.compact.metrics, student.disagreement, strict=True)},
    }  # fmt: skip


def read_unlabelled(folder: Path, predictor: Predictor, most: int, seed: int, *, graph: bool = False) -> list[Encoding]:
    """Encodings of the functions of a data set or of IR files; unreadable ones are left out, and counted.

    Raises:
        UsageError: there is none.
    """
    from costmodel.models.metric_model import MetricModel, Needs

    needs = predictor.model.needs if isinstance(predictor.model, MetricModel) else Needs()
    needs = replace(needs, graph=needs.graph or graph)
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give a data set or a folder of {', '.join(_SUFFIXES)}")
    source = _of_data_sets if next(folder.rglob("functions.parquet"), None) else _of_files
    found: list[Encoding] = []
    failed = 0
    for encoding in source(folder, needs, most, seed):
        if encoding is None:
            failed += 1
        elif len(found) < most:
            found.append(encoding)
    if failed:
        print(f"costmodel: {failed} functions or files under {folder} could not be read", file=sys.stderr)
    if not found:
        raise UsageError(
            f"no function under {folder} could be read; give a data set or a folder of {', '.join(_SUFFIXES)}"
        )
    return found


def _of_data_sets(folder: Path, needs: Any, most: int, seed: int) -> Iterator[Encoding | None]:
    """Functions of all data sets in a folder, drawn over all."""
    from costmodel.core.tables import FUNCTION_COLUMNS, FunctionRow
    from costmodel.models.examples import Encoding
    from costmodel.training.encodings import encode_row

    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError("reading a data set needs pyarrow; pip install 'costmodel-ir[train]'") from error
    names = [name for name in FUNCTION_COLUMNS if name != "function_id"]
    tables = []
    for path in sorted(folder.rglob("functions.parquet")):
        try:
            tables.append(parquet.read_table(path, columns=names))
        except (OSError, pyarrow.ArrowException) as error:
            raise UsageError(f"cannot read {path}: {error}; give a data set's folder") from None
    table = pyarrow.concat_tables(tables)
    order = np.random.default_rng(seed).permutation(len(table))[:most]
    for row in table.take(order).to_pylist():
        encoding = encode_row(FunctionRow(**row), needs)
        yield encoding if isinstance(encoding, Encoding) else None


def _of_files(folder: Path, needs: Any, most: int, seed: int) -> Iterator[Encoding | None]:
    from costmodel.ir import read
    from costmodel.models.encode import encode_function

    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
    for i in np.random.default_rng(seed).permutation(len(paths))[:most]:
        try:
            functions = read(paths[i]).functions
        except CostModelError:
            yield None
            continue
        for function in functions:
            try:
                yield encode_function(function, scheme=needs.scheme, graph=needs.graph)
            except CostModelError:
                yield None
