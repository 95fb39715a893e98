"""What a function, its schedule and a target give together: the innermost body's bounds, in cycles.

Owns the names and formulas, which exports follow too. One step of a register tile is `steps` vectors wide; on a target
with vectors of fewer bits, each splits. Its operations, loads, instructions and chains of dependent accumulations each
need so many cycles; the largest bounds it, and the share of the busiest unit in that bound is the estimated port
utilisation (Williams et al., Roofline, 2009, inside one core; Fog's throughput bounds).
Invariant: finite for any finite input, 0 without a schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from costmodel.models.base import Array

PAIR_NAMES = (
    "split", "accumulators", "accumulator_registers", "pressure", "overflow", "work_cycles", "load_cycles",
    "issue_cycles", "latency_cycles", "bound_cycles", "work_share", "load_share", "latency_share", "port_share",
    "instructions", "body_instructions", "reduction_trips", "tail_waste",
)  # fmt: skip
_LATENCY = 4.0
_MATH_WORK = 16.0
_DIVISION_WORK = 8.0
_MOST = 1e6
SCHEDULED = "schedule:is_scheduled"
"""The column that is set where there is a schedule."""


@lru_cache(maxsize=16)
def _index(names: tuple[str, ...]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}


def pair_numbers(names: tuple[str, ...], raw: Array) -> Array:
    """`[n, len(PAIR_NAMES)]` f32 from columns `raw[n, len(names)]` of function and context numbers by name."""
    index = _index(names)
    scheduled = raw[:, index[SCHEDULED]] > 0 if SCHEDULED in index else np.zeros(len(raw), bool)
    if not scheduled.any():
        return np.zeros((len(raw), len(PAIR_NAMES)), np.float32)
    zero = np.zeros(len(raw), np.float64)
    found = pair_formulas(lambda name: np.asarray(raw[:, index[name]], np.float64) if name in index else zero)
    return np.where(scheduled[:, None], np.stack(found, axis=1), 0.0).astype(np.float32)


def pair_formulas(column: Callable[[str], Any]) -> tuple[Any, ...]:
    """`PAIR_NAMES` of scheduled rows, from doubles by name: an array of them, or what follows numpy's arithmetic."""

    def figure(name: str) -> Any:
        return np.rint(np.exp2(column(f"target:{name}")) - 1)

    def nest(name: str) -> Any:
        return column(f"static:nest_{name}")

    def shape(name: str) -> Any:
        return column(f"schedule:{name}")

    lanes, vectors, rows = (np.maximum(shape(name), 1) for name in ("lanes", "vectors", "rows"))
    bits = np.maximum(np.maximum(nest("bits_body"), nest("bits_out")), 8)
    width = np.maximum(figure("vector_bits"), 64)
    split = np.maximum(1, np.ceil(lanes * bits / width))
    reduces, steps = nest("is_reduction") > 0, vectors * rows
    reduction_tile = np.maximum(shape("reduction_tile"), 1)
    registers = np.where(reduces, steps * split, 0.0)
    inputs = np.maximum(nest("inputs"), 1)
    broadcast = nest("inputs_broadcast") > 0
    loads = np.where(broadcast & (inputs > 1), rows + vectors * split, inputs * steps * split) * reduction_tile
    stored = np.where(reduces, 0.0, steps * split)
    arithmetic = nest("fused") + nest("float") + nest("int") + nest("int_multiplies") + nest("compares")
    work = steps * split * reduction_tile * (
        np.maximum(arithmetic, 1) + nest("converts") + _MATH_WORK * nest("math") + _DIVISION_WORK * nest("divisions")
    )  # fmt: skip
    instructions = work + loads + stored + 3
    units, load_units, issue = (np.maximum(figure(name), 1) for name in ("fma_units", "load_units", "issue_width"))
    cycles = work / units, loads / load_units, instructions / issue
    chain = np.where(reduces, _LATENCY * np.maximum(reduction_tile, 1), 0.0)
    bound = np.maximum(np.maximum(np.maximum(cycles[0], cycles[1]), cycles[2]), np.maximum(chain, 1e-3))
    pressure = registers + np.where(broadcast, vectors * split + 1, inputs * split)
    unroll = np.maximum(shape("unroll"), 1)
    found = (
        split, registers, registers / np.maximum(figure("vector_registers"), 1), pressure,
        pressure - figure("vector_registers"), *cycles, chain, bound, cycles[0] / bound, cycles[1] / bound,
        chain / bound, np.maximum(cycles[0], cycles[1]) / bound, instructions, instructions * unroll,
        nest("reduction") / (unroll * reduction_tile),
        np.where(lanes > 0, split * width / np.maximum(lanes * bits, 1), 1.0),
    )  # fmt: skip
    return tuple(np.minimum(number, _MOST) for number in found)
