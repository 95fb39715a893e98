"""`costmodel predict`: metrics of every function of a file on one or more targets, with 90 % intervals.

Owns arguments and how answers are printed. Predicting is `costmodel.models.predictor`'s.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from costmodel.core.errors import UsageError
from costmodel.ir import read
from costmodel.models.predictor import DEFAULT_MODEL, Answer, Predictor
from costmodel.models.predictor.answer import document
from costmodel.search.schedule import parse_schedule

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("predict", help="predict what the functions of a program cost")
    parser.add_argument("file", metavar="FILE", help="program: .mlir, .ll, .bc, …")
    parser.add_argument("--target", metavar="T[,T2]", required=True, help="arch/cpu or native; several with commas")
    lowering = parser.add_mutually_exclusive_group()
    lowering.add_argument("--pipeline", metavar="P", help="the lowering that is meant (default: the model's own)")
    lowering.add_argument("--schedule", metavar="TEXT", help="a schedule as text")
    parser.add_argument("--metrics", metavar="M[,M2]", default="", help="what to predict (default: all there are)")
    parser.add_argument("--model", metavar="NAME|PATH", default=DEFAULT_MODEL, help="see `costmodel models`")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="what to print (default: table)")


def run(args: argparse.Namespace) -> int:
    """Print the answers.

    Raises:
        UsageError: nothing is asked for, or the input cannot be predicted.
    """
    targets = _names(args.target)
    if not targets:
        raise UsageError("--target is empty; give a target such as x86-64/znver4")
    if args.schedule is not None:
        parse_schedule(args.schedule)
    predictor = Predictor.load(args.model)
    program = read(args.file)
    if not program.functions:
        raise UsageError(f"{args.file}: the file defines no function; expected one with a body")
    answers = predictor.predict(program, targets, _names(args.metrics), pipeline=args.pipeline, schedule=args.schedule)
    print(json.dumps(document(answers, predictor.name), indent=2) if args.format == "json" else as_table(answers))
    return 0


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def as_table(answers: Sequence[Answer]) -> str:
    """One block for each function and target."""
    lines: list[str] = []
    for answer in answers:
        doubt = "" if answer.known else "  (unknown: far from the training data)"
        through = f"  {answer.pipeline}" if answer.pipeline else ""
        lines.append(f"{answer.name}  {answer.target}{through}{doubt}")
        width = max((len(name) for name in answer.metrics), default=0)
        lines += [
            f"  {name:<{width}}  {_short(m.mean):>10}  90 % in {_short(m.low)} … {_short(m.high)}  {m.unit}"
            for name, m in answer.metrics.items()
        ]
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10000 or abs(value) >= 1e9 else f"{value:.0f}"
