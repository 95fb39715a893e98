"""Blocks that end alike are one end in machine code.

Owns the search for ends of blocks that do the same with the same values and go to the same place, as LLVM's
BranchFolding merges them: whole blocks, or ends of three operations and more. Linear time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from costmodel.ir.features.machine_columns import Kind

if TYPE_CHECKING:
    from costmodel.ir.features.machine_flat import Flat, Mask

_LEAST = 3
"""Ends of so many operations are worth a jump (`tail-merge-size`)."""
_MOST = 32


class Merged:
    """`gone` marks operations `[n]` that stand in another block's end too; `into` leads from whole blocks to those."""

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.gone: Mask = np.zeros(flat.size, bool)
        self.into: dict[int, int] = {}
        scan = flat.scan
        if len(scan.blocks) < _LEAST:
            return
        ends = flat.block.searchsorted(np.arange(len(scan.blocks)), side="right")
        self._starts = [0, *ends[:-1].tolist()]
        alike: dict[object, list[int]] = {}
        for block, end in enumerate(ends.tolist()):
            operations = scan.blocks[block].block.operations
            if not block or len(operations) < 2 or len(operations[-1].successors) > 1:
                continue
            after = operations[-1].successors
            going = scan.block_of[after[0]] if after else operations[-1].name
            before = flat.rows[end - 2]
            alike.setdefault((going, tuple(scan.operands[end - 1]), before), []).append(block)
        groups = [blocks for blocks in alike.values() if len(blocks) > 1]
        for blocks in groups:
            self._merge(blocks, ends.tolist())

    def _merge(self, blocks: list[int], ends: list[int]) -> None:
        """Let each block share the longest end with one before."""
        kind = self.flat.kind
        known: dict[object, int] = {}
        for block in blocks:
            start, end = self._starts[block], ends[block]
            keys = self._keys(max(start, end - _MOST), end)
            depth = max((i + 1 for i, key in enumerate(keys) if key in known), default=0)
            busy = np.count_nonzero(kind[end - depth : end] != Kind.FREE) if depth else 0
            whole = depth == end - start
            if depth and (whole or busy > _LEAST):
                self.gone[end - depth : end] = True
                if whole:
                    self.into[block] = known[keys[depth - 1]]
                else:
                    self.gone[end - 1] = False
            for key in keys:
                known.setdefault(key, block)

    def _keys(self, first: int, end: int) -> list[int]:
        """What the last one, two, ... operations do; values of the block itself by where they stand from its end."""
        flat = self.flat
        defined, operands, rows = flat.defined, flat.scan.operands, flat.rows
        keys, key = [], 0
        for place in range(end - 1, first - 1, -1):
            seen = []
            for value in operands[place]:
                owner = int(defined[value]) if value >= 0 else -1
                seen.append(owner - end if owner >= first else value if value >= 0 or place == end - 1 else None)
            key = hash((key, rows[place], tuple(seen)))
            keys.append(key)
        return keys
