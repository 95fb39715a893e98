"""Triton kernels of our own × tiles × warps × stages × GPUs, as TTIR and TTGIR with what the compilers say of them.

Draws configurations; compiling is in `triton_task`, in workers. No GPU is needed: the wheel carries `ptxas`, and LLVM
for AMD. A configuration is compiled for every target, so that a split by target holds like kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from costmodel.core.errors import MissingDependencyError, UsageError
from costmodel.core.hashing import sha256_text
from costmodel.core.target import Target
from costmodel.datasets.generators.base import Item, Options, share
from costmodel.datasets.triton_kernels import NAMES, Configuration, configurations, load

TARGETS = ("nvptx64/sm_80", "nvptx64/sm_90", "amdgcn/gfx942")
LEVELS = ("ttir", "ttgir")
TASK = "costmodel.datasets.generators.triton_task:compile_configuration"
TIMEOUT_S = 90.0
_ARCHS = {"nvptx64": "sm_", "amdgcn": "gfx"}


class TritonGenerator:
    """One item is a configuration with its targets: a TTIR row, and a TTGIR row for each target."""

    name = "triton"
    preload = ("costmodel.datasets.generators.triton_task",)

    def __init__(self, options: Options) -> None:
        if find_spec("triton") is None:
            raise MissingDependencyError(
                "Triton kernels need the package 'triton', not installed; run: pip install 'costmodel-ir[triton]'"
            )
        gpus = [t for t in options.targets if Target.parse(t).arch in _ARCHS]
        if options.targets and not gpus:
            raise UsageError(
                f"the triton generator compiles for GPUs; seen {', '.join(options.targets)}, expected e.g. {TARGETS[1]}"
            )
        self.targets = tuple(gpus) or TARGETS
        unknown = [level for level in options.levels if level not in LEVELS]
        self.levels = tuple(level for level in options.levels if level in LEVELS) or LEVELS
        if options.levels and len(unknown) == len(options.levels):
            raise UsageError(
                f"the triton generator has the levels {', '.join(LEVELS)}; seen {', '.join(options.levels)}"
            )
        self.dtypes = frozenset(options.dtypes)

    def families(self) -> tuple[str, ...]:
        """Kernel families."""
        return NAMES

    def draw(self, families: Sequence[str], count: int, seed: int) -> list[Item]:
        """Configurations without repetition; fewer where a family has fewer."""
        rows = ("ttir" in self.levels) + ("ttgir" in self.levels) * len(self.targets)
        items = list[Item]()
        for family, number in zip(families, share(-(-count // rows), len(families)), strict=True):
            rng = np.random.default_rng([seed, int(sha256_text(family)[:8], 16)])
            drawn = configurations(load(family), 1 << 20, rng)
            allowed = [c for c in drawn if not self.dtypes or _plain(c.dtype) in self.dtypes]
            items += [self._item(family, c) for c in allowed[:number]]
        return items

    def _item(self, family: str, c: Configuration) -> Item:
        spec = {
            "aligned": c.aligned, "constants": c.constants, "dtype": c.dtype, "family": family,
            "levels": self.levels, "num_stages": c.num_stages, "num_warps": c.num_warps, "targets": self.targets,
        }  # fmt: skip
        return Item(
            generator=self.name, family=family, task=TASK, spec=tuple(sorted(spec.items())),
            timeout_s=TIMEOUT_S * len(self.targets),
        )  # fmt: skip


def _plain(dtype: str) -> str:
    """The name of an element type in MLIR: `f32` for `fp32`."""
    return dtype.replace("fp", "f")
