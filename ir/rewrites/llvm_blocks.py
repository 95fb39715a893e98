"""Blocks of LLVM IR split in two and joined again."""

from __future__ import annotations

import re

import numpy as np

from costmodel.ir.rewrites.llvm_text import Instruction, TextBlock, TextFunction, parse

_INCOMING = re.compile(r"\[ (.*), (%\"[^\"\n]*\"|%[\w$.\-]+) \]")


def split(text: str, rng: np.random.Generator) -> str | None:
    """Split up to three blocks of each function at a random place by an unconditional branch."""
    module = parse(text)
    changed = False
    for function in module.functions:
        for count in range(int(rng.integers(1, 4))):
            changed = _split(function, count, rng) or changed
    return module.render() if changed else None


def _split(function: TextFunction, count: int, rng: np.random.Generator) -> bool:
    index = int(rng.integers(len(function.blocks)))
    block = function.blocks[index]
    first = block.first_movable()
    allocas = [place for place, item in enumerate(block.instructions) if item.opcode == "alloca"]
    first = max(first, allocas[-1] + 1) if allocas else first
    last = len(block.instructions) - (
        2 if len(block.instructions) > 1 and "musttail" in block.instructions[-2].text else 1
    )
    if first > last or block.terminator.opcode == "catchswitch":
        return False
    place = int(rng.integers(first, last + 1))
    name = f"%split{count}"
    taken = function.locals()
    while name in taken:
        name += "x"
    function.move_edges(block.name, name)
    function.blocks.insert(index + 1, TextBlock(name, block.instructions[place:]))
    block.instructions[place:] = [Instruction(f"br label {name}")]
    return True


def merge(text: str, rng: np.random.Generator) -> str | None:
    """Join blocks with an only successor whose only predecessor they are, each with chance 3/4 (one at least)."""
    module = parse(text)
    changed = False
    for function in module.functions:
        changed = _merge(function, rng) or changed
    return module.render() if changed else None


def _merge(function: TextFunction, rng: np.random.Generator) -> bool:
    changed = False
    for block in list(function.blocks):
        target = _only_successor(function, block) if block in function.blocks else None
        if target is None or (changed and rng.random() < 0.25):
            continue
        names: dict[str, str] = {}
        while target.instructions[0].opcode == "phi":
            item = target.instructions.pop(0)
            incoming = _INCOMING.search(item.text)
            if incoming is not None and item.result is not None:
                names[item.result] = names.get(incoming[1], incoming[1])
        block.instructions[-1:] = target.instructions
        function.blocks.remove(target)
        function.move_edges(target.name, block.name)
        function.substitute(names)
        changed = True
    return changed


def _only_successor(function: TextFunction, block: TextBlock) -> TextBlock | None:
    last = block.terminator
    if last.opcode != "br" or not last.text.startswith("br label"):
        return None
    name = last.targets()[0]
    sources = sum(other.terminator.targets().count(name) for other in function.blocks)
    target = next((other for other in function.blocks if other.name == name), None)
    if target is None or target is block or sources != 1 or target is function.blocks[0]:
        return None
    loops = target.name in {use for item in target.instructions if item.opcode == "phi" for use in item.uses()}
    return None if loops else target
