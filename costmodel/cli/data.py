"""`costmodel data info|merge|split|verify`: look into data sets and put them together.

Owns the arguments and what is printed. The work is in `costmodel.datasets`.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.core.errors import UsageError
from costmodel.core.splits import SPLIT_FILE, Split
from costmodel.datasets.dedup_merge import merge
from costmodel.datasets.splits import BY, FRACTIONS, leakage_check, split
from costmodel.datasets.store import Dataset, DatasetError, read_dataset, write_dataset
from costmodel.datasets.store.files import write_file
from costmodel.datasets.store.verify import verify

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEMA_VERSION = 1
COLUMNS = ("project", "family", "network", "license", "language", "level", "stage")
SHOWN_PROBLEMS = 5
SHOWN_GROUPS = 20


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("data", help="look into, merge, split and verify data sets")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="count what a data set holds")
    info.add_argument("dataset", metavar="DATASET", type=Path)
    info.add_argument("--format", choices=("table", "json"), default="table")
    merged = actions.add_parser("merge", help="several data sets into one, equal functions once")
    merged.add_argument("dataset", metavar="DATASET", type=Path, nargs="+")
    merged.add_argument("-o", "--output", metavar="DATASET", type=Path, required=True)
    cut = actions.add_parser("split", help="write a split that does not leak")
    cut.add_argument("dataset", metavar="DATASET", type=Path)
    cut.add_argument(
        "-o", "--output", metavar="FILE", type=Path,
        help=f"the split, as JSON (default: {SPLIT_FILE} in DATASET, where train and evaluate look for it)",
    )  # fmt: skip
    cut.add_argument("--by", choices=BY, required=True, help="what is held out whole")
    cut.add_argument("--seed", type=int, default=0)
    cut.add_argument(
        "--fractions", metavar="A,B,C", default=",".join(map(str, FRACTIONS)), help="train, validation, test"
    )
    check = actions.add_parser("verify", help="compare files with the manifest, and a sample's labels with the tools")
    check.add_argument("dataset", metavar="DATASET", type=Path)
    check.add_argument("--sample", type=int, default=20, help="functions labelled anew (default: 20)")
    check.add_argument("--seed", type=int, default=0)
    check.add_argument("--jobs", type=int, help="processes for labelling")


def run(args: argparse.Namespace) -> int:
    """Run the action.

    Raises:
        CostModelError: a data set cannot be read or written, or does not verify.
    """
    actions = {"info": _info, "merge": _merge, "split": _split, "verify": _verify}
    return actions[args.action](args)


def _info(args: argparse.Namespace) -> int:
    counts = info(read_dataset(args.dataset))
    if args.format == "json":
        print(json.dumps({"schema_version": SCHEMA_VERSION, **counts}, indent=2, ensure_ascii=False))
        return 0
    print(f"{counts['functions']} functions, {counts['duplicates']} duplicates dropped, {counts['labels']} labels")
    for title in (*COLUMNS, "target", "metric"):
        counted: dict[str, int] = counts[title]  # type: ignore[assignment]
        shown = list(counted.items())[:SHOWN_GROUPS]
        print(f"\n{title}" if shown else "", end="\n" if shown else "")
        print("".join(f"  {name:<40} {count:>8}\n" for name, count in shown), end="")
        if len(counted) > len(shown):
            print(f"  and {len(counted) - len(shown)} more")
    return 0


def info(dataset: Dataset) -> dict[str, object]:
    """Counts by every grouping; labels by target and metric, with those that failed."""
    counts: dict[str, object] = {
        "functions": dataset.manifest.counts.get("functions"),
        "duplicates": int(dataset.column("duplicates").sum()),
        "labels": dataset.manifest.counts.get("labels"),
        "sha256": dataset.manifest.sha256,
    }
    for name in COLUMNS:
        counts[name] = _ranked(Counter(value for value in dataset.column(name) if value is not None))
    for name in ("target", "metric"):
        counts[name] = _ranked(Counter(dataset.label_column(name)))
    causes = [cause.partition(":")[0] for cause in dataset.label_column("cause") if cause is not None]
    counts["failed_labels"] = _ranked(Counter(causes))
    return counts


def _merge(args: argparse.Namespace) -> int:
    datasets = [read_dataset(path) for path in args.dataset]
    if args.output.resolve() in [path.resolve() for path in args.dataset]:
        raise UsageError(f"{args.output} is one of those to merge; name another folder")
    merged = merge(datasets)
    sources = {str(index): data.manifest.sha256 for index, data in enumerate(datasets)}
    command = ["costmodel", "data", "merge", *(path.name for path in args.dataset), "-o", args.output.name]
    notes = {"merged_sha256": sources, "merge": {"structural duplicates dropped": merged.dropped}}
    write_dataset(args.output, merged.functions, merged.labels, seed=None, command=command, notes=notes)
    print(f"{len(merged.functions)} functions, {merged.dropped} duplicates dropped, {len(merged.labels)} labels")
    return 0


def _split(args: argparse.Namespace) -> int:
    dataset = read_dataset(args.dataset)
    rows = list(dataset.function_rows())
    labels = list(dataset.label_rows()) if args.by == "target" else []
    made = split(rows, args.by, seed=args.seed, fractions=_fractions(args.fractions), labels=labels)
    leaks = leakage_check(rows, made)
    if leaks:  # unreachable for a split made here: the check is what the promise rests on
        raise AssertionError(leaks[0])
    write_file(args.output or args.dataset / SPLIT_FILE, made.to_json().encode())
    print(_shown(made))
    return 0


def _shown(made: Split) -> str:
    lines = [
        f"{part:<12}{len(ids):>8} functions, {len(made.groups[part]):>5} groups" for part, ids in made.parts.items()
    ]
    return "\n".join([*lines, f"{'refused':<12}{made.refused:>8} near-duplicates of functions in an earlier part"])


def _verify(args: argparse.Namespace) -> int:
    if args.sample < 0:
        raise UsageError(f"--sample must not be negative, it is {args.sample}")
    verdict = verify(read_dataset(args.dataset), sample=args.sample, seed=args.seed, jobs=args.jobs)
    if verdict.problems:
        more = len(verdict.problems) - SHOWN_PROBLEMS
        shown = "; ".join(verdict.problems[:SHOWN_PROBLEMS])
        raise DatasetError(f"{args.dataset} does not verify: {shown}" + (f"; and {more} more" if more > 0 else ""))
    print(
        f"all files are as the manifest says; {verdict.functions} functions; {verdict.relabelled} labels made anew are "
        f"equal, {verdict.skipped} not comparable with the tools here"
    )
    return 0


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise UsageError(f"--fractions {text!r}: wanted three numbers, for example 0.8,0.1,0.1") from error


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
