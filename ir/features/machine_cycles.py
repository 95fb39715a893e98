"""Cycles as a static model of the machine counts them: blocks by themselves, weighted by how often they run.

Owns the bounds of a block that repeats (llvm-mca's reading): instructions over the issue width, operations over the
units that take them, and the chain that a loop of one block carries. Sums over blocks times frequencies. Source:
Andersen and Hofmann-like throughput bounds as in IACA and llvm-mca; latencies of `opcodes`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.ir.features.machine_flat import Flat, Numbers
from costmodel.ir.features.machine_flow import Flow
from costmodel.ir.features.machine_fold import Folded
from costmodel.ir.features.machine_names import WIDTHS
from costmodel.ir.features.machine_rows import NUM_PORTS, C, Kind, Port
from costmodel.ir.features.scan import BlockScan
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.semantics import forwarded

_MACHINES = {"x86": 2, "a64": 3, "rv": 5}
_DIVISION_CYCLES = 10.0
_FDIV_CYCLES = 4.0
_KEPT_UP = 0.75
"""Of the issue width, what blocks without other bounds reach."""
_JUMP_CYCLES, _CALL_CYCLES = 0.53, 0.5
_WIDTHS = _KEPT_UP * np.array(list(WIDTHS), np.float64)
_UNITS = np.array(list(WIDTHS.values()), np.float64)
"""`[widths, kinds of units]`."""
_MAX_CARRIED = 8
"""Carried values of a block that are followed."""


def cycle_numbers(flat: Flat, folded: Folded, flow: Flow, totals: Numbers, beside: Beside) -> dict[str, float]:
    """Executed instructions and cycles by machine and width."""
    blocks = len(flat.scan.blocks)
    frequency = np.array(flow.frequency)
    numbers: dict[str, float] = {}
    port = flat.table[:, C["port"]].astype(np.int64)
    work = np.where(flat.alive & (flat.kind != Kind.FREE), flat.table[:, C["parts128"]], 0.0)
    ports = np.bincount(flat.block * NUM_PORTS + port, work, blocks * NUM_PORTS).reshape(blocks, NUM_PORTS)
    chains = _Chains(flat, folded)
    chain = chains.carried()
    numbers["executed_loads"] = float(frequency @ ports[:, Port.LOAD])
    numbers["executed_stores"] = float(frequency @ ports[:, Port.STORE])
    numbers["executed_floats"] = float(frequency @ (ports[:, Port.FLOAT] + ports[:, Port.FDIV]))
    numbers["executed_shuffles"] = float(frequency @ ports[:, Port.SHUFFLE])
    numbers["executed_divisions"] = float(frequency @ (ports[:, Port.DIV] + ports[:, Port.FDIV]))
    numbers["executed_chain"] = float(frequency @ chain)
    numbers["executed_blocks"] = float(frequency.sum())
    numbers["hottest_frequency"] = float(frequency.max(initial=0))
    divide = ports[:, Port.DIV] * _DIVISION_CYCLES + ports[:, Port.FDIV] * _FDIV_CYCLES
    jumps = np.minimum(ports[:, Port.BRANCH], 1.0)
    numbers["executed_jumps"] = float(frequency @ jumps)
    least = np.maximum(np.maximum(divide, jumps * _JUMP_CYCLES), chain)
    least = np.maximum(least, ports[:, Port.CALL] * _CALL_CYCLES)[None]
    for place, kind in enumerate((Port.LOAD, Port.STORE, Port.FLOAT, Port.SHUFFLE)):
        least = np.maximum(least, ports[:, kind] / _UNITS[:, place, None])
    again = {False: chains.reused(results=False), True: chains.reused(results=True)}
    for isa, column in _MACHINES.items():
        first = numbers[f"reused_chain_{isa}"] = again[isa != "x86"]
        count = np.bincount(flat.block, totals[:, column], blocks) + beside.moves + beside.frames[isa]
        numbers[f"executed_{isa}"] = float(frequency @ count)
        bound = np.maximum(least, count / _WIDTHS[:, None])
        saved = (ports[0, Port.STORE] + beside.frames[isa][0]) / _UNITS[:, 1]
        bound[:, 0] = np.maximum(bound[:, 0], saved)
        bound[:, 0] = np.maximum(bound[:, 0], first)
        for width, cycles in zip(WIDTHS, bound, strict=True):
            numbers[f"cycles_{isa}_{width}"] = float(frequency @ cycles)
    return numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Instructions of each block beside those of its operations: `moves` and jumps; `frames` of prologue, epilogues."""

    moves: Numbers
    frames: dict[str, Numbers]


