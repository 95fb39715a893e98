"""What bounds each block that a schedule makes, on one target: issue, units, chains, the window; and what follows.

Owns `BOUND_NAMES` and the formulas. A block needs the largest of: its micro-operations over those that are dispatched
in a cycle; for each kind of unit, the cycles that it is busy; the chain that one iteration hands to the next; its
longest path where the reorder window does not reach over it. Executions join blocks, as in the label: the busiest
unit's cycles over all cycles is the port utilisation (Williams et al., Roofline, 2009, inside one core; Fog's
throughput bounds; what operations cost where is `unit_costs`'s).
Invariant: finite; zeros without blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from costmodel.core.target import Target
from costmodel.models.base import Array
from costmodel.models.realised import UNROLLED, WIDTHS, Block
from costmodel.models.unit_costs import COUNTED, VECTORS, Machine, machine_of

_LOADS = ("vector", "float", "load", "store", "address", "divide", "pair", "scalar")
"""Kinds of units, in the order of `_busy`."""
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "products": ("fma", "add", "multiply_int"), "logic": ("extreme", "integer", "logic"),
    "divisions": ("divide", "root"), "moves": ("shuffle", "broadcast", "resize", "convert", "start"),
    "loads": ("load", "load_broadcast", "masked_load"), "stores": ("store", "masked_store"),
    "half_lanes": ("f16_lanes",), "bf16_lanes": ("bf16_lanes", "half_lanes"),
    "halves": ("half", "widen_bf16", "narrow_bf16"), "lanes": ("gather", "scatter"),
    "masked": ("masked_load_lanes_wide", "masked_store_lanes_wide", "masked_load_lanes", "masked_store_lanes"),
    "scalars": ("scalar", "scalar_load", "scalar_store", "scalar_half", "horizontal"), "index": ("index", "pointers"),
}  # fmt: skip
"""Kinds of `VECTORS` and `COUNTED` that are counted together."""
BOUND_NAMES = (
    "utilisation", "utilisation_by_block", "blocks", "log_cycles", "share_first", "share_second",
    *(f"busy_{name}" for name in _LOADS), "issue", "chain", "window", "unknown", "vector_share", "load_share",
    "half_share", "first_utilisation", "first_vector", "first_load", "first_store", "first_issue", "first_chain",
    "first_window", "first_log_cycles", *(f"log_instructions_{most}" for most in (1, *UNROLLED)), "log_executed",
    "log_excess", "log_accesses", *(f"log_{name}" for name in _GROUPS), "log_first_instructions", "is_first_excess",
)  # fmt: skip
"""Shares of all cycles; those of the block with most cycles are named `first`."""
_ACCESSES = [len(VECTORS) + COUNTED.index(kind) for kind in ("vector_accesses", "scalar_load", "scalar_store")]
_PLACES = np.array([[kind in group for group in _GROUPS.values()] for kind in (*VECTORS, *COUNTED)], np.float64)
_WINDOW_CYCLES = 40.0
_LEAST_CYCLES = 0.3
_MOST = 1e30


def bound_numbers(blocks: Sequence[Block], target: Target) -> Array:
    """`[len(BOUND_NAMES)]` f32."""
    machine = machine_of(target) if blocks else None
    if machine is None:
        return np.zeros(len(BOUND_NAMES), np.float32)
    counts = _counts(blocks, _width(target), target.vector_registers)
    issued, units = counts @ machine.uops, _busy(counts, machine)
    executions = np.minimum(np.array([block.executions for block in blocks]), _MOST)
    cycles, waits = _cycles(blocks, issued, units, machine)
    return np.asarray(_numbers(blocks, executions, cycles, issued, units, waits, counts), np.float32)


def _width(target: Target) -> int:
    """Which of `WIDTHS` a target's registers have."""
    return int(np.searchsorted(WIDTHS, min(max(target.vector_bits, WIDTHS[0]), WIDTHS[-1])))


