"""Linalg operator families × shapes × element types × real schedules, at four levels of abstraction.

Draws workloads; lowering is in `linalg_task`, in workers. Schedules are drawn from the tuner's own search space, so a
row's schedule text is one that `costmodel tune` may try.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.core.hashing import sha256_text
from costmodel.core.target import Target
from costmodel.datasets.generators.base import Item, Options, share
from costmodel.datasets.generators.linalg_families import FORMS, Form, draw_sizes

LEVELS = ("linalg", "affine", "vector", "llvm")
"""`vector` are scheduled loops (marked `scf` where a schedule has no vectors); `affine` the default lowering's."""
TASK = "costmodel.datasets.generators.linalg_task:lower_workload"
TIMEOUT_S = 60.0
SCHEDULES = 2
_TARGET = "x86-64/znver4"


class LinalgGenerator:
    """One item is a workload: rows of its default lowering, and of each schedule drawn for each of its kernels."""

    name = "linalg"
    preload = ("costmodel.datasets.generators.linalg_task",)

    def __init__(self, options: Options) -> None:
        unknown = [level for level in options.levels if level not in (*LEVELS, "scf")]
        self.levels = tuple(level for level in options.levels if level not in unknown) or LEVELS
        if options.levels and len(unknown) == len(options.levels):
            raise UsageError(
                f"the linalg generator has the levels {', '.join(LEVELS)}; seen {', '.join(options.levels)}"
            )
        self.dtypes = frozenset(options.dtypes)
        cpus = [t for t in options.targets if Target.parse(t).arch not in ("nvptx64", "amdgcn")]
        self.target = cpus[0] if cpus else _TARGET
        """Whose vectors and registers the search space is made for."""

    def families(self) -> tuple[str, ...]:
        """Operator families."""
        return tuple(FORMS)

    def draw(self, families: Sequence[str], count: int, seed: int) -> list[Item]:
        """Workloads; element types in turn."""
        rows = self._rows_per_item()
        items = list[Item]()
        for family, number in zip(families, share(-(-count // rows), len(families)), strict=True):
            dtypes = [d for d in FORMS[family].dtypes if not self.dtypes or d in self.dtypes]
            rng = np.random.default_rng([seed, int(sha256_text(family)[:8], 16)])
            items += self._items(family, FORMS[family], dtypes, number, rng)
        return items

    def _rows_per_item(self) -> int:
        once = sum(level in self.levels for level in ("affine", "llvm", "linalg"))
        each = ("linalg" in self.levels) + ("vector" in self.levels or "scf" in self.levels) + ("llvm" in self.levels)
        return max(1, once + SCHEDULES * each)

    def _items(
        self, family: str, form: Form, dtypes: Sequence[str], number: int, rng: np.random.Generator
    ) -> list[Item]:
        found: dict[str, Item] = {}
        for i in range(8 * number if dtypes else 0):
            if len(found) == number:
                break
            sizes, seed = draw_sizes(form, rng), int(rng.integers(1 << 31))
            spec = {
                "dtype": dtypes[i % len(dtypes)], "family": family, "levels": self.levels, "schedules": SCHEDULES,
                "seed": seed, "sizes": tuple(sorted(sizes.items())), "target": self.target,
            }  # fmt: skip
            item = Item(
                generator=self.name, family=family, task=TASK, spec=tuple(sorted(spec.items())), timeout_s=TIMEOUT_S
            )
            found.setdefault(f"{spec['dtype']} {spec['sizes']}", item)
        return list(found.values())
