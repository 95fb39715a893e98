"""Spills and reloads in a function's assembly, saves of callee-saved registers left out.

Owns the rule: LLVM marks every access to a spill slot in a comment, and on AArch64 and RISC-V prologues and epilogues
too. A store of a callee-saved register that nothing wrote before is the prologue's; a load of one, in a block that
returns, that nothing reads after is the epilogue's.
"""

from __future__ import annotations

import re

from costmodel.datasets.labellers.assembly import AsmFunction, Block, Instruction

_SAVED = {
    "aarch64": re.compile(r"(?:x(?:19|2\d|30)|w(?:19|2\d|30)|d(?:8|9|1[0-5])|q(?:8|9|1[0-5])|z(?:8|9|1\d|2[0-3]))"),
    "riscv64": re.compile(r"(?:ra|s\d+|fs\d+)"),
}
_PAIRS = ("stp", "ldp")
_RETURNS = {"aarch64": ("ret", "b", "br", "retaa"), "riscv64": ("ret", "tail", "jr")}
_NAME = re.compile(r"[a-z]+\d+|ra\b")
_WRITES_NOTHING = re.compile(r"st[a-z]*|cmp|cmn|tst|b\..*|b[a-z]*|cbn?z|tbn?z|s[bhwd]|fs[hwd]|vs\w*\.v|j|call|tail|ret")


def count_spills(function: AsmFunction, arch: str) -> tuple[int, int]:
    """Spills and reloads of the register allocator; an instruction that moves a pair counts twice."""
    spills = reloads = 0
    written: set[str] = set()
    for block in function.blocks:
        for at, instruction in enumerate(block.instructions):
            moved = 2 if instruction.mnemonic in _PAIRS else 1
            for kind in instruction.touches:
                if kind == "Spill":
                    spills += 0 if _is_save(instruction, arch, written) else moved
                else:
                    reloads += 0 if _is_restore(block, at, arch) else moved
            if arch in _SAVED and "Spill" not in instruction.touches:
                written.update(_first_registers(instruction))
    return spills, reloads


def _is_save(instruction: Instruction, arch: str, written: set[str]) -> bool:
    saved = _moved(instruction, arch)
    return bool(saved) and not written.intersection(_wide(name) for name in saved)


def _is_restore(block: Block, at: int, arch: str) -> bool:
    restored = _moved(block.instructions[at], arch)
    if not restored or block.instructions[-1].mnemonic not in _RETURNS[arch]:
        return False
    names = {_wide(name) for name in restored}
    later = block.instructions[at + 1 :]
    return not any(names.intersection(map(_wide, _NAME.findall(_reads(i)))) for i in later)


def _moved(instruction: Instruction, arch: str) -> list[str]:
    """The registers a spill slot access moves, if all of them are callee-saved."""
    if arch not in _SAVED:
        return []
    registers = [part.strip() for part in instruction.operands.split("[")[0].split("(")[0].split(",")]
    registers = [name for name in registers if _NAME.fullmatch(name)]
    return registers if all(_SAVED[arch].fullmatch(name) for name in registers) else []


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
