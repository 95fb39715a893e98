"""`costmodel doctor`: which readers, backends, targets and tools are usable here, and how to get the missing ones.

Owns how findings are shown. Looking is in `costmodel.cli.findings`. Changes nothing on the machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

import costmodel
from costmodel.cli.findings import Finding, gather
from costmodel.core.errors import MissingDependencyError
from costmodel.toolchain.tools import toolchain_id

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEMA_VERSION = 1


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("doctor", help="say what is usable on this machine and how to get the rest")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="what to print (default: table)")


def run(args: argparse.Namespace) -> int:
    """Print the findings.

    Raises:
        MissingDependencyError: something that no run can do without is missing or broken (after printing).
    """
    findings = gather()
    print(as_json(findings) if args.format == "json" else as_table(findings), flush=True)
    failing = [
        f"{item.group} {item.name}" for item in findings if item.required and item.status in ("missing", "broken")
    ]
    if failing:
        raise MissingDependencyError(f"needed and not usable: {', '.join(failing)}; see the remedies above")
    return 0


def as_json(findings: Sequence[Finding]) -> str:
    """The findings, and the names of what is usable in each group, as one JSON object."""
    groups = groupby(findings, key=lambda item: item.group)
    usable = {group: [item.name for item in items if item.status in ("ok", "note")] for group, items in groups}
    answer = {
        "schema_version": SCHEMA_VERSION,
        "costmodel": costmodel.__version__,
        "toolchain": _toolchain(),
        "usable": {
            group: usable[group]
            for group in ("reader", "backend", "target", "labeller", "tool", "linker")
            if group in usable
        },
        "findings": [asdict(item) for item in findings],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def as_table(findings: Sequence[Finding]) -> str:
    """The findings in columns, grouped; a remedy stands below what it is for, once for a run of equal ones."""
    lines = [f"costmodel {costmodel.__version__}, toolchain {_toolchain() or 'incomplete'}"]
    width = max((len(item.name) for item in findings), default=0)
    for group, items in groupby(findings, key=lambda item: item.group):
        lines += ["", group]
        for remedy, same in groupby(items, key=lambda item: item.remedy):
            lines += [_row(item, width) for item in same]
            lines += [f"           get it: {remedy}"] if remedy else []
    return "\n".join(lines)


def _row(item: Finding, width: int) -> str:
    detail = "  ".join(part for part in (item.version, item.detail) if part)
    return f"  {item.status:<7}  {item.name:<{width}}  {detail}".rstrip()


def _toolchain() -> str | None:
    try:
        return toolchain_id()
    except MissingDependencyError:
        return None
