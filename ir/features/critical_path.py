"""Longest dependence chains, in cycles of a small latency table.

Owns the chains: through operands only (not through memory), constants and values from other blocks being ready at 0.
A block's path is the largest sum of latencies along such a chain inside the block; an operation with regions counts
with its own latency there, its blocks count by themselves. Latencies: `features.opcodes.GROUPS`.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.ir.features.scan import BlockScan, Scan
from costmodel.ir.mlir.structure import Block, Operation, Value

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
    for index, entry in enumerate(scan.blocks):
        length = _longest(entry, index, scan)
        longest = max(longest, length)
        executed += length * entry.loop.executed
        work += sum([facts.latency for facts in entry.facts]) * entry.loop.executed
        if entry.loop.depth:
            in_loop = max(in_loop, length)
            if entry.loop.blocks == 1:
                recurrence = max(recurrence, _recurrence(entry, scan))
    return CriticalPath(longest=longest, longest_in_loop=in_loop, executed=executed, work=work, recurrence=recurrence)


def _longest(entry: BlockScan, index: int, scan: Scan) -> int:
    ready: dict[int, int] = {}
    get, number_of = ready.get, scan.number
    longest = 0
    for operation, facts, uses in zip(entry.block.operations, entry.facts, entry.uses, strict=True):
        start = 0
        for number in uses:
            at = get(number, 0)
            if at > start:
                start = at
        start += facts.latency
        if start > longest:
            longest = start
        for result in operation.results:
            number = number_of.get(result, -1)
            ready[number] = start
    ready.pop(-1, None)
    return longest


def _recurrence(entry: BlockScan, scan: Scan) -> int:
    """Longest chain from a carried argument to its own next value, for the first `MAX_CARRIED` arguments."""
    pairs = _carried(entry.block, entry.block.operations[-1]) if entry.block.operations else []
    longest = 0
    for argument, following in pairs[:MAX_CARRIED]:
        target = scan.number.get(following)
        if target is None:
            continue
        ready = {scan.number[argument]: 0}
        for operation, facts, uses in zip(entry.block.operations, entry.facts, entry.uses, strict=True):
            starts = [ready[number] for number in uses if number in ready]
            if starts:
                ready.update(
                    (scan.number[result], max(starts) + facts.latency)
                    for result in operation.results
                    if result in scan.number
                )
        longest = max(longest, ready.get(target, 0))
    return longest


def _carried(block: Block, last: Operation) -> list[tuple[Value, Value]]:
    """(argument, its value in the next iteration)."""
    from costmodel.ir.semantics import forwarded

    for target, values in forwarded(last):
        if target is block:
            return list(zip(block.args, values, strict=False))
    holder = block.parent.parent
    if holder.name in ("scf.for", "affine.for") and last.name.endswith(".yield"):
        return list(zip(block.args[1:], last.operands, strict=False))
    return []
