"""Pools: many schedules of one workload, each measured twice, the best few ten times, and the file that holds them.

Owns the file's form. Invariant: the search sees only first measurements (`a_s`), what it picked is judged only by the
others (`score_s`): ten samples for the best few, the second measurement for the rest.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from costmodel.core.errors import UsageError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The schedules of one workload and their run times; None stands for a failure."""

    name: str
    generator: str
    sizes: Mapping[str, int]
    workload_id: str
    family: str
    heuristic: str
    heuristic_a_s: float | None
    heuristic_b_s: float | None
    schedules: Sequence[str]
    status: Sequence[str]
    a_s: Sequence[float | None]
    b_s: Sequence[float | None]
    top: Mapping[str, Sequence[float]]
    """Ten more measurements by schedule text; the heuristic schedule is always among them where it works."""
    cost_s: float
    """Seconds of a trial, on average over the pool: building or the first measurement, which overlap in a search."""

    def first_s(self) -> np.ndarray:
        """What the search is told, `[n]`; NaN for failures."""
        return np.array([np.nan if t is None else t for t in self.a_s])

    def score_s(self) -> np.ndarray:
        """What judges, `[n]`; NaN for failures."""
        return np.array([self._score(s, b) for s, b in zip(self.schedules, self.b_s, strict=True)])

    def heuristic_score_s(self) -> float:
        """What judges the fixed schedule."""
        return self._score(self.heuristic, self.heuristic_b_s)

    def _score(self, schedule: str, b_s: float | None) -> float:
        samples = self.top.get(schedule)
        if samples:
            return float(median(samples))
        return float("nan") if b_s is None else b_s

    def noise(self) -> float:
        """Repeat noise: the median over the re-measured of |a / score - 1|."""
        measured = {s: a for s, a in zip(self.schedules, self.a_s, strict=True) if s in self.top and a is not None}
        apart = [abs(a / self._score(s, None) - 1.0) for s, a in measured.items()]
        return float(np.median(apart)) if apart else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFile:
    """All pools of a collection and what they were measured with."""

    meta: Mapping[str, Any]
    pools: tuple[Pool, ...]


def write_pools(path: Path, file: PoolFile) -> None:
    """Write the file whole or not at all; equal content gives equal bytes."""
    document = {"schema_version": SCHEMA_VERSION, "meta": dict(file.meta), "pools": [asdict(p) for p in file.pools]}
    data = gzip.compress(json.dumps(document, separators=(",", ":")).encode(), 9, mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def read_pools(path: Path) -> PoolFile:
    """Read what `write_pools` wrote.

    Raises:
        UsageError: It is no such file.
    """
    try:
        document = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(f"{path}: expected a pool file written by `model_value.py collect`: {error}") from error
    if document.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(f"{path}: pool file of version {document.get('schema_version')}, expected {SCHEMA_VERSION}")
    return PoolFile(meta=document["meta"], pools=tuple(Pool(**p) for p in document["pools"]))


def refuse_overlap(pool_ids: Iterable[str], training_ids: Iterable[str]) -> None:
    """Raise `UsageError` where a workload of the benchmark was trained on."""
    shared = sorted(set(pool_ids) & set(training_ids))
    if shared:
        raise UsageError(f"{len(shared)} benchmark workloads are in the training data, such as {shared[0]}")
