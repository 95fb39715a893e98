"""Loops in C as a front end hands them to LLVM: scalar, before any pass that vectorises or unrolls them.

Draws kernels of `datasets.c_loops`; clang runs in `loops_task`, in workers.
"""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.core.errors import UsageError
from costmodel.datasets.c_loops import ALL
from costmodel.datasets.generators.base import Item, Options, share
from costmodel.toolchain.tools import require_tool

LEVELS = ("llvm",)
TOOLS = ("clang", "opt")
TASK = "costmodel.datasets.generators.loops_task:compile_loops"
TIMEOUT_S = 120.0
KERNELS = 25
"""Of one item: they are one file of C."""


class LoopsGenerator:
    """One item is some kernels of a family; each becomes one row, in one of the forms of `loops_task.FORMS`."""

    name = "loops"
    preload = ("costmodel.datasets.generators.loops_task",)

    def __init__(self, options: Options) -> None:
        if options.levels and not set(LEVELS) & set(options.levels):
            raise UsageError(
                f"the loops generator has the levels {', '.join(LEVELS)}; seen {', '.join(options.levels)}"
            )
        for tool in TOOLS:
            require_tool(tool)

    def families(self) -> tuple[str, ...]:
        """Kinds of loops."""
        return tuple(ALL)

    def draw(self, families: Sequence[str], count: int, seed: int) -> list[Item]:
        """Kernels of each family."""
        return [
            self._item(family, seed, first, min(KERNELS, number - first))
            for family, number in zip(families, share(count, len(families)), strict=True)
            for first in range(0, number, KERNELS)
        ]

    def _item(self, family: str, seed: int, first: int, count: int) -> Item:
        spec = {"count": count, "family": family, "first": first, "seed": seed}
        return Item(
            generator=self.name, family=family, task=TASK, spec=tuple(sorted(spec.items())), timeout_s=TIMEOUT_S
        )
