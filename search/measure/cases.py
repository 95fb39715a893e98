"""Inputs with the outputs they must lead to, kept by workload within a bound of memory.

Lives in the measuring worker. Owns the cache: a kernel's references are computed once; a worker that is started anew
reads them back from the measurer's folder.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.reference import Array, numpy_dtype
from costmodel.search.measure.bounds import evaluate_bounded
from costmodel.search.measure.inputs import INDEPENDENT, draw, set_names
from costmodel.search.measure.rounding import Bounded

LIMIT_BYTES = 1 << 30
"""Of all references in a worker; one workload is always kept."""
MANY_OPERATIONS = 4e8
"""A kernel with more scalar operations is checked on `FEW` sets only: each reference takes about a second."""
FEW = ("random", "zeros")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One output: `value` and `tolerance` in its shape. Where the tolerance is infinite nothing is compared."""

    value: Array
    tolerance: Array | None
    """None: equal bit for bit, but for the sign of zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set of inputs and what must come out."""

    name: str
    inputs: dict[str, Array]
    outputs: dict[str, Expected]

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        arrays = [*self.inputs.values(), *(e.value for e in self.outputs.values())]
        arrays += [e.tolerance for e in self.outputs.values() if e.tolerance is not None]
        return sum(array.nbytes for array in arrays)

    @property
    def tells(self) -> bool:
        """Whether anything is compared."""
        return any(e.tolerance is None or bool(np.isfinite(e.tolerance).any()) for e in self.outputs.values())


def make_cases(kernel: Kernel, seed: int) -> tuple[Case, ...]:
    """References for every set of inputs; a set on which nothing can be compared (all overflows) is left out."""
    names = set_names(kernel)
    if sum(s.points * max(1, len(s.body)) for s in kernel.stages) > MANY_OPERATIONS:
        names = FEW[: len(names)]
    cases = [_case(kernel, names[0], seed)]
    others = [_case(kernel, name, seed) for name in names[1:]]
    return (*cases, *(case for case in others if case.tells))


def _case(kernel: Kernel, name: str, seed: int) -> Case:
    inputs = draw(kernel, name, seed)
    outputs = evaluate_bounded(kernel, inputs, independent=name == INDEPENDENT)
    return Case(name=name, inputs=inputs, outputs={n: _expected(kernel, n, b) for n, b in outputs.items()})


def _expected(kernel: Kernel, name: str, bounded: Bounded) -> Expected:
    if bounded.error is None:
        return Expected(value=bounded.value, tolerance=None)
    narrow = numpy_dtype(kernel.by_name[name].dtype).itemsize < 8
    with np.errstate(over="ignore", under="ignore"):
        return Expected(value=bounded.value, tolerance=bounded.error.astype("f4" if narrow else "f8"))


class CaseStore:
    """Cases by workload, least recently used first out. Not thread-safe."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[str, tuple[Case, ...]] = OrderedDict()

    def get(self, key: str) -> tuple[Case, ...] | None:
        """The cases of a workload, or None."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: str, cases: tuple[Case, ...]) -> None:
        """Keep them, and forget older ones beyond the limit."""
        self._held[key] = cases
        self._held.move_to_end(key)
        while len(self._held) > 1 and self.nbytes > self._limit_bytes:
            self._held.popitem(last=False)

    @property
    def nbytes(self) -> int:
        """Memory of all cases held."""
        return sum(case.nbytes for cases in self._held.values() for case in cases)


def spill(path: Path, cases: tuple[Case, ...]) -> None:
    """Write the outputs of `cases`; the inputs follow from the seed. The file appears whole or not at all."""
    arrays: dict[str, Array] = {}
    for case in cases:
        for i, expected in enumerate(case.outputs.values()):
            arrays[f"{case.name}.{i}.value"] = expected.value
            if expected.tolerance is not None:
                arrays[f"{case.name}.{i}.tolerance"] = expected.tolerance
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def load(path: Path, kernel: Kernel, seed: int) -> tuple[Case, ...]:
    """What `spill` wrote for this kernel and seed."""
    cases = []
    with np.load(path, allow_pickle=False) as arrays:
        for name in set_names(kernel):
            if f"{name}.0.value" not in arrays:
                continue
            outputs = {
                output: Expected(value=arrays[f"{name}.{i}.value"], tolerance=arrays.get(f"{name}.{i}.tolerance"))
                for i, output in enumerate(kernel.outputs)
            }
            cases.append(Case(name=name, inputs=draw(kernel, name, seed), outputs=outputs))
    return tuple(cases)
