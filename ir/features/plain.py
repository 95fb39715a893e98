"""A function without what does nothing: needless blocks are joined, dead operations not counted.

Owns the plain form, which what is learned is told of, so that a program's writer does not sway it; members of
aggregates that were put in are not taken out again (`aggregates`). Invariant: the operations given are not changed; a
function that is plain already is not copied. Linear time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

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


def plain(root: Operation) -> PlainCopy | None:
    """A plain copy of a function, None where it is plain."""
    blocks = _blocks(root)
    joined, inside = _joined(blocks), members(blocks)
    return PlainCopy(root, joined, inside) if joined or inside.values else None


def uncount(found: Scan) -> Counter[Facts]:
    """Take dead operations out of the counts of a scan's loops; returns their facts."""
    dropped: dict[Loop, Counter[Facts]] = {}
    for loop, facts in _dead(found):
        dropped.setdefault(loop, Counter())[facts] += 1
    for loop, gone in dropped.items():
        left, kept = dict(gone), []
        for facts in loop.facts:
            if left.get(facts):
                left[facts] -= 1
            else:
                kept.append(facts)
        loop.facts = kept
    return sum(dropped.values(), Counter())


def _dead(found: Scan) -> Iterator[tuple[Loop, Facts]]:
    """Loop and facts of operations without effect whose results nothing alive uses."""
    uses = np.bincount(found.values[found.values >= 0], minlength=len(found.kinds))
    stack = (uses == 0).nonzero()[0].tolist()
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
        if len(operation.results) > 1 and any(left[found.number[value]] for value in operation.results):
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


def _blocks(root: Operation) -> list[Block]:
    """Every block inside, in no particular order."""
    found, stack = [], [*root.regions]
    while stack:
        blocks = stack.pop().blocks
        found += blocks
        stack += [region for block in blocks for operation in block.operations for region in operation.regions]
    return found


def _joined(blocks: Sequence[Block]) -> dict[Block, Block]:
    """Blocks by the one that a jump leads to each from, where nothing else does."""
    if len(blocks) < 2:
        return {}
    sources: dict[Block, list[Block]] = {}
    for block in blocks:
        for target in block.operations[-1].successors if block.operations else ():
            sources.setdefault(target, []).append(block)
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


_new_operation, _new_value = Operation.__new__, Value.__new__


class PlainCopy:
    """Copies operations, all of them first, then what they refer to; `root` stands where the original does."""

    def __init__(self, root: Operation, joined: dict[Block, Block], inside: Members) -> None:
        self._after = {source: target for target, source in joined.items()}
        self._joined = joined
        self._needless = inside.needless
        self._values: dict[Value, Value] = {}
        """Copies of values."""
        self._same: dict[Value, Value] = dict(inside.values)
        """What is given to arguments of joined blocks and put into aggregates: it stands for what is left out."""
        self._blocks: dict[Block, Block] = {}
        self._copied: list[Operation] = []
        """They refer to the originals' operands and successors until all of them are there."""
        self.root = self._tree(root)
        self._refer()

    def close(self) -> None:
        """Break the cycles between the copies, so that they are freed at once and not by the collector."""
        for copy in self._copied:
            copy.results, copy.regions = [], []
        for block in self._blocks.values():
            block.operations, block.args, block.parent.blocks = [], [], []

    def _tree(self, root: Operation) -> Operation:
        top = self._alone(root, root.parent)
        stack = [*zip(root.regions, top.regions, strict=True)]
        while stack:
            old, new = stack.pop()
            for block in old.blocks:
                if block not in self._joined:
                    stack += self._block(block, new)
        return top

    def _alone(self, operation: Operation, parent: Block | None) -> Operation:
        """Without what it refers to; its regions are empty. Lists that are empty are shared."""
        new = _new_operation(Operation)
        new.name, new.offset = operation.name, operation.offset
        new.parent, new._chunk = parent, operation._chunk
        new._property_text, new._attribute_text = operation._property_text, operation._attribute_text
        new.operands, new.successors = operation.operands, operation.successors
        results, regions = operation.results, operation.regions
        new.results = self._copies(results, new) if results else results
        new.regions = [Region(new) for _ in regions] if regions else regions
        self._copied.append(new)
        return new

    def _copies(self, values: list[Value], owner: Operation | Block) -> list[Value]:
        found, known = [], self._values
        for value in values:
            copy = known[value] = _new_value(Value)
            copy.name, copy.type_text = value.name, value.type_text
            copy.owner, copy.index = owner, value.index
            found.append(copy)
        return found

    def _block(self, block: Block, region: Region) -> list[tuple[Region, Region]]:
        """Append a block and those joined to it; the regions inside with their empty copies."""
        new = Block(block.label, region)
        region.blocks.append(new)
        new.args = self._copies(block.args, new)
        append, alone, needless = new.operations.append, self._alone, self._needless
        inside: list[tuple[Region, Region]] = []
        for part in self._chain(block):
            self._blocks[part] = new
            for operation in part.operations[:-1] if part in self._after else part.operations:
                if operation in needless:
                    continue
                copy = alone(operation, new)
                append(copy)
                if copy.regions:
                    inside += zip(operation.regions, copy.regions, strict=True)
        return inside

    def _chain(self, block: Block) -> Iterator[Block]:
        yield block
        while block in self._after:
            target = self._after[block]
            self._same.update(zip(target.args, forwarded(block.operations[-1])[0][1], strict=False))
            block = target
            yield block

    def _refer(self) -> None:
        """Let the copies refer to copies."""
        values, blocks = self._values, self._blocks
        for value in self._same:
            same = self._stands_for(value)
            values[value] = values.get(same, same)
        value_of = values.get
        for new in self._copied:
            operands = new.operands
            if operands:
                new.operands = [*map(value_of, operands, operands)]
            if new.successors:
                new.successors = [blocks[block] for block in new.successors]

    def _stands_for(self, value: Value) -> Value:
        """The end of the chain from `value`; rings, which only dead code has, end where they are entered first."""
        same, seen = self._same, {value: None}
        while value in same:
            value = same[value]
            if value in seen:
                break
            seen[value] = None
        else:
            del seen[value]
        same.update(dict.fromkeys(seen, value))
        return value
