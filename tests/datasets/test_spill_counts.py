"""Which accesses to the stack are the register allocator's spills and reloads."""

import pytest

from costmodel.datasets.labellers.assembly import AsmFunction, Block, Instruction
from costmodel.datasets.labellers.spills import count_spills


def function(*lines):
    instructions = []
    for line in lines:
        text, _, comment = line.partition(" // ")
        mnemonic, _, operands = text.partition(" ")
        instructions.append(Instruction(mnemonic=mnemonic, operands=operands, comment=comment))
    return AsmFunction(name="f", blocks=[Block(label="f", instructions=instructions)])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["stp x30, x19, [sp] // 16-byte Folded Spill", "ldp x30, x19, [sp] // 16-byte Folded Reload"], (0, 0)),
        # the link register is saved beside a variable of the program
        (["stp x30, x0, [sp, #-16]! // 8-byte Folded Spill", "ldp x30, x9, [sp], #16 // 8-byte Folded Reload"], (0, 0)),
        (["stp x8, x0, [sp] // 8-byte Folded Spill", "ldp x8, x9, [sp] // 8-byte Folded Reload"], (1, 1)),
        (["stp x8, x9, [sp] // 16-byte Folded Spill", "ldp x8, x9, [sp] // 16-byte Folded Reload"], (2, 2)),
        (["stp x30, x9, [sp] // 16-byte Folded Spill"], (2, 0)),
        (["mov x19, x0", "stp x19, x0, [sp] // 8-byte Folded Spill"], (1, 0)),
        (["str q0, [sp] // 16-byte Spill", "ldr q0, [sp] // 16-byte Reload"], (1, 1)),
    ],
)  # fmt: skip
def test_pairs_count_what_lies_in_slots(lines, expected):
    assert count_spills(function(*lines, "ret"), "aarch64") == expected
