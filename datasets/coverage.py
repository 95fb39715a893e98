"""What a data set covers: counts by family × level × element type × size, and the holes.

Owns the report. Invariant: a hole is a family's lack of a level or an element type that its project has
elsewhere but this family lacks; it is named.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from costmodel.core.tables import FunctionRow

COVERAGE = "coverage.json"
SCHEMA_VERSION = 1
BUCKETS = ((2_000, "under 2 kB"), (8_000, "2 to 8 kB"), (32_000, "8 to 32 kB"))
LARGEST = "over 32 kB"
_ELEMENT = re.compile(r"(?:tensor|memref|vector|ptr)<(?:[\d?]+x)*(bf16|f\d+|i\d+)\b")
_LLVM = re.compile(r"\b(bfloat|half|float|double|i8|i16)\b")
_NAMES = {"bfloat": "bf16", "half": "f16", "float": "f32", "double": "f64"}


def dtype_of(row: FunctionRow) -> str:
    """The narrowest floating type that the text names, else `i8`, else `int`."""
    found = set(_ELEMENT.findall(row.ir)) if row.format == "mlir" else {_NAMES.get(n, n) for n in _LLVM.findall(row.ir)}
    order = ("i8", "bf16", "f16", "f32", "f64") if row.format == "mlir" else ("bf16", "f16", "f32", "f64", "i8")
    return next((name for name in order if name in found), "int")


def bucket_of(row: FunctionRow) -> str:
    """How long the text is."""
    return next((name for limit, name in BUCKETS if len(row.ir) < limit), LARGEST)


def coverage(rows: Sequence[FunctionRow]) -> dict[str, object]:
    """Counts of every combination that occurs, totals by axis, and holes, as JSON values."""
    cells = Counter((row.project, row.family, row.level, dtype_of(row), bucket_of(row)) for row in rows)
    axes = ("project", "family", "level", "dtype", "size")
    totals = {axis: Counter[str]() for axis in axes}
    for cell, count in cells.items():
        for axis, value in zip(axes, cell, strict=True):
            totals[axis][value] += count
    return {
        "schema_version": SCHEMA_VERSION,
        "functions": len(rows),
        "workloads": len({row.workload_id for row in rows if row.workload_id}),
        "largest_family_share": round(max(totals["family"].values(), default=0) / max(1, len(rows)), 4),
        "totals": {axis: dict(sorted(counted.items())) for axis, counted in totals.items()},
        "cells": [{**dict(zip(axes, cell, strict=True)), "count": count} for cell, count in sorted(cells.items())],
        "holes": holes(cells),
    }


def holes(cells: Mapping[tuple[str, str, str, str, str], int]) -> list[str]:
    """Families that lack a level or an element type that others of their project have, one line each."""
    have: dict[str, dict[str, tuple[set[str], set[str]]]] = defaultdict(lambda: defaultdict(lambda: (set(), set())))
    for project, family, level, dtype, _ in cells:
        have[project][family][0].add(level)
        have[project][family][1].add(dtype)
    lines = []
    for project, families in sorted(have.items()):
        for axis, name in ((0, "level"), (1, "dtype")):
            everything = set().union(*(sets[axis] for sets in families.values()))
            for family, sets in sorted(families.items()):
                if missing := sorted(everything - sets[axis]):
                    lines.append(f"{project}/{family}/{name}: none of {', '.join(missing)}")
    return lines


def card_notes(rows: Sequence[FunctionRow], report: Mapping[str, object]) -> dict[str, object]:
    """Tables for a data set's card: what each family covers, and the holes."""
    seen: dict[str, tuple[Counter[str], Counter[str], Counter[str]]] = {}
    for row in rows:
        counters = seen.setdefault(row.family, (Counter(), Counter(), Counter()))
        for counter, value in zip(counters, (row.level, dtype_of(row), bucket_of(row)), strict=True):
            counter[value] += 1
    families = {
        family: "; ".join(", ".join(f"{name} {n}" for name, n in sorted(c.items())) for c in counters)
        for family, counters in sorted(seen.items())
    }
    lines = report["holes"]
    assert isinstance(lines, list)
    missing = dict(line.rsplit(": ", 1) for line in lines)
    return {"coverage_by_level_element_type_and_size": families, "holes_in_coverage": missing}


def write_coverage(folder: Path, report: Mapping[str, object]) -> None:
    """`coverage.json` in `folder`."""
    (folder / COVERAGE).write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def table(rows: Sequence[FunctionRow]) -> str:
    """Families by level as text in columns, with the sum."""
    levels = sorted({row.level for row in rows})
    counted = Counter((row.family, row.level) for row in rows)
    families = sorted({row.family for row in rows})
    width = max([len(f) for f in families] + [6])
    head = f"{'family':<{width}} " + " ".join(f"{level:>8}" for level in levels) + f" {'all':>8}"
    lines = [head]
    for family in families:
        numbers = [counted[family, level] for level in levels]
        lines.append(f"{family:<{width}} " + " ".join(f"{n:>8}" for n in numbers) + f" {sum(numbers):>8}")
    sums = [sum(counted[f, level] for f in families) for level in levels]
    return "\n".join([*lines, f"{'all':<{width}} " + " ".join(f"{n:>8}" for n in sums) + f" {sum(sums):>8}"])
