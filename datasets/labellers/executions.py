"""How often the blocks of machine code run for one call.

Owns one rule: a block that stands for one of LLVM IR runs as often as that; one that code generation made (a split
edge, a part of a switch, a copy of a return) as often as control comes to it from the blocks before. Of a block's
executions each successor that the IR knows gets its edge's share; made ones share what is left evenly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from costmodel.datasets.labellers.assembly import Block, Instruction
from costmodel.datasets.labellers.frequencies import Frequencies

_LABEL = re.compile(r"\.?LBB\d+_\d+")
_ENDS = frozenset("jmp jmpq ret retq ud2 hlt int3 b br braa brab retaa retab udf brk j jr tail ebreak unimp".split())
"""Instructions that control never passes."""
_TABLES = frozenset("jmpq br jr".split())
"""Those of them that go where a table says, if they name no block."""
_SWEEPS = 16
"""So many made blocks in a row are looked through."""


def executions(blocks: Sequence[Block], frequencies: Frequencies) -> list[float]:
    """Of each block of one function; the blocks have instructions."""
    counts = [frequencies.blocks.get(block.ir_name or "", 0.0) for block in blocks]
    made = [block.ir_name not in frequencies.blocks for block in blocks]
    if not any(made):
        return counts
    after = _successors(blocks)
    shares = [_shares(block, after[number], blocks, made, frequencies) for number, block in enumerate(blocks)]
    for _ in range(_SWEEPS):
        arriving = [float(number == 0) for number in range(len(blocks))]
        for number, (count, share) in enumerate(zip(counts, shares, strict=True)):
            for target in after[number]:
                arriving[target] += count * share
        bounded = [_bounded(arriving[number], targets, counts, made) for number, targets in enumerate(after)]
        now = [bounded[number] if made[number] else count for number, count in enumerate(counts)]
        if now == counts:
            break
        counts = now
    return counts


def _successors(blocks: Sequence[Block]) -> list[list[int]]:
    """Places of the blocks that control goes to from each: those that its instructions name, and the next one."""
    place = {block.label: number for number, block in enumerate(blocks)}
    found = []
    for number, block in enumerate(blocks):
        named = [place[label] for one in block.instructions for label in _named(one) if label in place]
        if number + 1 < len(blocks) and block.instructions[-1].mnemonic not in _ENDS:
            named.append(number + 1)
        found.append(list(dict.fromkeys(named)))
    reached = {target for targets in found for target in targets}
    orphans = [number for number in range(1, len(blocks)) if number not in reached]
    for block, targets in zip(blocks, found, strict=True):
        if not targets and block.instructions[-1].mnemonic in _TABLES:
            targets += orphans
    return found


def _named(instruction: Instruction) -> list[str]:
    return _LABEL.findall(instruction.operands)


def _shares(
    block: Block, after: Sequence[int], blocks: Sequence[Block], made: Sequence[bool], frequencies: Frequencies
) -> float:
    """What each made successor gets of one execution of a block."""
    unknown = sum(made[target] for target in after)
    if not unknown:
        return 0.0
    if block.ir_name not in frequencies.blocks:
        return 1.0 / len(after)
    known = {blocks[target].ir_name for target in after if not made[target]}
    gone = sum(frequencies.edges.get((block.ir_name or "", name or ""), 0.0) for name in known)
    return max(0.0, 1.0 - gone) / unknown


def _bounded(arriving: float, after: Sequence[int], counts: Sequence[float], made: Sequence[bool]) -> float:
    """No more than what follows runs; what ends the function runs at most once."""
    if not after:
        return min(arriving, 1.0)
    if any(made[target] for target in after):
        return arriving
    return min(arriving, sum(counts[target] for target in after))