def _counts(blocks: Sequence[Block], width: int, registers: int) -> Array:
    """Operations by kind `[B, K]`: vectors, then `COUNTED`, the last of which are registers wanted in vain."""
    found = np.zeros((len(blocks), len(VECTORS) + len(COUNTED)))
    for row, block in zip(found, blocks, strict=True):
        for i, kind in enumerate(VECTORS):
            row[i] = block.vectors[kind][width] if kind in block.vectors else 0
        for i, kind in enumerate(COUNTED, len(VECTORS)):
            row[i] = block.counts.get(kind, 0.0)
        row[-1] = max(0, block.live[width] - registers)
        if block.counts.get("loop"):
            row[len(VECTORS) + COUNTED.index("index")] = 0.0
    return found


def _busy(counts: Array, machine: Machine) -> Array:
    """Cycles that each kind of unit of `_LOADS` is busy `[B, U]`."""
    loads, stores = counts @ machine.loads, counts @ machine.stores
    return np.stack([
        counts @ machine.vector / machine.vector_units, counts @ machine.floats / machine.float_units,
        loads / machine.load_units, stores / machine.store_units, (loads + stores) / machine.address_units,
        counts @ machine.divides, counts @ machine.pairs / 2, counts @ machine.scalars / 2,
    ], axis=1)  # fmt: skip


def _cycles(blocks: Sequence[Block], issued: Array, units: Array, machine: Machine) -> tuple[Array, Array]:
    """Cycles of each block `[B]`, and what else than units bounds them: issue, chain, window `[B, 3]`."""
    chains = np.array([block.chain for block in blocks]) @ np.array(machine.latencies)
    window = _WINDOW_CYCLES * machine.issue
    paths = np.array([block.depth for block in blocks]) * issued / (issued + window)
    waits = np.stack([issued / machine.issue, chains, paths], axis=1)
    return np.maximum(np.maximum(units.max(axis=1), waits.max(axis=1)), _LEAST_CYCLES), waits


def _numbers(
    blocks: Sequence[Block], executions: Array, cycles: Array, issued: Array, units: Array, waits: Array, counts: Array
) -> list[float]:
    spent = executions * cycles
    total = max(float(spent.sum()), _LEAST_CYCLES)
    order = np.argsort(-spent, kind="stable")
    first = int(order[0])
    second = float(spent[order[1]]) if len(order) > 1 else 0.0
    busy = executions @ units / total
    at_most = executions @ np.minimum(waits, cycles[:, None]) / total
    unknown = float(spent[[not block.trips_known for block in blocks]].sum()) / total
    uops = max(float(executions @ issued), _LEAST_CYCLES)
    own, own_waits = units[first] / cycles[first], waits[first] / cycles[first]
    return [
        float(busy.max()), float(executions @ units.max(axis=1)) / total, float(len(blocks)), float(np.log2(total)),
        float(spent[first]) / total, second / total, *busy.tolist(), *at_most.tolist(), unknown,
        *(float(executions @ units[:, i]) / uops for i in (0, 2)), float(executions @ _half(counts)) / uops,
        float(own.max()), *own[[0, 2, 3]].tolist(), *own_waits.tolist(), float(np.log2(cycles[first])),
        *_sizes(blocks, executions, issued, counts), float(np.log2(1 + issued[first])), float(counts[first, -1] > 0),
    ]  # fmt: skip


def _sizes(blocks: Sequence[Block], executions: Array, issued: Array, counts: Array) -> list[float]:
    """Of all blocks, log2 of one plus: micro-operations once, as often as run; registers wanted in vain; accesses."""
    accesses = counts[:, _ACCESSES].sum()
    copies = np.array([block.copies for block in blocks])
    groups = (counts @ _PLACES).sum(axis=0)
    sums = issued.sum(), *(issued @ copies), executions @ issued, counts[:, -1].sum(), accesses, *groups
    return np.log2(1 + np.array(sums)).tolist()  # type: ignore[no-any-return]


def _half(counts: Array) -> Array:
    """Conversions from and to 16 bits `[B]`, those around arithmetic that a core may not have included."""
    places = [VECTORS.index("half"), VECTORS.index("f16"), len(VECTORS) + COUNTED.index("scalar_half")]
    return np.asarray(counts[:, places] @ np.array([1.0, 3.0, 1.0]))
