"""Whole networks through torch-mlir, and the fused kernels they fall into.

Draws networks; importing is in `zoo_task`, in workers. A network's weights are arguments: the IR holds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from costmodel.core.errors import MissingDependencyError, UsageError
from costmodel.core.target import Target
from costmodel.datasets.generators.base import Item, Options
from costmodel.datasets.zoo import NAMES

LEVELS = ("torch", "linalg", "affine", "vector", "llvm")
TASK = "costmodel.datasets.generators.zoo_task:import_network"
TIMEOUT_S = 600.0
MAX_SCHEDULES = 8
_ROWS_OF_A_SCHEDULE = 3
_KERNELS = 20
"""Of a network, about."""
_TARGET = "x86-64/znver4"


class ZooGenerator:
    """One item is a network: its torch and linalg forms, and every distinct kernel of it under a few schedules."""

    name = "zoo"
    preload = ("costmodel.datasets.generators.zoo_task",)

    def __init__(self, options: Options) -> None:
        for package, extra in (("torch", "torch"), ("torch_mlir", "onnx")):
            if find_spec(package) is None:
                raise MissingDependencyError(
                    f"networks need the package {package!r}, not installed; run: pip install 'costmodel-ir[{extra}]'"
                )
        unknown = [level for level in options.levels if level not in (*LEVELS, "scf")]
        self.levels = tuple(level for level in options.levels if level not in unknown) or LEVELS
        if options.levels and len(unknown) == len(options.levels):
            raise UsageError(f"the zoo generator has the levels {', '.join(LEVELS)}; seen {', '.join(options.levels)}")
        cpus = [t for t in options.targets if Target.parse(t).arch not in ("nvptx64", "amdgcn")]
        self.target = cpus[0] if cpus else _TARGET

    def families(self) -> tuple[str, ...]:
        """Networks."""
        return NAMES

    def draw(self, families: Sequence[str], count: int, seed: int) -> list[Item]:
        """All networks asked for; `count` decides how many schedules each kernel gets."""
        schedules = min(MAX_SCHEDULES, max(1, round(count / (len(families) * _KERNELS * _ROWS_OF_A_SCHEDULE))))
        return [self._item(family, schedules, seed) for family in families]

    def _item(self, family: str, schedules: int, seed: int) -> Item:
        spec = {"family": family, "levels": self.levels, "schedules": schedules, "seed": seed, "target": self.target}
        return Item(
            generator=self.name, family=family, task=TASK, spec=tuple(sorted(spec.items())), timeout_s=TIMEOUT_S
        )
