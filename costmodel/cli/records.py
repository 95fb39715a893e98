"""`costmodel records best|list|export`: look into the measurements of earlier runs.

Owns how records are shown. Opens databases for reading only. Standard output is data (a table, JSON, CSV), messages go
to standard error.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.core.errors import UsageError
from costmodel.core.record import STATUSES, Record, WorkloadInfo
from costmodel.core.schema import CONTRACTS_VERSION
from costmodel.core.target import NATIVE, Target
from costmodel.search.database import Database

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

Row = dict[str, object]

_SHORT_ID = 12
_NUMERIC = ("gflop_per_s", "trial")
_FILTERS = ("target", "device", "backend", "toolchain")


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("records", help="look into the measurements of earlier runs")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    best = actions.add_parser("best", help="the fastest correct schedule of each workload, device and toolchain")
    listing = actions.add_parser("list", help="measurements in the order they were made")
    export = actions.add_parser("export", help="every field of every measurement, with its workload")
    for action, formats in ((best, ("table", "json", "csv")), (listing, ("table", "json", "csv")), (export, ())):
        choices = formats or ("jsonl", "json", "csv")
        action.add_argument("--db", required=True, type=Path, metavar="PATH", help="the record database")
        action.add_argument("--workload", metavar="ID", help="workload id, or its beginning")
        action.add_argument("--target", metavar="ARCH/CPU", help="target, for example x86-64/znver4, or native")
        for name in _FILTERS[1:]:
            action.add_argument(f"--{name}", help=f"{name}, exactly")
        action.add_argument("--format", choices=choices, default=choices[0], help=f"default: {choices[0]}")
    for action in (listing, export):
        action.add_argument("--status", choices=STATUSES, help="only measurements that ended so")
        action.add_argument("--session", help="only measurements of this session")
    listing.add_argument("--limit", type=int, metavar="N", help="only the newest N")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for.

    Raises:
        DatabaseError: The database is missing, foreign, newer or damaged.
        UsageError: A limit that is not positive.
        UnknownNameError: No such target.
    """
    limit = getattr(args, "limit", None)
    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be at least 1, not {limit}")
    with Database.open(args.db, create=False, readonly=True) as database:
        records = _select(database, args)
        workloads = {info.workload_id: info for info in database.workloads()}
    if not records:
        print(f"costmodel: no record in {args.db} matches", file=sys.stderr)
    records = records[-limit:] if limit else records
    if args.format == "table":
        _print_table([_table_row(args.action, record, workloads.get(record.workload_id)) for record in records])
    else:
        _print_data([_data_row(args.action, record, workloads) for record in records], args.format)
    return 0


def _select(database: Database, args: argparse.Namespace) -> list[Record]:
    filters = {name: getattr(args, name) for name in _FILTERS}
    if args.target == NATIVE:
        filters["target"] = Target.parse(NATIVE).name
    if args.action == "best":
        records = database.winners(**filters)
    else:
        records = database.query(**filters, status=args.status, session=args.session)
    return [record for record in records if record.workload_id.startswith(args.workload or "")]


def _data_row(action: str, record: Record, workloads: Mapping[str, WorkloadInfo]) -> Row:
    """A record's JSON object; `best` adds what the workload is, `export` its program too."""
    row = record.to_json()
    del row["schema_version"]
    if action == "list":
        return row
    names = ("family", "dims", "dtypes", "flops", "bytes", *(("mlir",) if action == "export" else ()))
    info = workloads.get(record.workload_id)
    known = info.to_json() if info else {}
    return row | {name: known.get(name) for name in names}


def _print_data(rows: Sequence[Row], form: str) -> None:
    match form:
        case "json":
            print(json.dumps({"schema_version": CONTRACTS_VERSION, "records": rows}, indent=2, allow_nan=False))
        case "jsonl":
            for row in rows:
                print(json.dumps({"schema_version": CONTRACTS_VERSION, **row}, allow_nan=False))
        case _:
            _print_csv(rows)


def _print_csv(rows: Sequence[Row]) -> None:
    """Lists and objects as JSON within their cell; null as an empty cell."""
    if not rows:
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(json.dumps(value) if isinstance(value, list | dict) else value for value in row.values())


def _table_row(action: str, record: Record, info: WorkloadInfo | None) -> dict[str, str]:
    dims = " ".join(f"{name}={size}" for name, size in info.dims.items()) if info else "-"
    row = {
        "workload": record.workload_id[:_SHORT_ID],
        "family": info.family if info else "-",
        "dims": dims,
        "runtime_us": _number(record.runtime_s, 1e6),
    }
    if action == "best":
        rate = info.flops / record.runtime_s * 1e-9 if info and record.runtime_s else None
        row |= {"gflop_per_s": _number(rate), "target": record.target, "device": record.device}
    else:
        row |= {
            "predicted_us": _number(record.predicted_mean_s, 1e6),
            "trial": str(record.trial),
            "status": record.status,
            "cause": record.cause.partition("\n")[0] or "-",
        }
    return {name: _printable(text) for name, text in (row | {"schedule": record.schedule}).items()}


def _number(value: float | None, scale: float = 1.0) -> str:
    return "-" if value is None else f"{value * scale:.4g}" if value * scale < 1000 else f"{value * scale:.0f}"


def _printable(text: str) -> str:
    """Without what would steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _print_table(rows: Sequence[dict[str, str]]) -> None:
    if not rows:
        return
    if sys.stdout.isatty():
        _print_rich(rows)
        return
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in ({name: name for name in widths}, *rows):
        cells = (
            row[name].rjust(width) if _is_number_column(name) else row[name].ljust(width)
            for name, width in widths.items()
        )
        print("  ".join(cells).rstrip())


def _print_rich(rows: Iterable[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table()
    for name in rows[0]:
        table.add_column(name, justify="right" if _is_number_column(name) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row.values()))
    Console().print(table)


def _is_number_column(name: str) -> bool:
    return name.endswith("_us") or name in _NUMERIC
