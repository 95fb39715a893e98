"""Distinct physical registers that a function's assembly names, by class.

Owns the aliasing of register names: a narrower name counts as the register it is part of. General means integer
registers without stack pointer, program counter, zero and flags; vector means the file that holds floats and vectors
(masks and predicates excluded).
"""

from __future__ import annotations

import re

from costmodel.datasets.labellers.assembly import AsmFunction

_X86_LEGACY = {
    **dict.fromkeys(("rax", "eax", "ax", "al", "ah"), "a"),
    **dict.fromkeys(("rbx", "ebx", "bx", "bl", "bh"), "b"),
    **dict.fromkeys(("rcx", "ecx", "cx", "cl", "ch"), "c"),
    **dict.fromkeys(("rdx", "edx", "dx", "dl", "dh"), "d"),
    **dict.fromkeys(("rsi", "esi", "si", "sil"), "si"),
    **dict.fromkeys(("rdi", "edi", "di", "dil"), "di"),
    **dict.fromkeys(("rbp", "ebp", "bp", "bpl"), "bp"),
}
_X86_VECTOR = re.compile(r"%[xyz]mm(\d+)")
_X86_GENERAL = re.compile(r"%(r\d+|[re]?[abcd]x|[abcd][lh]|[re]?(?:si|di|bp)|(?:si|di|bp)l)")
_AARCH64_VECTOR = re.compile(r"(?<![\w.$%])[bhsdqvz](\d{1,2})(?![\w$])")
_AARCH64_GENERAL = re.compile(r"(?<![\w.$%])[wx](\d{1,2})(?![\w$])")
_RISCV_VECTOR = re.compile(r"(?<![\w.$%])(v\d{1,2}|f(?:t|s|a)\d{1,2})(?![\w$])")
_RISCV_GENERAL = re.compile(r"(?<![\w.$%])(ra|gp|tp|[sat]\d{1,2})(?![\w$])")


def count_registers(function: AsmFunction, arch: str) -> tuple[int, int]:
    """Vector and general registers that `function` names."""
    text = "\n".join(instruction.operands for instruction in function.instructions)
    if arch == "x86-64":
        general = {_X86_LEGACY.get(name) or name.rstrip("bwd") for name in _X86_GENERAL.findall(text)}
        return len(set(_X86_VECTOR.findall(text))), len(general)
    if arch == "aarch64":
        return len(set(_AARCH64_VECTOR.findall(text))), len(set(_AARCH64_GENERAL.findall(text)))
    return len(set(_RISCV_VECTOR.findall(text))), len(set(_RISCV_GENERAL.findall(text)))
