"""Order of independent instructions, operands of commutative ones, instructions that nothing uses.

Invariant: instructions that may read or write memory, trap or not return keep their order among themselves.
"""

from __future__ import annotations

import re

import numpy as np

from costmodel.ir.mlir.syntax import split_items
from costmodel.ir.rewrites.llvm_text import Instruction, TextBlock, TextModule, parse
from costmodel.ir.rewrites.names import shuffled_order

_PURE = frozenset(
    "add sub mul shl lshr ashr and or xor fadd fsub fmul fdiv frem fneg icmp fcmp select getelementptr freeze trunc "
    "zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast addrspacecast extractelement "
    "insertelement shufflevector extractvalue insertvalue".split()
)
_COMMUTATIVE = re.compile(
    r"(?P<head>.* = (?:add|mul|and|or|xor|fadd|fmul|icmp(?: samesign)? (?:eq|ne)) "
    r"(?:(?:nuw|nsw|disjoint|fast|nnan|ninf|nsz|arcp|contract|afn|reassoc) )*)(?P<rest>.*)$"
)
_OPERANDS = re.compile(r"(?P<type>i\d+|float|double|half|bfloat|ptr|<[^<>]*>) (?P<value>.*)", re.DOTALL)
_TYPED_RESULT = re.compile(
    r"(%\S+) = (?:(?:add|sub|mul|and|or|xor|shl|lshr|ashr|fadd|fsub|fmul) (?:[a-z]+ )*(i\d+|float|double) "
    r"|load (i\d+|float|double), |(?:zext|sext|trunc|sitofp|fpext) .* to (i\d+|float|double)$)"
)


def reorder(text: str, rng: np.random.Generator) -> str | None:
    """Another order of the instructions of each block that respects data flow, memory and side effects."""
    module = parse(text)
    changed = [_reorder(block, rng) for block in _blocks(module)]
    return module.render() if any(changed) else None


def _blocks(module: TextModule) -> list[TextBlock]:
    return [block for function in module.functions for block in function.blocks]


def _reorder(block: TextBlock, rng: np.random.Generator) -> bool:
    first = block.first_movable()
    movable = block.instructions[first:-1]
    if len(movable) < 2:
        return False
    defined = {item.result: index for index, item in enumerate(movable) if item.result is not None}
    before: list[set[int]] = []
    last = -1
    for index, item in enumerate(movable):
        needed = {defined[name] for name in item.uses() if name in defined and defined[name] != index}
        if item.opcode not in _PURE:
            needed |= {last} - {-1}
            last = index
        before.append(needed)
    order = shuffled_order(before, rng)
    block.instructions[first:-1] = [movable[index] for index in order]
    return order != sorted(order)


def commute(text: str, rng: np.random.Generator) -> str | None:
    """Swap the operands of additions, multiplications, bitwise operations and (in)equalities, each with chance 1/2."""
    module = parse(text)
    changed = False
    for block in _blocks(module):
        for item in block.instructions:
            swapped = _swapped(item.text)
            if swapped is not None and rng.random() < 0.5:
                changed = changed or swapped != item.text
                item.text = swapped
    return module.render() if changed else None


def _swapped(text: str) -> str | None:
    match = _COMMUTATIVE.fullmatch(text)
    if match is None:
        return None
    items = split_items(match["rest"])
    typed = _OPERANDS.fullmatch(items[0])
    if typed is None or len(items) < 2:
        return None
    tail = "".join(f", {item}" for item in items[2:])
    return f"{match['head']}{typed['type']} {items[1]}, {typed['value']}{tail}"


def add_dead(text: str, rng: np.random.Generator) -> str | None:
    """Insert one to four instructions into each function whose results nothing uses."""
    module = parse(text)
    for function in module.functions:
        taken = function.locals()
        for count in range(int(rng.integers(1, 5))):
            name = f"%dead{count}"
            while name in taken:
                name += "x"
            taken.add(name)
            block = function.blocks[int(rng.integers(len(function.blocks)))]
            if any(item.opcode in ("catchswitch", "musttail") for item in block.instructions):
                continue
            _insert_dead(block, name, rng)
    return module.render() if module.functions else None


def _insert_dead(block: TextBlock, name: str, rng: np.random.Generator) -> None:
    first = block.first_movable()
    place = int(rng.integers(first, max(first + 1, len(block.instructions) - _tail(block))))
    known = [match for item in block.instructions[first:place] if (match := _TYPED_RESULT.match(item.text))]
    if not known:
        new = f"{name} = add i64 {int(rng.integers(100))}, {int(rng.integers(100))}"
    else:
        match = known[int(rng.integers(len(known)))]
        kind = match[2] or match[3] or match[4]
        opcode = "xor" if kind[0] == "i" else "fmul"
        new = f"{name} = {opcode} {kind} {match[1]}, {match[1]}"
    block.instructions.insert(place, Instruction(new))


def _tail(block: TextBlock) -> int:
    """Instructions at the end that must stay together: a `musttail` call and its return."""
    return 2 if len(block.instructions) > 1 and "musttail" in block.instructions[-2].text else 1
