"""Data that others measured, read into one form. Loaders read; they never download.

Owns the registry and the form. Invariant: a failed configuration has no runtime, whatever its file holds in that place,
and every time is in seconds.

Example:
    >>> loader = LOADERS.get("kernel-tuner")
    >>> space = loader(Path("A100.json.gz")).spaces[0]
    >>> space.runtime_s[space.best]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.core.errors import ParseError
from costmodel.core.registry import Registry
from costmodel.core.tables import FunctionRow

Floats = np.ndarray[Any, np.dtype[np.float64]]

OK = "ok"
STATUSES = (OK, "compile_error", "run_error", "wrong", "not_measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSpace:
    """Configurations of one kernel or operator on one device, with what they took; n configurations."""

    name: str
    device: str
    parameters: tuple[str, ...]
    configurations: tuple[tuple[object, ...], ...]
    """[n][parameters]."""
    runtime_s: Floats
    """[n]; the median of the samples where there are any, NaN where `status` is not `ok`."""
    samples_s: tuple[tuple[float, ...], ...]
    """[n]; empty where the source gives one number only."""
    status: tuple[str, ...]
    """[n]; one of `STATUSES`."""
    metrics: dict[str, Floats] = field(default_factory=dict)
    """Further columns [n], named as in costmodel.core.metrics where that has the quantity; NaN is absent."""
    source: str
    """The format's name, and the file's."""
    caveats: tuple[str, ...] = ()
    """What this data is known not to say."""

    def __post_init__(self) -> None:
        sizes = {len(self.configurations), len(self.runtime_s), len(self.samples_s), len(self.status)}
        sizes |= {len(values) for values in self.metrics.values()}
        if len(sizes) != 1:
            raise ParseError(f"{self.source}: columns of different lengths {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.configurations)

    @property
    def best(self) -> int | None:
        """Index of the fastest configuration, None where none ran."""
        return None if np.isnan(self.runtime_s).all() else int(np.nanargmin(self.runtime_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A basic block of machine code, after BHive."""

    code: bytes
    application: str | None
    frequency: float | None
    """Share within its application; compare inside one application only."""
    throughput_cycles: float | None
    """Of one iteration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a file holds; a loader fills one of the three."""

    spaces: tuple[MeasuredSpace, ...] = ()
    functions: tuple[FunctionRow, ...] = ()
    blocks: tuple[Block, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    """Rows that were left out, by cause."""


Loader = Callable[[Path], Loaded]
"""Reads one file. Raises `ParseError` for a file of another format or a damaged one."""

LOADERS: Registry[Loader] = Registry(
    "loader",
    {
        "kernel-tuner": "costmodel.datasets.loaders.kernel_tuner:load_cache",
        "t4": "costmodel.datasets.loaders.kernel_tuner:load_t4",
        "ktt": "costmodel.datasets.loaders.ktt:load",
        "neusight": "costmodel.datasets.loaders.tables:load_neusight",
        "deepbench": "costmodel.datasets.loaders.tables:load_deepbench",
        "bhive": "costmodel.datasets.loaders.bhive:load",
        "tenset": "costmodel.datasets.loaders.tenset:load",
        "compile": "costmodel.datasets.loaders.compile:load",
    },
)
"""Definitions of spaces without measurements (Kernel Tuner's T1) are read by `loaders.t1`."""
