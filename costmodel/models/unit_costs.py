"""What operations of vector code cost on each architecture: micro-operations, and cycles of units they keep busy.

Owns the table, by kind of operation as `realised` counts them, and the machines that follow from a target's figures.
The numbers are what LLVM's code generation emits for the operation (a masked access that is taken apart lane by lane,
a maximum with its tests for NaN, a conversion of bfloat16 without an instruction for it) times what LLVM's scheduling
models (SkylakeServer, Znver2, NeoverseN1, NeoverseV2, SiFiveP600) say of the instructions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from costmodel.core.target import Target
from costmodel.models.base import Array

VECTORS = (
    "fma", "add", "extreme", "half", "widen_bf16", "narrow_bf16", "convert", "integer", "multiply_int", "logic",
    "divide", "root", "shuffle", "broadcast", "resize", "f16", "start", "load", "masked_load", "load_broadcast",
    "store", "masked_store",
)  # fmt: skip
"""Kinds that count vector registers."""
COUNTED = (
    "bf16_lanes", "f16_lanes", "half_lanes", "masked_load_lanes", "masked_store_lanes", "masked_load_lanes_wide",
    "masked_store_lanes_wide", "gather", "scatter", "scalar_load", "scalar_store", "scalar", "scalar_half",
    "horizontal", "vector_accesses", "pointers", "loop", "straight", "index", "excess",
)  # fmt: skip
"""Other kinds; `excess` are registers wanted beyond those there are, `index` integer operations outside loops."""


class Cost(NamedTuple):
    """Of one operation: micro-operations, and cycles of one unit of each kind.

    `floats` are those vector units that multiply; `divide` is the one that divides, with what else only it can do;
    `pair` are two that do what others cannot: shuffles (x86-64), moves and stores (AArch64), scalar accesses (RISC-V).
    """

    uops: float = 0.0
    vector: float = 0.0
    floats: float = 0.0
    load: float = 0.0
    store: float = 0.0
    pair: float = 0.0
    divide: float = 0.0
    scalar: float = 0.0


def _plain(uops: float = 1.0) -> Cost:
    return Cost(uops, uops)


_COMMON: Mapping[str, Cost] = {
    "fma": Cost(1, 1, 1), "add": Cost(1, 1, 1), "integer": _plain(), "logic": _plain(), "shuffle": _plain(),
    "resize": _plain(), "scalar": Cost(1.1, 1, 1), "horizontal": _plain(2), "pointers": Cost(0.5), "loop": Cost(2),
    "straight": Cost(2), "index": Cost(0.15),
}  # fmt: skip
_X86: Mapping[str, Cost] = {
    **_COMMON,
    "extreme": Cost(4, 4, 2), "half": Cost(1.3, 1.3, 1), "widen_bf16": _plain(2), "narrow_bf16": _plain(18),
    "convert": Cost(3, 3, 2), "multiply_int": Cost(2, 2, 2), "divide": Cost(1, 1, 1, divide=5),
    "root": Cost(1, 1, 1, divide=7), "shuffle": Cost(1, 1, pair=2), "broadcast": Cost(1, 1, pair=2),
    "resize": Cost(1, 1, pair=2), "f16": Cost(10, 10, 8), "start": Cost(1), "bf16_lanes": _plain(5),
    "load": Cost(0.5, load=1), "masked_load": Cost(2, 1, load=1), "load_broadcast": Cost(1, load=1),
    "store": Cost(2, load=0.3, store=1), "masked_store": Cost(2, load=0.5, store=1),
    "gather": Cost(1.2, 0.5, load=1), "scatter": Cost(2.7, 0.5, load=0.3, store=1), "scalar_load": Cost(0.7, load=1),
    "scalar_store": Cost(2, load=0.4, store=1), "excess": Cost(1, load=1, store=0.3),
}  # fmt: skip
"""With AVX-512: gathers, scatters and masks are instructions."""
_X86_256: Mapping[str, Cost] = {
    **_X86,
    "shuffle": Cost(1, 1, pair=1), "broadcast": Cost(1, 1, pair=1), "resize": Cost(1, 1, pair=1),
    "load_broadcast": Cost(1, 0.6, load=1), "store": Cost(1.3, load=0.3, store=1),
    "masked_store": Cost(2, 2, load=0.5, store=1), "gather": Cost(1.5, 1.1, load=1),
    "scatter": Cost(2.5, 2.5, load=3, store=1), "scalar_store": Cost(1.3, load=0.4, store=1),
}  # fmt: skip
"""Without: lane by lane."""
_AARCH64: Mapping[str, Cost] = {
    **_COMMON,
    "extreme": Cost(1, 1, 1), "half": Cost(2, 2, 2, divide=1), "widen_bf16": _plain(), "narrow_bf16": _plain(2),
    "convert": Cost(1.7, 1.7, 1.7, divide=0.8), "multiply_int": Cost(1, 1, 1, divide=0.5),
    "divide": Cost(1, 10, 10, divide=5), "root": Cost(1, 9, 9, divide=4.5), "broadcast": _plain(0.6),
    "f16": Cost(1, 1, 1), "start": Cost(1, 0.3), "bf16_lanes": _plain(6), "load": Cost(1.2, load=1),
    "load_broadcast": Cost(1.5, 0.5, load=1), "store": Cost(1.8, 1, load=0.7, store=0.7, pair=1),
    "gather": Cost(4.5, 3.2, load=1, pair=2.2), "scatter": Cost(5.7, 4.4, load=0.5, store=1, pair=3.9),
    "scalar_load": Cost(1, load=1), "scalar_store": Cost(2, 1, load=0.5, store=0.5, pair=1),
    "excess": Cost(1.5, 0.3, load=1, store=0.3), "masked_load_lanes": Cost(0.4, load=0.3),
    "masked_store_lanes": Cost(0.5, 0.25, load=0.1, store=0.25, pair=0.25),
    "masked_load_lanes_wide": Cost(3, 0.9, load=1), "masked_store_lanes_wide": Cost(4, 2, load=0.5, store=1, pair=2),
    "horizontal": Cost(1.5, 1.5, pair=0.3),
}  # fmt: skip
"""Wide cores, with masks up to 128 bits (SVE)."""
_NARROW_AARCH64: Mapping[str, Cost] = {
    **{kind: cost._replace(pair=0.0) for kind, cost in _AARCH64.items()},
    "half": Cost(2, 2, 2, divide=2), "convert": Cost(1.7, 1.7, 1.7, divide=1.7), "narrow_bf16": Cost(6, 6),
    "multiply_int": Cost(2, 2, 2, divide=2), "divide": Cost(1, 7, 7, divide=7), "root": Cost(1, 7, 7, divide=7),
    "start": Cost(1, 0.7), "load": Cost(1.7, load=1), "load_broadcast": Cost(2, 0.5, load=1),
    "store": Cost(3.7, 1.8, load=2, store=1), "gather": Cost(3.6, 2.5, load=1),
    "scatter": Cost(4, 2.5, load=1, store=0.5), "scalar_load": Cost(1.7, load=1),
    "scalar_store": Cost(2.5, 1.2, load=1.2, store=0.5), "masked_load_lanes": Cost(3, 0.9, load=1),
    "masked_store_lanes": Cost(3, 1, load=1, store=0.5), "masked_load_lanes_wide": Cost(3, 0.9, load=1),
    "masked_store_lanes_wide": Cost(3, 1, load=1, store=0.5),
}  # fmt: skip
_RISCV: Mapping[str, Cost] = {
    **_COMMON,
    "extreme": _plain(5), "widen_bf16": Cost(14, 9), "narrow_bf16": Cost(20, 18), "convert": Cost(1, 2),
    "multiply_int": _plain(), "divide": Cost(1, 1, divide=25), "root": Cost(1, 1, divide=25),
    "shuffle": Cost(4, 2, load=1), "broadcast": _plain(0.2), "start": _plain(0.5), "bf16_lanes": Cost(5, 3),
    "load": Cost(1, load=1), "masked_load": Cost(1.5, 0.3, load=1), "load_broadcast": Cost(0.5, pair=0.5),
    "store": Cost(1, store=1), "masked_store": Cost(2, 0.3, store=1), "gather": Cost(0.3, load=1),
    "scatter": Cost(0.3, store=1), "scalar_load": Cost(1, pair=1), "scalar_store": Cost(1, pair=1),
    "vector_accesses": Cost(1), "f16_lanes": Cost(11.5, pair=3.5, scalar=3.1), "half_lanes": Cost(3.5, 2, pair=1),
    "horizontal": Cost(2, 5), "excess": Cost(2, load=1, store=1),
    "scalar": Cost(1.1, scalar=1),
}  # fmt: skip
"""Half floats are converted one by one (Zfhmin)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Machine:
    """Costs as vectors over `VECTORS` and `COUNTED` `[K]`, units of each kind, and what chains wait for."""

    uops: Array
    vector: Array
    floats: Array
    loads: Array
    stores: Array
    pairs: Array
    divides: Array
    scalars: Array
    issue: float
    """Micro-operations dispatched in a cycle."""
    vector_units: float
    float_units: float
    load_units: float
    store_units: float
    address_units: float
    latencies: tuple[float, float, float, float]
    """Cycles in a chain of a fused multiply-add, another float operation, a minimum or maximum, and the rest."""


