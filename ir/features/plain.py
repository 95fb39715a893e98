"""A function without what does nothing: needless blocks are joined, dead operations not counted.

Owns the plain form, which what is learned is told of, so that a program's writer does not sway it; members of
aggregates that were put in are not taken out again (`aggregates`). Invariant: the operations given are not changed; a
function that is plain already is not copied. Linear time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from costmodel.ir.features.aggregates import Members, members
from costmodel.ir.features.facts import Facts
from costmodel.ir.features.scan import Loop, Scan
from costmodel.ir.mlir.structure import Block, Operation, Region, Value
from costmodel.ir.semantics import forwarded

_BRANCHES = frozenset(("llvm.br", "cf.br"))
_DIALECTS = ("llvm.", "arith.", "math.", "index.")
_PURE = frozenset(
    ("integer_arithmetic", "float_arithmetic", "compare_select", "conversion", "data_movement", "math_function")
)


def plain(root: Operation, found: Scan) -> Operation | None:
    """A plain copy of a scanned function, None where it is plain."""
    joined, inside = _joined(found), members(found)
    return _Copy(joined, inside).of(root) if joined or inside.values else None


def uncount(found: Scan) -> Counter[Facts]:
    """Take dead operations out of the counts of a scan's loops; returns their facts."""
    dropped: dict[Loop, Counter[Facts]] = {}
    for loop, facts in _dead(found):
        dropped.setdefault(loop, Counter())[facts] += 1
    for loop, gone in dropped.items():
        left, kept = gone.copy(), []
        for facts in loop.facts:
            if left[facts]:
                left[facts] -= 1
            else:
                kept.append(facts)
        loop.facts = kept
    return sum(dropped.values(), Counter())


def _dead(found: Scan) -> Iterator[tuple[Loop, Facts]]:
    """Loop and facts of operations without effect whose results nothing alive uses."""
    uses = np.bincount(found.values[found.values >= 0], minlength=len(found.kinds))
    stack = np.flatnonzero(uses == 0).tolist()
    left = uses.tolist() if stack else []
    dead: set[Operation] = set()
    while stack:
        number = stack.pop()
        entry = found.blocks[found.home[number]]
        place = found.at[number] - entry.point - 1
        if place < 0:
            continue
        operation = entry.block.operations[place]
        if operation in dead or not _removable(operation, entry.facts[place]):
            continue
        if any(left[found.number[value]] for value in operation.results):
            continue
        dead.add(operation)
        yield entry.loop, entry.facts[place]
        for one in map(found.number.get, operation.operands):
            if one is not None:
                left[one] -= 1
                if not left[one]:
                    stack.append(one)


def _removable(operation: Operation, facts: Facts) -> bool:
    name = operation.name
    return (
        facts.category in _PURE and name.startswith(_DIALECTS) and not name.startswith("llvm.intr.")
        and not facts.is_call and not operation.regions and not operation.successors
    )  # fmt: skip


def _joined(found: Scan) -> dict[Block, Block]:
    """Blocks by the one that a jump leads to each from, where nothing else does."""
    if len(found.blocks) < 2:
        return {}
    sources: dict[Block, list[Block]] = {}
    for entry in found.blocks:
        for target in entry.block.operations[-1].successors if entry.block.operations else ():
            sources.setdefault(target, []).append(entry.block)
    chosen = {}
    for target, before in sources.items():
        source = before[0]
        jumps = len(before) == 1 and source.operations[-1].name in _BRANCHES
        if jumps and source is not target and target is not target.parent.blocks[0]:
            chosen[target] = source
    return _from_heads(chosen)


def _from_heads(chosen: dict[Block, Block]) -> dict[Block, Block]:
    """Those of `chosen` that follow a block that stays; rings, which nothing reaches, do not."""
    after = {source: target for target, source in chosen.items()}
    found = {}
    for source in after:
        block = source
        while source not in chosen and block in after:
            found[after[block]] = block
            block = after[block]
    return found


class _Copy:
    """Copies operations, all of them first, then what they refer to."""

    def __init__(self, joined: dict[Block, Block], inside: Members) -> None:
        self.after = {source: target for target, source in joined.items()}
        self.joined = joined
        self.needless = inside.needless
        self.values: dict[Value, Value] = dict(inside.values)
        self.blocks: dict[Block, Block] = {}
        self.pairs: list[tuple[Operation, Operation]] = []

    def of(self, root: Operation) -> Operation:
        """A copy that stands where the original does."""
        copy = self._operation(root, root.parent)
        for original, new in self.pairs:
            new.operands = [self._value(value) for value in original.operands]
            new.successors = [self.blocks[block] for block in original.successors]
        return copy

    def _operation(self, root: Operation, parent: Block | None) -> Operation:
        top = self._alone(root, parent)
        stack = [*zip(root.regions, top.regions, strict=True)]
        while stack:
            old, new = stack.pop()
            for block in old.blocks:
                if block not in self.joined:
                    stack += self._block(block, new)
        return top

    def _alone(self, operation: Operation, parent: Block | None) -> Operation:
        """Without what it refers to; its regions are empty."""
        new = Operation(operation.name, operation.offset, operation._chunk, parent)
        new._property_text, new._attribute_text = operation._property_text, operation._attribute_text
        new.results = [Value(value.name, value.type_text, new, value.index) for value in operation.results]
        new.regions = [Region(new) for _ in operation.regions]
        self.values.update(zip(operation.results, new.results, strict=True))
        self.pairs.append((operation, new))
        return new

    def _block(self, block: Block, region: Region) -> list[tuple[Region, Region]]:
        """Append a block and those joined to it; the regions inside with their empty copies."""
        new = Block(block.label, region)
        region.blocks.append(new)
        new.args = [Value(value.name, value.type_text, new, value.index) for value in block.args]
        self.values.update(zip(block.args, new.args, strict=True))
        inside: list[tuple[Region, Region]] = []
        for part in self._chain(block):
            self.blocks[part] = new
            for operation in part.operations:
                if operation in self.needless or (part in self.after and operation is part.operations[-1]):
                    continue
                copy = self._alone(operation, new)
                new.operations.append(copy)
                inside += zip(operation.regions, copy.regions, strict=True)
        return inside

    def _chain(self, block: Block) -> Iterator[Block]:
        yield block
        while block in self.after:
            target = self.after[block]
            for argument, value in zip(target.args, forwarded(block.operations[-1])[0][1], strict=False):
                self.values[argument] = value
            block = target
            yield block

    def _value(self, value: Value) -> Value:
        """What stands for a value in the copy; an argument of a joined block is what it is given."""
        found = self.values.get(value, value)
        while found is not value and found in self.values:
            value, found = found, self.values[found]
        return found
