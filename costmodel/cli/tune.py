"""`costmodel tune INPUT -o OUT`: options in, artifact and report out, the summary on standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from costmodel.core.errors import UsageError

DONE, WRONG, INTERRUPTED = 0, 1, 130


def add_parser(subparsers: Any) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser(
        "tune", help="tune the kernels of a model (.onnx) or of linalg (.mlir) on this machine"
    )
    parser.add_argument(
        "input", type=Path, metavar="INPUT", help="an .onnx model, or an .mlir file of linalg on tensors"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder for artifact, report and records"
    )
    parser.add_argument(
        "--trials", type=int, default=None, metavar="N", help="trials in all, shared among workloads (default 512)"
    )
    parser.add_argument("--seconds", type=float, default=None, metavar="S", help="time for everything, finals included")
    parser.add_argument("--target", default="native", help="only `native` can be measured")
    parser.add_argument("--threads", type=int, default=1, help="1 until parallel loops are a knob")
    parser.add_argument("--strategy", default="evolutionary", help="evolutionary or random")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="of every random choice")
    parser.add_argument("--resume", action="store_true", help="go on with an existing OUT")
    parser.add_argument(
        "--db", type=Path, default=None, metavar="PATH", help="database of records (default OUT/records.db)"
    )
    parser.add_argument(
        "--input", dest="shapes", action="append", default=[], metavar="NAME=1,3,48,192", help="shape of an ONNX input"
    )


def run(args: argparse.Namespace) -> int:
    """Tune; 0 when done, 130 when interrupted with the best so far written, 1 where a model's outputs are wrong."""
    from costmodel.search.report.clock import PhaseClock
    from costmodel.search.report.table import summary_table
    from costmodel.search.tuner.options import DEFAULT_TRIALS, TuneOptions
    from costmodel.search.tuner.run import tune

    options = TuneOptions(
        source=args.input, out=args.output, trials=DEFAULT_TRIALS if args.trials is None else args.trials,
        seconds=args.seconds, target=args.target, threads=args.threads, strategy=args.strategy, seed=args.seed,
        resume=args.resume, database=args.db, input_shapes=_shapes(args.shapes),
    )  # fmt: skip
    result = tune(options, PhaseClock())
    print(summary_table(result.report), end="")
    if not result.equal:
        print("costmodel: the artifact computes something else than the model; this is a bug of ours", file=sys.stderr)
        return WRONG
    return INTERRUPTED if result.interrupted else DONE


def _shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    shapes = [_shape(text) for text in texts]
    names = [name for name, _ in shapes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--input {twice}=…: given twice; give each input one shape")
    return dict(shapes)


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, equals, sizes = text.partition("=")
    try:
        shape = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        shape = ()
    if not name or not equals or not shape or any(size < 1 for size in shape):
        raise UsageError(f"--input {text!r}: expected NAME=1,3,48,192 with positive sizes")
    return name, shape
