"""`costmodel inspect FILE`: what a program is, function by function: its size, its graph, its static features.

Owns the four forms of the answer. Reading and measuring are `costmodel.ir`'s job. A function that is tokens only has
null where a graph would be needed.
"""

from __future__ import annotations

import argparse
import json
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from costmodel import ir
from costmodel.core.errors import CostModelError, UsageError
from costmodel.core.schema import CONTRACTS_VERSION

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

Json = dict[str, object]

_STANDARD_INPUT = "-"
_TEXT_WIDTH = 120
_MESSAGES = 20


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("inspect", help="say what a program holds: functions, graph, tokens, features")
    add_source(parser)
    parser.add_argument("--format", choices=("text", "json", "dot", "html"), default="text", help="default: text")


def add_source(parser: argparse.ArgumentParser) -> None:
    """The arguments that name a program; also of `costmodel tokenize`."""
    parser.add_argument("file", metavar="FILE", help="MLIR, LLVM IR, ONNX or TIR, text or binary; - is standard input")
    parser.add_argument("--reader", choices=tuple(ir.READERS), help="default: by suffix, then by content")


def read_source(args: argparse.Namespace) -> ir.Program:
    """The program that the arguments name; raises what `ir.read` raises."""
    if args.file == _STANDARD_INPUT:
        return ir.read(sys.stdin.buffer.read(), format=args.reader)
    return ir.read(Path(args.file), format=args.reader)


def run(args: argparse.Namespace) -> int:
    """Print the answer; raises what reading raises, and `UsageError` for a picture of a program without a graph."""
    program = read_source(args)
    if args.format == "json":
        print(json.dumps(as_json(program), indent=2, ensure_ascii=False))
    elif args.format == "text":
        print(as_text(program, args.file), end="")
    else:
        print(_picture(program, args.format))
    return 0


def as_json(program: ir.Program) -> Json:
    """The whole answer as one JSON object."""
    return {
        "schema_version": CONTRACTS_VERSION,
        "format": program.format,
        "level": program.level,
        "producer": program.producer,
        "sha256": program.sha256,
        "functions": [_function(function) for function in program.functions],
        "diagnostics": [
            {
                "file": item.location.file,
                "line": item.location.line,
                "column": item.location.column,
                "message": item.message,
            }
            for item in program.diagnostics
        ],
    }


def _function(function: ir.Function) -> Json:
    nodes = edges = features = problem = None
    if function.level == "graph":
        try:
            graph = function.graph()
            nodes, edges = int(graph.node_kind.shape[0]), int(graph.edge_index.shape[1])
            features = function.features().to_dict()
        except CostModelError as error:
            problem = str(error)
    answer: Json = {
        "name": function.name,
        "level": function.level,
        "ops": function.ops,
        "nodes": nodes,
        "edges": edges,
        "tokens": len(function.tokens("anonymized")),
        "resolved": function.resolved,
        "features": features,
    }
    return answer if problem is None else {**answer, "problem": problem}


def as_text(program: ir.Program, file: str) -> str:
    """A table of functions under one line about the whole."""
    answer = as_json(program)
    out = StringIO()
    console = Console(file=out, width=_TEXT_WIDTH, highlight=False, markup=False)
    producer = f", made by {program.producer}" if program.producer else ""
    count = len(program.functions)
    console.print(
        f"{file}: {program.format} at {program.level} level{producer}, {count} function{'s' * (count != 1)}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("function", overflow="fold", max_width=48)
    for name in ("level", "ops", "nodes", "edges", "tokens", "resolved", "loops", "FLOPs", "bytes"):
        table.add_column(name, justify="left" if name == "level" else "right")
    functions = answer["functions"]
    assert isinstance(functions, list)
    for function in functions:
        table.add_row(function["name"], *_cells(function))
    console.print(table)
    for diagnostic in program.diagnostics[:_MESSAGES]:
        console.print(f"{diagnostic}", soft_wrap=True)
    if len(program.diagnostics) > _MESSAGES:
        console.print(f"... and {len(program.diagnostics) - _MESSAGES} messages more")
    return out.getvalue()


def _cells(function: Json) -> list[str]:
    features = function["features"]
    found = features if isinstance(features, dict) else {}
    numbers = [function[name] for name in ("ops", "nodes", "edges", "tokens")]
    resolved = function["resolved"]
    assert isinstance(resolved, float)
    measured = [found.get(name) for name in ("loops", "flops", "bytes_touched")]
    return [str(function["level"]), *map(_number, numbers), f"{resolved:.1%}", *map(_number, measured)]


def _number(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, (int, float)) else "-"


def _picture(program: ir.Program, name: str) -> str:
    if program.level != "graph":
        reason = f": {program.diagnostics[0]}" if program.diagnostics else ""
        raise UsageError(f"this program was read as tokens only, so there is no graph to draw{reason}")
    if name == "html":
        from costmodel.ir.graph_html import graph_html

        return graph_html(program)
    from costmodel.ir.graph_dot import to_dot

    return "\n".join(to_dot(function.graph()) for function in program.functions)
