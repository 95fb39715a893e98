"""What a kernel family is, and how its configurations are drawn. Imports neither torch nor triton."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

FLOATS = ("fp32", "fp16", "bf16")
ELEMENT = "T"
"""Stands for the configuration's element type in a signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One way to compile a kernel; prints as the text that stands in a data set's `schedule`."""

    dtype: str
    constants: tuple[tuple[str, int], ...]
    num_warps: int
    num_stages: int
    aligned: bool
    """Whether every pointer and size is a multiple of 16, which lets the compiler vectorise accesses."""

    def __str__(self) -> str:
        tiles = ", ".join(f"{name.lower()}={value}" for name, value in self.constants)
        rest = f"warps={self.num_warps}, stages={self.num_stages}, aligned={int(self.aligned)}"
        return f"triton-v1; dtype({self.dtype}); tile({tiles}); launch({rest})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kernel's arguments without constants, its grid, and what it must compute.

    `expected()` returns pairs of an output tensor among the arguments and its reference.
    """

    arguments: Sequence[Any]
    grid: tuple[int, ...]
    expected: Callable[[], Sequence[tuple[Any, Any]]]
    flops: float = 0.0
    moved_bytes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kernel, its signature (`T` is the element type), its choices, and how to run it."""

    name: str
    kernel: Any
    signature: Mapping[str, str]
    choices: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, tuple[int, ...]]
    """Sizes to run with, each a multiple of 16 first."""
    case: Callable[[Any, Mapping[str, int], Configuration], Case]
    dtypes: tuple[str, ...] = FLOATS
    warps: tuple[int, ...] = (1, 2, 4, 8)
    stages: tuple[int, ...] = (1, 2, 3, 4)
    legal: Callable[[Mapping[str, int], str, int], bool] = lambda constants, dtype, warps: True
    """Of the constants, the element type and the warps."""

    def types(self, configuration: Configuration) -> dict[str, str]:
        """Parameter to Triton type, constants included."""
        found = {k: v.replace(ELEMENT, configuration.dtype) for k, v in self.signature.items()}
        return found | {name: "constexpr" for name, _ in configuration.constants}


def configurations(family: Family, count: int, rng: np.random.Generator) -> list[Configuration]:
    """Up to `count` distinct legal configurations in a random order that the generator's state decides."""
    names = list(family.choices)
    space = [
        Configuration(
            dtype=dtype,
            constants=tuple(zip(names, values, strict=True)),
            num_warps=warps,
            num_stages=stages,
            aligned=aligned,
        )
        for dtype, values, warps, stages, aligned in product(
            family.dtypes, product(*family.choices.values()), family.warps, family.stages, (True, False)
        )
        if family.legal(dict(zip(names, values, strict=True)), dtype, warps)
    ]
    return [space[int(i)] for i in rng.permutation(len(space))[:count]]
