"""What fits: rows that are short enough, each family within its share. Decides by content: equal rows, equal picks."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence

from costmodel.core.tables import FunctionRow
from costmodel.datasets.dedup import drop_equal

MAX_CHARACTERS = {
    "llvm": 40_000, "vector": 32_000, "scf": 32_000, "affine": 24_000, "ttir": 40_000, "ttgir": 40_000,
    "linalg": 24_000, "torch": 60_000,
}  # fmt: skip
"""Longer texts are left out, and the card says so: code of long unrolled kernels is not in the bundle."""
FAMILY_ROWS = 2_600
"""No family beyond this many rows: under 15 % of 20,000."""


def keep(rows: Sequence[FunctionRow], slack: float = 1.0) -> list[FunctionRow]:
    """Rows within `slack` times both limits, one for each content; of too large a family those of least hash."""
    families: dict[str, dict[str, FunctionRow]] = defaultdict(dict)
    for row in drop_equal(rows):
        if len(row.ir) <= slack * MAX_CHARACTERS[row.level]:
            families[row.family][row.function_id] = row
    kept = [
        family[key] for _, family in sorted(families.items()) for key in sorted(family)[: round(slack * FAMILY_ROWS)]
    ]
    say(f"{len(kept)} of {len(rows)} rows fit")
    return kept


def limits() -> dict[str, str]:
    """For the card: what was left out for size."""
    lengths = ", ".join(f"{level} {count}" for level, count in MAX_CHARACTERS.items())
    return {
        "longest text kept, characters by level": lengths, "most rows of a family": str(FAMILY_ROWS),
        "bias": "to small functions: a wide unrolled tile or a large function of a library is not here",
    }  # fmt: skip


def say(text: str) -> None:
    """A line about the progress."""
    print(text, file=sys.stderr, flush=True)
