"""The order in which code generation lays blocks out, and the jumps that are left.

Owns chains of blocks as LLVM 22's MachineBlockPlacement builds them: loops first, from the inside out; a block is
followed by its likeliest successor unless another block that is yet to come wants to fall through to that; then comes
the block that runs most among those whose predecessors are placed. Linear but for ties.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import heapify, heappop, heappush

from costmodel.ir.features.machine_flow import Flow
from costmodel.ir.features.machine_merge import Merged

_HOT = 0.8
"""An edge as likely as this is followed whoever else wants its target (`StaticLikelyProb`)."""
_MOST_BEFORE = 64
"""Predecessors of a block that are asked whether they want it."""


class Layout:
    """`order` of the blocks that are reached; `jumping` ones end in an unconditional jump, `returning` to returns.

    `bare` blocks would return, but only calls that are jumps come before.
    """

    def __init__(self, flow: Flow, leaving: Collection[int], returns: Collection[int], merged: Merged) -> None:
        """`leaving` blocks end in a call which is a jump, `returns` do little but return."""
        self.leaving, self.merged = leaving, merged
        into = merged.into
        self.frequency = flow.frequency
        self.after = [
            []
            if block in leaving or block in into
            else [into.get(target, target) for target in targets]
            if into
            else targets
            for block, targets in enumerate(flow.after)
        ]
        self.share = flow.probability
        self.before: list[list[int]] = [[] for _ in self.after]
        for block in flow.order:
            for target in self.after[block]:
                self.before[target].append(block)
        self.chain: list[list[int]] = [[block] for block in range(len(self.after))]
        self._rpo = [block for block in flow.order if block not in into] if into else flow.order
        for header, (blocks, _) in sorted(flow.loops.items(), key=lambda item: len(item[1][0])):
            self._build(header, blocks)
        if len(self.after) > 1:
            self._build(0, None)
        self.order = self.chain[0]
        order = self.order
        follows = dict(zip(order, [*order[1:], -1], strict=True))
        self.jumping = [block for block in order if self.after[block] and follows[block] not in self.after[block]]
        self.returning = sum(self.after[block][-1] in returns for block in self.jumping)
        ends = [block for block in self._rpo if not flow.after[block] and _returns(flow, block)]
        self.bare = [block for block in ends if block in leaving or (block and not self.before[block])]

    def _build(self, first: int, inside: Collection[int] | None) -> None:
        """Grow the chain of `first` until it holds all blocks `inside` (None: all) that are reached."""
        chain, chains = self.chain[first], self.chain
        waiting: dict[int, int] = {}
        rpo = [block for block in self._rpo if inside is None or block in inside]
        for block in rpo:
            own = chains[block]
            outer = [p for p in self.before[block] if chains[p] is not own and (inside is None or p in inside)]
            waiting[own[0]] = waiting.get(own[0], 0) + len(outer)
        waiting.pop(chain[0], None)
        ready = [(-self.frequency[head], head) for head, count in waiting.items() if not count]
        heapify(ready)
        self._mark(chain, chain, waiting, ready)
        last = 0
        while True:
            target = self._successor(chain, inside)
            if target is None:
                while ready and ready[0][1] not in waiting:
                    heappop(ready)
                if ready:
                    target = ready[0][1]
                else:
                    while last < len(rpo) and chains[rpo[last]] is chain:
                        last += 1
                    if last == len(rpo):
                        return
                    target = chains[rpo[last]][0]
            added = chains[target]
            waiting.pop(target, None)
            self._mark(chain, added, waiting, ready)
            chain.extend(added)
            for block in added:
                chains[block] = chain

    def _mark(
        self, chain: list[int], added: list[int], waiting: dict[int, int], ready: list[tuple[float, int]]
    ) -> None:
        """One predecessor less for each chain that the blocks added lead to."""
        for block in added:
            for target in self.after[block]:
                head = self.chain[target][0]
                if head in waiting and self.chain[target] is not added:
                    waiting[head] -= 1
                    if not waiting[head]:
                        heappush(ready, (-self.frequency[head], head))

    def _successor(self, chain: list[int], inside: Collection[int] | None) -> int | None:
        """What follows the last block best."""
        block = chain[-1]
        best, most = None, 0.0
        targets = self.after[block]
        fits = [
            (target, share) for target, share in zip(targets, self.share[block], strict=False)
            if self.chain[target] is not chain and (inside is None or target in inside)
        ]  # fmt: skip
        total = sum(share for _, share in fits)
        for target, share in fits:
            if self.chain[target][0] != target or self._wanted(block, target, share / total if total else 0.0, inside):
                continue
            if best is None or share > most:
                best, most = target, share
        return best

    def _wanted(self, block: int, target: int, share: float, inside: Collection[int] | None) -> bool:
        """Whether another block that is not placed yet should rather fall through to the target."""
        chain, own = self.chain[block], self.chain[target]
        least = self.frequency[block] * share * (1.0 - _HOT)
        for other in self.before[target][:_MOST_BEFORE]:
            if (
                other == block
                or self.chain[other] is chain
                or self.chain[other] is own
                or (inside is not None and other not in inside)
            ):
                continue
            edges = zip(self.after[other], self.share[other], strict=False)
            if sum(self.frequency[other] * part for to, part in edges if to == target) * _HOT >= least:
                return True
        return False


def _returns(flow: Flow, block: int) -> bool:
    operations = flow.scan.blocks[block].block.operations
    return bool(operations) and operations[-1].name == "llvm.return"