class _Chains:
    """Chains from one run of a block to its next: carried values, and registers that calls and returns use again."""

    def __init__(self, flat: Flat, folded: Folded) -> None:
        self.flat = flat
        self.values = flat.value.tolist()
        self.positions = flat.position.tolist()
        self.edges = flat.starts().tolist()
        self.latency = _latency(flat, folded)
        self.defined = flat.defined.tolist()
        self.starts = np.searchsorted(flat.block, np.arange(len(flat.scan.blocks) + 1)).tolist()

    def carried(self) -> Numbers:
        """The longest chain of each block that is a loop by itself, in cycles, `[blocks]`."""
        found = np.zeros(len(self.flat.scan.blocks), np.float32)
        for index, entry in enumerate(self.flat.scan.blocks):
            last = entry.block.operations[-1] if entry.block.operations else None
            if last is not None and entry.block.args and entry.block in last.successors:
                found[index] = self._longest(entry, last, self.starts[index])
        return found

    def _longest(self, entry: BlockScan, last: Operation, first: int) -> float:
        number = self.flat.scan.number
        nexts = next(([number.get(v, -1) for v in vs] for t, vs in forwarded(last) if t is entry.block), [])
        longest, result = 0.0, entry.first + len(entry.block.args)
        for argument, target in zip(range(entry.first, result), nexts[:_MAX_CARRIED], strict=False):
            if target >= result:
                longest = max(longest, self._distance(argument, self.defined[target], first))
        return longest

    def reused(self, *, results: bool) -> float:
        """The chain through argument registers of the function's first block, in cycles.

        An argument's register takes the call's argument of the same place; with `results`, the first one holds what is
        returned too. Behind a call arguments lie elsewhere, so that blocks of several calls have none.
        """
        flat = self.flat
        if not flat.scan.blocks:
            return 0.0
        arguments = len(flat.scan.blocks[0].block.args)
        kinds = flat.kind[: self.starts[1]]
        ends = np.flatnonzero((kinds == Kind.CALL) | (kinds == Kind.RETURN)).tolist()
        if not ends or int((kinds == Kind.CALL).sum()) > 1:
            return 0.0
        kind = int(kinds[ends[0]])
        return self._through(ends[0], kind, arguments) if kind == Kind.CALL or results else 0.0

    def _through(self, operation: int, kind: int, arguments: int) -> float:
        shift = int(self.flat.table[operation, C["indirect"]]) if kind == Kind.CALL else 0
        longest = 0.0
        for edge in range(self.edges[operation], self.edges[operation + 1]):
            place, value = self.positions[edge] - shift, self.values[edge]
            made = self.defined[value]
            if 0 <= place < min(arguments, _MAX_CARRIED) and 0 <= made < self.starts[1]:
                longest = max(longest, self._distance(place, made, 0))
        return longest

    def _distance(self, source: int, goal: int, first: int) -> float:
        return _distance(source, goal, first, self.edges, self.values, self.latency, self.defined)


def _latency(flat: Flat, folded: Folded) -> list[float]:
    kind = flat.kind
    latency = np.where((kind == Kind.FREE) | (kind == Kind.TRUNC), 0.0, flat.table[:, C["latency"]])
    latency = np.where((folded.cost[:, 2] == 0) & (kind == Kind.ADDRESS), 0.0, latency)
    return list(latency.tolist())


def _distance(
    source: int, goal: int, first: int, edges: list[int], values: list[int], latency: list[float], defined: list[int]
) -> float:  # fmt: skip
    """Cycles from a value to the operation `goal` of the same block, 0 without a chain."""
    reach: dict[int, float] = {}
    for operation in range(first, goal + 1):
        best = -1.0
        for value in values[edges[operation] : edges[operation + 1]]:
            known = 0.0 if value == source else reach.get(defined[value], -1.0)
            if known > best:
                best = known
        if best >= 0:
            reach[operation] = best + latency[operation]
    return reach.get(goal, 0.0)
