"""Dropping equal functions with their count kept.

Owns which of several equals stays. Invariant: the outcome does not depend on the order of the rows. What counts as
structurally equal is told by `costmodel.ir.structure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from costmodel.core.tables import FunctionRow


def drop_equal(rows: Iterable[FunctionRow]) -> list[FunctionRow]:
    """One row for each `function_id`; its `duplicates` grows by what was dropped. Canonical order."""
    return drop_by(rows, lambda row: row.function_id)


def drop_by(rows: Iterable[FunctionRow], key: Callable[[FunctionRow], object]) -> list[FunctionRow]:
    """One row for each value of `key`, the first in canonical order; counts are summed."""
    kept: dict[object, FunctionRow] = {}
    for row in sorted(rows, key=lambda row: (*row.sort_key, row.license, row.license_file or "")):
        identity = key(row)
        first = kept.get(identity)
        kept[identity] = row if first is None else replace(first, duplicates=first.duplicates + 1 + row.duplicates)
    return list(kept.values())
