"""`llvmlite`: what the wheel's LLVM says in verbose assembly and in the object, for all five architectures.

Source: LLVM's AsmPrinter comments (`4-byte Spill`, `; NumVgprs: …`), its frame size diagnostic, ELF symbol sizes.
Needs the wheel alone. Definitions are those of docs/labels.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from costmodel.core.target import Target
from costmodel.datasets.labellers import Answer, Value
from costmodel.datasets.labellers.assembly import AsmFunction
from costmodel.datasets.labellers.compiled import Compiled
from costmodel.datasets.labellers.registers import count_registers
from costmodel.datasets.labellers.spills import count_spills
from costmodel.datasets.labellers.waves import most_waves
from costmodel.toolchain.retarget import binding
from costmodel.toolchain.tools import wheel_version

_CPU = ("registers_vector", "registers_general", "spills", "reloads", "stack_bytes", "instructions", "code_bytes")
_AMDGPU = {
    "registers_vector": "TotalNumVgprs",
    "registers_general": "TotalNumSgprs",
    "stack_bytes": "ScratchSize",
    "shared_bytes": "LDSByteSize",
    "occupancy": "Occupancy",
}
"""Metric to the comment that AMDGPU's printer writes after a kernel."""


class LlvmliteLabeller:
    """Spills, registers, frames, instructions and code size from the wheel alone."""

    needs = "llvmlite (pip install costmodel-ir)"
    default = True
    measures = False
    gives: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "x86-64": _CPU,
        "aarch64": _CPU,
        "riscv64": _CPU,
        "nvptx64": ("instructions",),
        "amdgcn": (*_AMDGPU, "spills", "reloads", "instructions", "code_bytes"),
    }

    def version(self, target: Target) -> str | None:
        """The wheel's version and its LLVM's."""
        version = wheel_version("llvmlite")
        return f"{version} (LLVM {'.'.join(map(str, binding().llvm_version_info))})" if version else None

    def label(self, functions: Sequence[Compiled], target: Target) -> list[Answer]:
        """See `Labeller.label`."""
        return [self._one(function, target) for function in functions]

    def _one(self, function: Compiled, target: Target) -> Answer:
        asm = function.asm
        if asm is None:
            cause = Value(cause="unsupported: LLVM printed no code for the function")
            return dict.fromkeys(self.gives[target.arch], cause)
        numbers: dict[str, float] = {"instructions": sum(1 for _ in asm.instructions)}
        if target.arch == "nvptx64":
            return {name: Value(value=float(value)) for name, value in numbers.items()}
        numbers["code_bytes"] = _code_bytes(function, asm)
        numbers["spills"], numbers["reloads"] = count_spills(asm, target.arch)
        if target.arch == "amdgcn":
            numbers["spills"] = _spilled_registers(function.unit.assembly, function.name)
            return {**{name: Value(value=float(value)) for name, value in numbers.items()}, **_amdgpu(asm, target)}
        numbers["registers_vector"], numbers["registers_general"] = count_registers(asm, target.arch)
        numbers["stack_bytes"] = function.unit.frames.get(function.name, 0)
        return {name: Value(value=float(value)) for name, value in numbers.items()}


def _code_bytes(function: Compiled, asm: AsmFunction) -> int:
    """The symbol's size: AMDGPU's printer says it, which saves generating code once more for an object."""
    printed = re.search(r"^codeLenInByte\s*=\s*(\d+)$", asm.notes, re.MULTILINE)
    return int(printed[1]) if printed else function.unit.code_bytes[function.name]


def _spilled_registers(assembly: str, name: str) -> int:
    """Registers spilled, scalar and vector, by the metadata of the kernel."""
    for kernel in assembly.partition("\namdhsa.kernels:")[2].split("\n  - ")[1:]:
        if re.search(rf"^    \.name: +'?{re.escape(name)}'?$", kernel, re.MULTILINE):
            return sum(int(count) for count in re.findall(r"\.[sv]gpr_spill_count: +(\d+)", kernel))
    return 0


def _amdgpu(asm: AsmFunction, target: Target) -> Answer:
    answers = {}
    for metric, note in _AMDGPU.items():
        found = re.search(rf"^{note}: (.+)$", asm.notes, re.MULTILINE)
        number = re.match(r"\d+\b", found[1]) if found else None
        if number is None:
            said = found[1] if found else "nothing"
            answers[metric] = Value(cause=f"unsupported: depends on functions outside the module ({note}: {said[:60]})")
            continue
        value = float(number[0])
        answers[metric] = Value(value=value / most_waves(target.cpu) if metric == "occupancy" else value)
    return answers
