"""What models of programs take: encoded functions, and rows that ask for one function on one target.

Owns the two data types and their slicing. Invariant: an `Encoding` depends on the function alone; what depends on the
target, the pipeline or the schedule stands in `context`. Encoding itself is `encode`'s and `context`'s job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from costmodel.ir.features.shingles import NO_SHINGLES
from costmodel.ir.graph import ProgramGraph
from costmodel.models.base import Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoding:
    """One function: `numbers` by name always; `tokens` and `graph` where the model wants them."""

    numbers: Mapping[str, float]
    """Static features (`static:NAME`) and counts of operations by name and type (`count:NAME TYPE`)."""
    tokens: Array | None = None
    """`[T]` i32, numbers of the vocabulary."""
    graph: ProgramGraph | None = None
    shingles: Array = field(default_factory=lambda: NO_SHINGLES)
    """`[S]` u32, sorted: hashes of its details (`ir.features.shingles`); none of what is no LLVM function."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """n rows over some encodings."""

    encodings: Sequence[Encoding]
    program: Array
    """`[n]` i64: which encoding each row asks about."""
    context: Array
    """`[n, C]` f32: numbers of the target, pipeline and schedule, in the order of `context_names`."""
    context_names: tuple[str, ...]
    archs: Array
    """`[n]`: the targets' architectures."""
    kept: dict[tuple[str, ...], Array] = field(default_factory=dict, repr=False)
    """Numbers of the encodings by the names of columns (`Columns.of`)."""

    def __len__(self) -> int:
        return len(self.program)

    def of_functions(self, column: Array) -> Array:
        """A column of the rows `[n]` as one of the encodings `[N]`: the first row's value that asks about each."""
        found = np.empty(len(self.encodings), column.dtype)
        found[self.program[::-1]] = column[::-1]
        return found

    def take(self, rows: Array) -> Examples:
        """The rows at `rows[k]` (numbers or a mask); encodings nobody asks about are dropped."""
        program = self.program[rows]
        used, index = np.unique(program, return_inverse=True)
        return Examples(
            encodings=[self.encodings[i] for i in used],
            program=index.astype(np.int64),
            context=self.context[rows],
            context_names=self.context_names,
            archs=self.archs[rows],
        )
