"""Spills and reloads in a function's assembly, saves of callee-saved registers left out.

Owns the rule: LLVM marks every access to a spill slot in a comment, and on AArch64 and RISC-V prologues and epilogues
too. A store of a callee-saved register that nothing wrote before is the prologue's; a load of one, in a block that
returns, that nothing reads after is the epilogue's. AArch64 pairs any two neighbours on the stack: where the comment
speaks of the bytes of one register, the other one's are a variable's.
"""

from __future__ import annotations

import re

from costmodel.datasets.labellers.assembly import AsmFunction, Block, Instruction

_SAVED = {
    "aarch64": re.compile(r"(?:x(?:19|2\d|30)|w(?:19|2\d|30)|d(?:8|9|1[0-5])|q(?:8|9|1[0-5])|z(?:8|9|1\d|2[0-3]))"),
    "riscv64": re.compile(r"(?:ra|s\d+|fs\d+)"),
}
_PAIRS = ("stp", "ldp")
_BYTES = {"x": 8, "w": 4, "d": 8, "s": 4, "q": 16}
"""Of a register by the first letter of its name."""
_RETURNS = {"aarch64": ("ret", "b", "br", "retaa"), "riscv64": ("ret", "tail", "jr")}
_NAME = re.compile(r"[a-z]+\d+|ra\b")
_WRITES_NOTHING = re.compile(r"st[a-z]*|cmp|cmn|tst|b\..*|b[a-z]*|cbn?z|tbn?z|s[bhwd]|fs[hwd]|vs\w*\.v|j|call|tail|ret")


def count_spills(function: AsmFunction, arch: str) -> tuple[int, int]:
    """Spills and reloads of the register allocator; an instruction that moves a pair counts twice."""
    spills = reloads = 0
    written: set[str] = set()
    for block in function.blocks:
        for at, instruction in enumerate(block.instructions):
            for kind, size in instruction.slots:
                moved = _slots(instruction, size)
                if kind == "Spill":
                    spills += 0 if _is_save(instruction, moved, arch, written) else moved
                else:
                    reloads += 0 if _is_restore(block, at, moved, arch) else moved
            if arch in _SAVED and "Spill" not in instruction.touches:
                written.update(_first_registers(instruction))
    return spills, reloads


def _slots(instruction: Instruction, size: int) -> int:
    """How many registers go between slots and the registers of an instruction that moves `size` bytes so."""
    if instruction.mnemonic not in _PAIRS:
        return 1
    width = _BYTES.get(instruction.operands[:1], size)
    return min(2, max(1, size // width))


def _is_save(instruction: Instruction, moved: int, arch: str, written: set[str]) -> bool:
    saved = [name for name in _saved(instruction, arch) if _wide(name) not in written]
    return len(saved) >= moved


def _is_restore(block: Block, at: int, moved: int, arch: str) -> bool:
    restored = {_wide(name) for name in _saved(block.instructions[at], arch)}
    if len(restored) < moved or block.instructions[-1].mnemonic not in _RETURNS[arch]:
        return False
    read = {_wide(name) for i in block.instructions[at + 1 :] for name in _NAME.findall(_reads(i))}
    return len(restored - read) >= moved


def _saved(instruction: Instruction, arch: str) -> list[str]:
    """The callee-saved registers that a spill slot access moves."""
    if arch not in _SAVED:
        return []
    registers = [part.strip() for part in instruction.operands.split("[")[0].split("(")[0].split(",")]
    return [name for name in registers if _SAVED[arch].fullmatch(name)]


def _first_registers(instruction: Instruction) -> set[str]:
    """What an instruction may write: its first operand, or its first two where it loads a pair; stores write none."""
    if _WRITES_NOTHING.fullmatch(instruction.mnemonic):
        return set()
    count = 2 if instruction.mnemonic.startswith("ldp") else 1
    return {_wide(part.strip()) for part in instruction.operands.split(",")[:count]}


def _reads(instruction: Instruction) -> str:
    """Operands after the first, and all of a store's: what may be read."""
    if instruction.touches and "Reload" in instruction.touches:
        return instruction.operands.partition("[")[2] or instruction.operands.partition("(")[2]
    return instruction.operands


def _wide(name: str) -> str:
    """One name for all widths of an AArch64 register."""
    if match := re.fullmatch(r"[wx](\d+)", name):
        return f"x{match[1]}"
    if match := re.fullmatch(r"[bhsdqvz](\d+)(?:\..*)?", name):
        return f"v{match[1]}"
    return name
