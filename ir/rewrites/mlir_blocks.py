"""Blocks of functions in MLIR split in two and joined again."""

from __future__ import annotations

import numpy as np

from costmodel.ir.mlir.generic import parse_generic
from costmodel.ir.mlir.structure import Block, MlirModule, Operation, Region, Value
from costmodel.ir.rewrites.printing import print_module

_BRANCHES = {"func.func": "cf.br", "llvm.func": "llvm.br", "gpu.func": "cf.br"}
"""Functions whose bodies may have several blocks, and the branch to use in them."""


def _regions(module: MlirModule) -> list[tuple[Region, str]]:
    return [
        (operation.regions[0], _BRANCHES[operation.name])
        for operation in module.walk()
        if operation.name in _BRANCHES and operation.regions and operation.regions[0].blocks
    ]


def split(text: str, rng: np.random.Generator) -> str | None:
    """Split one block of each function at a random place by an unconditional branch."""
    module = parse_generic(text)
    changed = False
    for region, branch in _regions(module):
        index = int(rng.integers(len(region.blocks)))
        block = region.blocks[index]
        if not block.operations:
            continue
        place = int(rng.integers(len(block.operations)))
        new = Block("^split", region)
        new.operations = block.operations[place:]
        for operation in new.operations:
            operation.parent = new
        jump = Operation(branch, block.operations[place].offset, block.operations[place]._chunk, block)
        jump.successors = [new]
        block.operations[place:] = [jump]
        region.blocks.insert(index + 1, new)
        changed = True
    return print_module(module) if changed else None


def merge(text: str, rng: np.random.Generator) -> str | None:
    """Join blocks with an only successor whose only predecessor they are, each with chance 3/4 (one at least)."""
    module = parse_generic(text)
    changed = False
    replaced: dict[Value, Value] = {}
    for region, branch in _regions(module):
        for block in list(region.blocks):
            target = _only_successor(region, block, branch) if block in region.blocks else None
            if target is None or (changed and rng.random() < 0.25):
                continue
            replaced.update(zip(target.args, block.operations[-1].operands, strict=True))
            block.operations[-1:] = target.operations
            for operation in target.operations:
                operation.parent = block
            region.blocks.remove(target)
            changed = True
    if not changed:
        return None
    for operation in module.walk():
        operation.operands = [_final(value, replaced) for value in operation.operands]
    return print_module(module)


def _final(value: Value, replaced: dict[Value, Value]) -> Value:
    while value in replaced:
        value = replaced[value]
    return value


def _only_successor(region: Region, block: Block, branch: str) -> Block | None:
    last = block.operations[-1] if block.operations else None
    if last is None or last.name != branch:
        return None
    target = last.successors[0]
    sources = sum(other.operations[-1].successors.count(target) for other in region.blocks if other.operations)
    return None if target is block or target is region.blocks[0] or sources != 1 else target
