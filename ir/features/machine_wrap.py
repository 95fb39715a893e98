"""Where a function saves registers and makes its frame: not before it must (shrink wrapping).

Owns LLVM 22's ShrinkWrap on blocks: a block wants the frame if it calls, touches a stack slot, or holds a value that
survives calls; the frame is made in the deepest block that dominates all of those, outside of loops, and unmade where
control leaves them for good. Arguments do not count where they come in: their copies sink.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from costmodel.ir.control_flow import immediate_dominators, meet
from costmodel.ir.features.machine_columns import Kind
from costmodel.ir.features.machine_flat import Flat, Ints, Mask
from costmodel.ir.features.machine_flow import Flow
from costmodel.ir.features.machine_live import GENERAL, Live
from costmodel.ir.features.machine_units import Counts


class Frames:
    """`blocks` that save registers, one for each instruction set."""

    def __init__(self, flat: Flat, flow: Flow, levels: Live, free: Sequence[float]) -> None:
        """General registers that need no saving are `free` by instruction set; `levels` are those of the function."""
        self.flow = flow
        self.blocks = [0] * len(free)
        if len(flow.after) < 2:
            return
        wanted = _wanting(flat)
        if wanted[0]:
            return
        general = levels.before[:, GENERAL] * (flat.alive & (flat.kind != Kind.FREE))
        found: dict[bytes, int] = {}
        for place, own in enumerate(free):
            all_wanted = wanted.copy()
            all_wanted[flat.block[general > own]] = True
            key = all_wanted.tobytes()
            if key not in found:
                found[key] = self._frame_block(all_wanted)
            self.blocks[place] = found[key]

    def shares(self, exits: Ints) -> Counts:
        """Which part of the runs of the blocks that return (`exits[blocks]`, 0 or 1) had a frame made, `[sets]`."""
        if not any(self.blocks):
            return np.ones(len(self.blocks))
        leaves = float(exits @ np.array(self.flow.frequency))
        return np.array([
            min(1.0, self.flow.frequency[block] / leaves) if block and leaves > 0 else 1.0 for block in self.blocks
        ])  # fmt: skip

    @cached_property
    def _dominator(self) -> list[int]:
        return _dominators(self.flow)

    def _frame_block(self, wanted: Mask) -> int:
        flow = self.flow
        blocks = [block for block in wanted.nonzero()[0].tolist() if block in flow.place]
        if not blocks or wanted[0] or (len(blocks) > 1 and len(_exits(flow, blocks)) > 1):
            return 0
        places = sorted((flow.place[block] for block in blocks), reverse=True)
        return _outside(meet(places, self._dominator), flow, self._dominator)


def _wanting(flat: Flat) -> Mask:
    """Blocks that touch what only a frame holds, `[blocks]`."""
    wanted = np.zeros(len(flat.scan.blocks), bool)
    calls = (flat.calls & flat.alive & ~flat.tail).nonzero()[0]
    wanted[flat.block[calls]] = True
    if wanted[0]:
        return wanted
    slots = (flat.kind == Kind.ALLOCA) & ~flat.variable
    if np.count_nonzero(slots):
        touched = slots.copy()
        inner = (flat.source >= 0) & slots[flat.source] & (flat.kind[flat.user] == Kind.ADDRESS)
        touched[flat.user[inner]] = True
        wanted[flat.block[flat.user[(flat.source >= 0) & touched[flat.source]]]] = True
    if len(calls) and not wanted[0]:
        _kept(flat, calls, wanted)
    return wanted


def _kept(flat: Flat, calls: Ints, wanted: Mask) -> None:
    """Values that are used behind a call: where they are made and used."""
    begin = np.where(flat.source >= 0, flat.source, flat.block.searchsorted(flat.home[flat.value]) - 1)
    behind = calls.searchsorted(flat.user) > calls.searchsorted(begin, side="right")
    kept = np.zeros(len(flat.defined), bool)
    kept[flat.value[behind]] = True
    uses = kept[flat.value] & (flat.kind[flat.user] != Kind.FREE)
    uses &= (flat.source >= 0) | (flat.block[flat.user] != 0)
    wanted[flat.block[flat.user[uses]]] = True
    wanted[flat.home[kept & (flat.defined >= 0)]] = True


def _exits(flow: Flow, blocks: list[int]) -> set[int]:
    """Blocks without successors that control comes to from these."""
    seen, stack = set(blocks), list(blocks)
    while stack:
        for target in flow.after[stack.pop()]:
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return {block for block in seen if not flow.after[block]}


def _dominators(flow: Flow) -> list[int]:
    """Immediate dominators by places in `flow.order`."""
    place = flow.place
    return immediate_dominators([[place[other] for other in flow.before[b] if other in place] for b in flow.order])


def _outside(place: int, flow: Flow, dominator: list[int]) -> int:
    """The block at a place or its nearest dominator that is in no loop and runs no more often than the function."""
    inside = {member for members, _ in flow.loops.values() for member in members}
    while place and (flow.order[place] in inside or flow.frequency[flow.order[place]] > 1.0):
        place = dominator[place]
    return flow.order[place]
