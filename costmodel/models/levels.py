"""The level of abstraction of a function, from the names of its operations, and the pipeline that is meant by default.

Owns the order of levels: the highest one whose dialects occur decides, as in the rows of a data set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from functools import lru_cache

from costmodel.ir.features import feature_names

_LEVELS = (
    ("ttgir", ("ttg", "ttng", "amdg", "amdgpu")),
    ("ttir", ("tt",)),
    ("torch", ("torch",)),
    ("linalg", ("linalg", "tosa", "tensor", "stablehlo")),
    ("vector", ("vector",)),
    ("affine", ("affine",)),
    ("scf", ("scf", "memref")),
    ("llvm", ("llvm",)),
)
_COUNT = "count:"
_STATIC = frozenset(f"static:{name}" for name in feature_names())


def level_of(numbers: Mapping[str, float]) -> str:
    """Level of an encoding by its counts of operations; empty where no dialect says."""
    counts = [name for name in numbers if name not in _STATIC and name.startswith(_COUNT)]
    return level_of_dialects({_dialect(name) for name in counts})


def level_of_dialects(dialects: Set[str]) -> str:
    """Level of what uses operations of these dialects; empty where none says."""
    return next((level for level, names in _LEVELS if not dialects.isdisjoint(names)), "")


@lru_cache(maxsize=1 << 16)
def _dialect(name: str) -> str:
    """Of the operations that a number counts."""
    return name[len(_COUNT) :].partition(".")[0]


def default_pipelines(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Level to the commonest pipeline of `(level, pipeline)` pairs, the first by name of equals."""
    counts: dict[str, Counter[str]] = {}
    for level, pipeline in rows:
        counts.setdefault(level, Counter())[pipeline] += 1
    return {level: min(found, key=lambda name: (-found[name], name)) for level, found in sorted(counts.items())}
