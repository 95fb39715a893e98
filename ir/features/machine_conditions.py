"""Conditions that are joined by `and` and `or` before a branch or select reads them.

Owns how code generation lowers them: one branch each, a chain of conditional comparisons, or flags brought into
registers. Sources: LLVM 22's SelectionDAGBuilder (`FindMergedConditions`, `shouldKeepJumpConditionsTogether`),
X86ISelLowering (`getJumpConditionMergingParams`), AArch64ConditionalCompares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from costmodel.ir.features.machine_columns import AND, OR, C, Kind, Port

if TYPE_CHECKING:
    from costmodel.ir.features.machine_flat import Mask
    from costmodel.ir.features.machine_fold import Folded

_X86 = slice(0, 3)
_A64 = 3
_DEEPEST = 8
_LIKELY = 0.8
"""An edge as likely as this is hot (`isEdgeHot`)."""
_CHEAP = 2.0
"""x86-64 computes both conditions where the second one takes so many cycles at most (`x86-br-merging-base-cost`)."""
_SLOW = {Kind.LOAD: 4.0, Kind.CALL: 40.0, Kind.FREE: 0.0, Kind.TRUNC: 0.0}
_LATE = (Port.DIV, Port.FDIV)
_COMPARES = (Kind.ICMP, Kind.FCMP)
_SELECTED = (1.0, 1.0, 1.0, 0.0, 2.0, 2.0)
"""Joined for a select: two conditional moves, a conditional comparison, numbers that are joined."""
_CHAINED = 0.5
"""AArch64 compares the second on the first's condition where that comes late, and branches twice otherwise."""


class Joined:
    """`chosen` `[n]` are the operations that join; `flags` marks edges `[E]` that carry a condition, no value."""

    def __init__(self, folded: Folded, condition: Mask, logic: Mask) -> None:
        """`condition` are the edges to branches and selects, `logic` the operations that may join."""
        self.folded, flat = folded, folded.flat
        self.flags = condition
        self.chosen: Mask = np.zeros(flat.size, bool)
        if not np.count_nonzero(logic):
            return
        once = logic & (folded.uses == 1)
        near = folded.local | ~(folded.inside & once[flat.source])
        for _ in range(_DEEPEST):
            chosen = once & (flat.uses(~(self.flags & near)) == 0)
            if (chosen == self.chosen).all():
                return
            self.chosen, self.flags = chosen, condition | chosen[flat.user]

    def charge(self, share: list[list[float]]) -> None:
        """What joining costs; `share` are the probabilities of each block's successors."""
        if not np.count_nonzero(self.chosen):
            return
        flat, cost = self.folded.flat, self.folded.cost
        cost[self.chosen] = 0.0
        what = flat.table[:, C["arithmetic"]]
        joins = self.chosen & ((what == AND) | (what == OR))
        user = np.full(flat.size, -1, np.int64)
        chosen = self.flags & self.folded.local
        user[flat.source[chosen]] = flat.user[chosen]
        ends: dict[int, int] = {}
        apart: dict[int, bool] = {}
        for place in (joins & (user >= 0)).nonzero()[0][::-1].tolist():
            after = int(user[place])
            while self.chosen[after] and after not in ends and user[after] >= 0:
                after = int(user[after])  # an inversion
            end = ends[place] = ends.get(after, after)
            if flat.kind[end] == Kind.SELECT:
                cost[place] = _SELECTED
                continue
            if after not in apart:
                apart[place] = self._apart(place, share[int(flat.block[place])])
            else:
                apart[place] = apart[after]
            self._branches(place, apart[place])

    def _sources(self, place: int) -> list[int]:
        """Where an operation's operands are made, in order; -1 for arguments."""
        flat = self.folded.flat
        first, last = flat.user.searchsorted([place, place + 1])
        return [int(source) for source in flat.source[first:last]]

    def _branches(self, place: int, apart: bool) -> None:
        """Another branch, or comparisons brought into registers and tested together."""
        flat, cost, uses = self.folded.flat, self.folded.cost, self.folded.uses
        compares = [s for s in self._sources(place) if s >= 0 and flat.kind[s] in _COMPARES and uses[s] == 1]
        cost[place] = 1.0
        cost[place, _X86] += 0.0 if apart else len(compares)
        if not np.count_nonzero(flat.table[compares, C["zero_test"]] > 0):
            cost[place, _A64] = _CHAINED

    def _apart(self, place: int, share: list[float]) -> bool:
        """Whether x86-64 branches for each condition: where the first is likely to decide, or the second is dear."""
        table = self.folded.flat.table
        hot = 0 if table[place, C["arithmetic"]] == AND else 1
        sources = self._sources(place)
        return share[hot] >= _LIKELY or (bool(sources) and self._latency(sources[-1], _DEEPEST) > _CHEAP)

    def _latency(self, place: int, depth: int) -> float:
        """Cycles of what only this operation needs."""
        flat, folded = self.folded.flat, self.folded
        if place < 0 or folded.uses[place] != 1:
            return 0.0
        kind = int(flat.kind[place])
        own = _CHEAP + 1.0 if not depth or flat.table[place, C["port"]] in _LATE else _SLOW.get(kind, 1.0)
        for source in self._sources(place) if own <= _CHEAP else ():
            own += self._latency(source, depth - 1)
            if own > _CHEAP:
                break
        return own
