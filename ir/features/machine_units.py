"""What blocks of machine code keep busy on several cores, and the cycles that takes where nothing waits for a result.

Owns one table: cores as llvm-mca simulates them (LLVM 22's scheduling models), by what they dispatch each cycle, the
micro-operations of their instructions, and the accesses, jumps, products and divisions they begin. A block's cycles are
the largest of linear bounds, so that all blocks and cores are one product of matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.float64]

CLASSES = (
    "instructions", "loads", "stores", "loads_folded", "stores_folded", "jumps", "calls", "returns", "saves",
    "restores", "products", "divisions32", "divisions64", "float_divisions32", "float_divisions64", "floats",
    "shuffles",
)  # fmt: skip
"""What a block is counted as. Loads and stores are accesses; `*_folded` those of them that are no instructions of their
own: operands in memory on x86-64, second halves of pairs on AArch64. `saves` and `restores` are of callee-saved
registers; all but accesses count as `instructions` too."""
PLACE = {name: index for index, name in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One core. `extra` micro-operations by class beside one for each instruction; cycles of what is not pipelined."""

    width: float
    """Micro-operations dispatched each cycle."""
    loads: float
    stores: float
    memory: float
    """Accesses of both kinds each cycle."""
    jumps: float
    floats: float
    shuffles: float
    """Begun each cycle, as are jumps and float operations."""
    slots: Mapping[str, float] = field(default_factory=dict)
    """Jump slots of calls and returns where they are not one."""
    whole_accesses: bool = False
    """Whether the halves of a pair go through the units together."""
    extra: Mapping[str, float]
    product: float = 1.0
    division: tuple[float, float]
    """Cycles of integers of 32 and of 64 bits; so `float_division`."""
    float_division: tuple[float, float]

    def bounds(self) -> Counts:
        """Cycles that one of each class costs, by bound, `[bounds, classes]`."""
        halves = -1.0 if self.whole_accesses else 0.0
        load = {"loads": 1.0, "restores": 1.0, "loads_folded": halves}
        store = {"stores": 1.0, "saves": 1.0, "stores_folded": halves}
        divisions = {"divisions32": self.division[0], "divisions64": self.division[1]}
        floats = {"float_divisions32": self.float_division[0], "float_divisions64": self.float_division[1]}
        rows: list[tuple[float, Mapping[str, float]]] = [
            (self.width, {"instructions": 1.0, **self.extra}),
            (self.loads, load),
            (self.stores, store),
            (self.memory, {**load, **store}),
            (self.jumps, {"jumps": 1.0, "calls": 1.0, "returns": 1.0, **self.slots}),
            (self.floats, {"floats": 1.0}),
            (self.shuffles, {"shuffles": 1.0}),
            (1.0, {"products": self.product, **divisions}),
            (1.0, floats),
        ]
        found = np.zeros((len(rows), len(CLASSES)))
        for row, (units, weights) in zip(found, rows, strict=True):
            for name, weight in weights.items():
                row[PLACE[name]] = weight / units
        return found


CORES: dict[str, dict[str, Core]] = {
    "x86": {
        "4": Core(width=4, loads=3, stores=3, memory=3, jumps=2, floats=2, shuffles=2,
                  slots={"calls": 0.5}, extra={"loads_folded": 1, "returns": 1},
                  division=(25, 41), float_division=(5, 6)),
        "6": Core(width=6, loads=3, stores=1, memory=3, jumps=2, floats=2, shuffles=2,
                  extra={"returns": 1}, division=(12, 18), float_division=(3, 5)),
        "6_split": Core(width=6, loads=2, stores=1, memory=3, jumps=2, floats=2, shuffles=1,
                        slots={"calls": 2, "returns": 2},
                        extra={"loads_folded": 1, "stores_folded": 1, "stores": 1, "saves": 2, "restores": 1,
                               "calls": 3, "returns": 2}, division=(8, 10), float_division=(3, 4)),
    },
    "a64": {
        "3": Core(width=3, loads=2, stores=1.5, memory=2, jumps=1, floats=2, shuffles=2, product=2,
                  extra={"loads_folded": 1, "stores": 1, "calls": 1, "saves": 2, "restores": 1},
                  division=(5, 5), float_division=(7, 7)),
        "6": Core(width=6, loads=3, stores=2, memory=4, jumps=2, floats=4, shuffles=4, product=0.5, whole_accesses=True,
                  extra={"loads_folded": 1, "stores": 1, "stores_folded": -1, "calls": 1, "saves": 1.5, "restores": 1},
                  division=(12, 20), float_division=(1, 4)),
    },
    "rv": {
        "2": Core(width=2, loads=1, stores=1, memory=1, jumps=1, floats=1, shuffles=1, extra={},
                  division=(19, 34), float_division=(11, 20)),
        "4": Core(width=4, loads=2, stores=2, memory=2, jumps=2, floats=2, shuffles=2, extra={"calls": 1},
                  division=(19, 34), float_division=(11, 11)),
    },
}  # fmt: skip
"""Cores by instruction set: AMD Zen 2, Zen 4, Intel Skylake-SP (stores are two micro-operations, operands in memory one
more); Neoverse N1, V2; a narrow core of RISC-V, SiFive P670. Cores like them are told by their width."""
USUAL = {"x86": "6", "a64": "6", "rv": "4"}
"""The core that the others' cycles are compared with."""
_MOST_CORES = max(map(len, CORES.values()))
_NOTHING = np.zeros_like(next(iter(CORES["x86"].values())).bounds())
_BOUNDS = np.concatenate(
    [[core.bounds() for core in cores.values()] + [_NOTHING] * (_MOST_CORES - len(cores)) for cores in CORES.values()]
).reshape(len(CORES), -1, len(CLASSES))
"""`[instruction sets, cores * bounds, classes]`; sets with fewer cores than others are filled up."""


def cycles_of(counts: Counts) -> Counts:
    """Cycles of each block for one run of many, from `counts[instruction sets, blocks, classes]`.

    Shape [instruction sets, cores, blocks], in the order of `CORES`; cores that a set lacks take none.
    """
    cycles = _BOUNDS @ counts.transpose(0, 2, 1)
    return np.asarray(cycles.reshape(len(CORES), _MOST_CORES, -1, counts.shape[1]).max(axis=2))
