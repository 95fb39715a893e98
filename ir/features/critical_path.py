"""Longest dependence chains, in cycles of a small latency table.

Owns the chains: through operands only (not through memory), constants and values from other blocks being ready at 0.
A block's path is the largest sum of latencies along such a chain inside the block; an operation with regions counts
with its own latency there, its blocks count by themselves. Latencies: `features.opcodes.GROUPS`.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.ir.features.scan import BlockScan, Scan
from costmodel.ir.mlir.structure import Block, Operation, Value
from costmodel.ir.semantics import forwarded

MAX_CARRIED = 8
"""Carried values of a loop that are followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalPath:
    """In cycles.

    `longest` of any block, `longest_in_loop` of any block in a loop, `executed` the sum over blocks weighted by
    executions, `work` the sum of all latencies weighted alike, `recurrence` the longest chain from a value that a loop
    of one block carries to that value in the next iteration.
    """

    longest: int
    longest_in_loop: int
    executed: float
    work: float
    recurrence: int


def critical_path(scan: Scan) -> CriticalPath:
    """Paths of a scanned function."""
    longest = in_loop = recurrence = 0
    executed = work = 0.0
    ready = [0] * len(scan.kinds)
    distance = [-1] * len(scan.kinds)
    for entry in scan.blocks:
        length = _longest(entry, ready)
        longest = max(longest, length)
        executed += length * entry.loop.executed
        work += sum([facts.latency for facts in entry.facts]) * entry.loop.executed
        if entry.loop.depth:
            in_loop = max(in_loop, length)
            if entry.loop.blocks == 1:
                recurrence = max(recurrence, _recurrence(entry, scan, distance))
    return CriticalPath(longest=longest, longest_in_loop=in_loop, executed=executed, work=work, recurrence=recurrence)


def _longest(entry: BlockScan, ready: list[int]) -> int:
    """`ready` holds the cycle of each value that the block defines, and is all zeros before and after."""
    number = entry.first + len(entry.block.args)
    longest = 0
    for operation, facts, uses in zip(entry.block.operations, entry.facts, entry.uses, strict=True):
        start = 0
        for use in uses:
            if ready[use] > start:
                start = ready[use]
        end = start + facts.latency
        if end > longest:
            longest = end
        if facts.defines:
            for _ in operation.results:
                ready[number] = end
                number += 1
    ready[entry.first : entry.limit] = [0] * (entry.limit - entry.first)
    return longest


def _recurrence(entry: BlockScan, scan: Scan, distance: list[int]) -> int:
    """Longest chain from a carried argument to its own next value, for the first `MAX_CARRIED` arguments."""
    if not entry.block.operations:
        return 0
    longest = 0
    for argument, following in _carried(entry.block, entry.block.operations[-1])[:MAX_CARRIED]:
        target = scan.number.get(following, -1)
        if entry.first + len(entry.block.args) <= target < entry.limit:
            longest = max(longest, _chain(entry, scan.number[argument], target, distance))
    return longest


def _chain(entry: BlockScan, source: int, target: int, distance: list[int]) -> int:
    """Cycles from `source` to `target`, 0 without a chain; `distance` is all -1 before and after."""
    distance[source] = 0
    number = entry.first + len(entry.block.args)
    for operation, facts, uses in zip(entry.block.operations, entry.facts, entry.uses, strict=True):
        if not facts.defines or not operation.results:
            continue
        if uses:
            start = distance[uses[0]] if len(uses) == 1 else max([distance[use] for use in uses])
            if start >= 0:
                end = number + len(operation.results)
                distance[number:end] = [start + facts.latency] * (end - number)
        number += len(operation.results)
        if number > target:
            break
    found = max(0, distance[target])
    distance[entry.first : entry.limit] = [-1] * (entry.limit - entry.first)
    return found


def _carried(block: Block, last: Operation) -> list[tuple[Value, Value]]:
    """(argument, its value in the next iteration)."""
    for target, values in forwarded(last):
        if target is block:
            return list(zip(block.args, values, strict=False))
    holder = block.parent.parent
    if holder.name in ("scf.for", "affine.for") and last.name.endswith(".yield"):
        return list(zip(block.args[1:], last.operands, strict=False))
    return []
