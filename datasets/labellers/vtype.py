"""The vector type that holds where a RISC-V block begins, as marks that llvm-mca reads.

Owns the reading of `vset` instructions. llvm-mca simulates a block by itself; without a mark it takes the widest group
of registers, or what a block of another function before it in the file chose.
Source: the RISC-V "V" extension; llvm-mca's `LLVM-MCA-RISCV-LMUL` and `-SEW` comments.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from costmodel.datasets.labellers.assembly import Block, Instruction

_TYPE = re.compile(r"\be(8|16|32|64),\s*m(f?[1248])\b")
_SETS = ("vsetvli", "vsetivli")
_Type = tuple[str, str]
_DEFAULT: _Type = ("64", "1")


def vector_marks(blocks: Sequence[Block]) -> list[tuple[str, ...]]:
    """Marks of each block of one function, none where no vector instruction precedes its own first `vset`.

    The type is that of the last `vset` before the block in the text, of the first one after it where there is none.
    """
    types = [[found for one in block.instructions if (found := _type(one))] for block in blocks]
    first = next((own[0] for own in types if own), _DEFAULT)
    marks, current = [], first
    for block, own in zip(blocks, types, strict=True):
        marks.append(_marks(current) if _needs(block) else ())
        current = own[-1] if own else current
    return marks


def _needs(block: Block) -> bool:
    for instruction in block.instructions:
        if instruction.mnemonic.startswith("v"):
            return _type(instruction) is None
    return False


def _type(instruction: Instruction) -> _Type | None:
    found = _TYPE.search(instruction.operands) if instruction.mnemonic in _SETS else None
    return (found[1], found[2]) if found else None


def _marks(found: _Type) -> tuple[str, ...]:
    bits, group = found
    return (f"LLVM-MCA-RISCV-LMUL M{group.upper()}", f"LLVM-MCA-RISCV-SEW E{bits}")
