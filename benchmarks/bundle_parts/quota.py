"""What fits: rows that are short enough, each family within its share. Decides by content, so equal rows give equal picks."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence

from costmodel.core.tables import FunctionRow

MAX_CHARACTERS = {"llvm": 24_000, "vector": 20_000, "scf": 20_000, "affine": 16_000, "ttir": 20_000, "ttgir": 20_000, "linalg": 16_000, "torch": 60_000}
"""Longer texts are left out, and the card says so: code of long unrolled kernels is not in the bundle."""
FAMILY_ROWS = 2_600
"""No family beyond this many rows: under 15 % of 20,000."""


def keep(rows: Sequence[FunctionRow]) -> list[FunctionRow]:
    """Rows within both limits, one for each content, the rest of a family by hash."""
    families: dict[str, dict[str, FunctionRow]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: row.sort_key):
        if len(row.ir) <= MAX_CHARACTERS[row.level]:
            families[row.family].setdefault(row.function_id, row)
    kept = [family[key] for _, family in sorted(families.items()) for key in sorted(family)[:FAMILY_ROWS]]
    say(f"{len(kept)} of {len(rows)} rows fit")
    return kept


def say(text: str) -> None:
    """A line about the progress."""
    print(text, file=sys.stderr, flush=True)
