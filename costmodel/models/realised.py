"""What a schedule makes of a function: straight blocks of code, how often each runs, and what it holds.

Owns the form, and the registry of readers that know a schedule's language and its lowering; those lie above models.
Blocks are counted for no target in particular: vectors by how many registers of `WIDTHS` bits each needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from costmodel.core.errors import CostModelError
from costmodel.core.registry import Registry
from costmodel.ir.program import Function

WIDTHS = (64, 128, 256, 512)
"""Bits of the vector registers that blocks are counted for."""
UNROLLED = (32, 50, 150)
"""Operations up to which loops are unrolled in part, as LLVM's cores have it: AArch64's, Intel's, the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Straight code between two branches."""

    executions: float
    """For one call of the function; 32 for a loop of unknown length, as compilers guess."""
    trips_known: bool
    vectors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Operations on vector registers by kind, for each of `WIDTHS`."""
    counts: Mapping[str, float] = field(default_factory=dict)
    """Other operations and lanes by kind."""
    chain: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """The longest chain that one iteration hands to the next: fused multiply-adds, other floats, extremes, the rest."""
    depth: float = 0.0
    """Cycles of the longest path through it, at usual latencies."""
    live: tuple[int, ...] = (0,) * len(WIDTHS)
    """Vector registers that it wants at once."""
    copies: tuple[float, ...] = (1.0,) * len(UNROLLED)
    """How often its code is there, for each of `UNROLLED`."""


Reader = Callable[[Function, str], tuple[Block, ...]]
READERS: Registry[Reader] = Registry(
    "reader of blocks",
    {
        "linalg": "costmodel.search.features.blocks:blocks_of",
        "written": "costmodel.search.features.written:blocks_of",
    },
)
"""By what schedules are written for, linalg today; `written` reads code without one as it stands.

A reader raises `CostModelError` where the two do not fit.
"""


def realised(function: Function, schedule: str | None) -> tuple[Block, ...]:
    """Blocks of `function` under `schedule`, or as it stands; none where they cannot be told."""
    if function.operation is None or function.operation.name != "func.func":
        return ()
    try:
        return READERS.get("written" if schedule is None else "linalg")(function, schedule or "")
    except CostModelError:
        return ()