@lru_cache(maxsize=64)
def machine_of(target: Target) -> Machine | None:
    """What a target's figures make of its architecture; None for one that is not in the table."""
    core = target.core
    issue, floats = max(core.issue_width, 1), max(core.fma_units, 1)
    loads, stores = max(core.load_units, 1), max(core.store_units, 1)
    if target.arch == "x86-64":
        wide = target.vector_bits >= 512
        chains = (4.0, 4.0, 6.0, 1.0) if wide else (5.0, 3.0, 3.0, 1.0)
        return _machine(_X86 if wide else _X86_256, issue, max(3, floats), floats, loads, stores, 3, chains)
    if target.arch == "aarch64":
        wide = issue > 4
        costs, chains = (_AARCH64, (2.0, 2.0, 2.0, 2.0)) if wide else (_NARROW_AARCH64, (4.0, 2.0, 2.0, 2.0))
        return _machine(costs, 0.75 * issue, floats, floats, loads, stores, 3, chains)
    if target.arch == "riscv64":
        return _machine(_RISCV, issue, 2, 2, 1, 1, np.inf, (6.0, 6.0, 6.0, 6.0))
    return None


def _machine(
    costs: Mapping[str, Cost], issue: float, vectors: float, floats: float, loads: float, stores: float,
    addresses: float, latencies: tuple[float, float, float, float],
) -> Machine:  # fmt: skip
    rows = np.array([costs.get(kind, Cost()) for kind in (*VECTORS, *COUNTED)], np.float64).T
    uops, vector, multiplied, load, store, pair, divide, scalar = rows
    return Machine(
        uops=uops, vector=vector, floats=multiplied, loads=load, stores=store, pairs=pair, divides=divide,
        scalars=scalar, issue=issue, vector_units=vectors, float_units=floats, load_units=loads, store_units=stores,
        address_units=addresses, latencies=latencies,
    )  # fmt: skip
