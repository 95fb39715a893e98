"""`costmodel extract`: a build folder to a deduplicated, licence-clean, labelled data set.

Owns the arguments and the summary. The work is in `costmodel.datasets.extract`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.core.errors import UsageError
from costmodel.core.target import Target
from costmodel.datasets.extract import Options, Report, extract
from costmodel.datasets.extract.commands import AFTER, BEFORE, STAGES
from costmodel.datasets.extract.sources import KINDS
from costmodel.datasets.licenses import PERMISSIVE, parse_allowed

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SHOWN_FAILURES = 10
_LABEL_STAGES = {"before": (BEFORE,), "after": (AFTER,), "both": STAGES}


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "extract",
        help="turn a build into a data set of functions",
        description="Turn a build into a data set. A source folder is copied and BUILT: its build's code runs.",
    )
    parser.add_argument(
        "build",
        metavar="BUILD",
        type=Path,
        help="a folder with compile_commands.json, of objects with embedded bitcode, or with sources that Cargo, "
        "CMake, configure, make or setup.py builds",
    )
    parser.add_argument("-o", "--output", metavar="DATASET", type=Path, required=True, help="the data set's folder")
    parser.add_argument(
        "--label", metavar="TARGETS", default="", help="comma-separated, e.g. x86-64/znver4,nvptx64/sm_90"
    )
    parser.add_argument(
        "--label-stage", choices=sorted(_LABEL_STAGES), default="before", help="functions to label (default: before)"
    )
    parser.add_argument(
        "--licenses", metavar="SPDX,…", default=",".join(PERMISSIVE), help="the allow-list (default: permissive ones)"
    )
    parser.add_argument("--kind", choices=KINDS, default="auto", help="how BUILD is read (default: by what it holds)")
    parser.add_argument("--family", metavar="NAME", help="the family of all functions (default: their language)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--ray", metavar="ADDRESS", help="extract on a Ray cluster that sees BUILD; `local` starts one")
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run of this command stopped")


def run(args: argparse.Namespace) -> int:
    """Extract and print the summary.

    Raises:
        CostModelError: see `costmodel.datasets.extract.extract`.
    """
    if args.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {args.jobs}")
    targets = tuple(name.strip() for name in args.label.split(",") if name.strip())
    for name in targets:
        Target.parse(name)
    options = Options(
        build=args.build,
        output=args.output,
        kind=args.kind,
        targets=targets,
        label_stages=_LABEL_STAGES[args.label_stage],
        licenses=parse_allowed(args.licenses),
        family=args.family,
        jobs=args.jobs,
        ray=args.ray,
        resume=args.resume,
        command=_command(args),
    )
    if args.kind in ("auto", "build"):
        _tell(f"a source folder is built in a copy, which runs the build's own code: {args.build}")
    report = extract(options, _tell)
    print(summary(report, args.output))
    return 0


def summary(report: Report, output: Path) -> str:
    """The table that a run ends with."""
    rows = [
        ("project", report.project),
        ("read as", report.kind),
        ("build", report.build_cause or "complete"),
        ("units", f"{report.units}, of which {report.failed_units} with failures"),
        ("modules", str(report.modules)),
        ("functions found", str(report.found)),
        *((f"  dropped, {cause}", str(count)) for cause, count in sorted(report.dropped.items())),
        ("functions kept", str(report.functions)),
        *((f"  {name}", str(count)) for name, count in [*report.licenses.items(), *report.languages.items()]),
        ("labels", f"{report.labels}, of which {report.failed_labels} failures with a cause"),
        ("card", str(output / "CARD.md")),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    failures = [f"  {' '.join(name.split())}: {cause}" for name, cause in report.failures.items()]
    more = [f"  and {len(failures) - SHOWN_FAILURES} more, see manifest.json"] if len(failures) > SHOWN_FAILURES else []
    return "\n".join([*lines, *(["failures"] if failures else []), *failures[:SHOWN_FAILURES], *more])


def _command(args: argparse.Namespace) -> tuple[str, ...]:
    """What decides the data set, as a command; how it was run (jobs, Ray, resumed) is left out."""
    words = ["costmodel", "extract", _name(args.build), "-o", _name(args.output)]
    for option, value in (("--label", args.label), ("--family", args.family)):
        words += [option, value] if value else []
    if args.label and args.label_stage != "before":
        words += ["--label-stage", args.label_stage]
    if args.licenses != ",".join(PERMISSIVE):
        words += ["--licenses", args.licenses]
    return tuple([*words, "--kind", args.kind] if args.kind != "auto" else words)


def _name(path: Path) -> str:
    return path.name or path.resolve().name if path.is_absolute() or ".." in path.parts else str(path)


def _tell(line: str) -> None:
    print(f"costmodel: {line}", file=sys.stderr)
