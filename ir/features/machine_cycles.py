"""Cycles as a static model of the machine counts them: blocks by themselves, weighted by how often they run.

Owns the bounds of a block that repeats (llvm-mca's reading): instructions over the issue width, operations over the
units that take them, and the chain that a loop of one block carries. Sums over blocks times frequencies. Source:
Andersen and Hofmann-like throughput bounds as in IACA and llvm-mca; latencies of `opcodes`.
"""

from __future__ import annotations

import numpy as np

from costmodel.ir.features.machine_flat import Flat, Ints, Numbers
from costmodel.ir.features.machine_flow import Flow
from costmodel.ir.features.machine_fold import Folded
from costmodel.ir.features.machine_names import WIDTHS
from costmodel.ir.features.machine_rows import NUM_PORTS, C, Kind, Port

_MACHINES = {"x86": 2, "a64": 3, "rv": 5}
_DIVISION_CYCLES = 10.0
_FDIV_CYCLES = 4.0


def cycle_numbers(flat: Flat, folded: Folded, flow: Flow, totals: Numbers) -> dict[str, float]:
    """Executed instructions and cycles by machine and width."""
    blocks = len(flat.scan.blocks)
    frequency = np.array(flow.frequency)
    numbers: dict[str, float] = {}
    port = flat.table[:, C["port"]].astype(np.int64)
    work = np.where(flat.alive & (flat.kind != Kind.FREE), flat.table[:, C["parts128"]], 0.0)
    ports = np.bincount(flat.block * NUM_PORTS + port, work, blocks * NUM_PORTS).reshape(blocks, NUM_PORTS)
    chain = _chains(flat, folded)
    numbers["executed_loads"] = float(frequency @ ports[:, Port.LOAD])
    numbers["executed_stores"] = float(frequency @ ports[:, Port.STORE])
    numbers["executed_floats"] = float(frequency @ (ports[:, Port.FLOAT] + ports[:, Port.FDIV]))
    numbers["executed_shuffles"] = float(frequency @ ports[:, Port.SHUFFLE])
    numbers["executed_divisions"] = float(frequency @ (ports[:, Port.DIV] + ports[:, Port.FDIV]))
    numbers["executed_chain"] = float(frequency @ chain)
    numbers["executed_blocks"] = float(frequency.sum())
    numbers["hottest_frequency"] = float(frequency.max(initial=0))
    divide = ports[:, Port.DIV] * _DIVISION_CYCLES + ports[:, Port.FDIV] * _FDIV_CYCLES
    for isa, column in _MACHINES.items():
        count = np.bincount(flat.block, totals[:, column], blocks)
        numbers[f"executed_{isa}"] = float(frequency @ count)
        for width, units in WIDTHS.items():
            bound = np.maximum(count / width, divide)
            for kind, many in zip((Port.LOAD, Port.STORE, Port.FLOAT, Port.SHUFFLE), units, strict=False):
                bound = np.maximum(bound, ports[:, kind] / many)
            numbers[f"cycles_{isa}_{width}"] = float(frequency @ np.maximum(bound, chain))
    return numbers


def _chains(flat: Flat, folded: Folded) -> Numbers:
    """Cycles from the carried values of loops of one block to their next values, `[blocks]`."""
    found = np.zeros(len(flat.scan.blocks))
    after_itself = [
        (index, entry) for index, entry in enumerate(flat.scan.blocks)
        if entry.block.operations and entry.block in entry.block.operations[-1].successors
    ]  # fmt: skip
    if not after_itself:
        return found
    starts = np.searchsorted(flat.block, np.arange(len(flat.scan.blocks) + 1)).tolist()
    by_user = np.argsort(flat.user, kind="stable")
    users, values = flat.user[by_user], flat.value[by_user]
    edges = np.searchsorted(users, np.arange(flat.size + 1)).tolist()
    listed = values.tolist()
    latency = _latency(flat, folded)
    for index, entry in after_itself:
        if entry.block.args:
            found[index] = _longest(flat, index, starts[index], starts[index + 1], edges, listed, latency)
    return found


def _latency(flat: Flat, folded: Folded) -> list[float]:
    kind = flat.kind
    latency = np.where((kind == Kind.FREE) | (kind == Kind.TRUNC), 0.0, flat.table[:, C["latency"]])
    latency = np.where((folded.cost[:, 2] == 0) & (kind == Kind.ADDRESS), 0.0, latency)
    return list(latency.tolist())


def _longest(
    flat: Flat, block: int, first: int, last: int, edges: list[int], values: list[int], latency: list[float]
) -> float:
    """The longest chain from any argument to its own next value, arguments told apart for the first eight."""
    entry = flat.scan.blocks[block]
    forwarded = values[edges[last - 1] : edges[last]]
    arguments = range(entry.first, entry.first + len(entry.block.args))
    nexts = _nexts(entry, flat)
    del forwarded
    longest = 0.0
    result = entry.first + len(entry.block.args)
    for argument in arguments:
        if argument - entry.first >= 8:
            break
        target = nexts[argument - entry.first]
        if target < result:
            continue
        longest = max(longest, _distance(argument, target, first, last, edges, values, latency, flat.defined))
    return longest


def _nexts(entry: object, flat: Flat) -> list[int]:
    from costmodel.ir.features.scan import BlockScan
    from costmodel.ir.semantics import forwarded

    assert isinstance(entry, BlockScan)
    for target, values in forwarded(entry.block.operations[-1]):
        if target is entry.block:
            return [flat.scan.number.get(value, -1) for value in values]
    return []


def _distance(
    source: int, target: int, first: int, last: int, edges: list[int], values: list[int], latency: list[float],
    defined: Ints,
) -> float:  # fmt: skip
    distance = {source: 0.0}
    result = {int(defined[target]): target}
    goal = int(defined[target])
    reach: dict[int, float] = {}
    for operation in range(first, min(last, goal + 1)):
        best = -1.0
        for value in values[edges[operation] : edges[operation + 1]]:
            known = distance.get(value)
            if known is None:
                made = int(defined[value])
                known = reach.get(made, -1.0) if made >= first else -1.0
            if known > best:
                best = known
        if best >= 0:
            reach[operation] = best + latency[operation]
    del result
    return reach.get(goal, 0.0)
