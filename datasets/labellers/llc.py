"""`llc`: the register allocator's, prologue inserter's and assembly printer's own remarks; resource usage on AMDGPU.

Needs llc of LLVM 22: the wheel's knows x86 and AArch64, apt's RISC-V and AMDGPU too. Spills and reloads are those at
the end of register allocation, folded ones included; later passes may remove some, so `llvmlite`, which reads the
final code, may see fewer.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from costmodel.core.errors import ToolchainError
from costmodel.core.target import Target
from costmodel.datasets.labellers import Answer, Value
from costmodel.datasets.labellers.compiled import Compiled
from costmodel.datasets.labellers.linked import linked_bitcode, linked_name, units_of
from costmodel.datasets.labellers.waves import most_waves
from costmodel.toolchain.remarks import Remark, parse_remarks
from costmodel.toolchain.tools import APT_LINE, Tool, find_tool_for

TIMEOUT_S = 120.0
_CPU = ("spills", "reloads", "stack_bytes", "instructions")
_GPU = ("registers_vector", "registers_general", "spills", "stack_bytes", "shared_bytes", "occupancy", "instructions")
_FILTER = "regalloc|asm-printer|prologepilog|kernel-resource-usage"
_SPILLS = ("NumSpills", "NumFoldedSpills")
_RELOADS = ("NumReloads", "NumFoldedReloads", "NumZeroCostFoldedReloads")
_USAGE = {
    "NumVGPR": "registers_vector",
    "NumSGPR": "registers_general",
    "ScratchSize": "stack_bytes",
    "BytesLDS": "shared_bytes",
    "Occupancy": "occupancy",
}


class LlcLabeller:
    """Remarks of LLVM's code generator."""

    needs = f"llc of LLVM 22 that knows the architecture: {APT_LINE}"
    default = False
    measures = False
    gives: ClassVar[Mapping[str, tuple[str, ...]]] = {"x86-64": _CPU, "aarch64": _CPU, "riscv64": _CPU, "amdgcn": _GPU}

    def version(self, target: Target) -> str | None:
        """LLVM's version, if there is an llc that knows the architecture."""
        tool = find_llc(target.arch)
        return f"LLVM {tool.version}" if tool else None

    def label(self, functions: Sequence[Compiled], target: Target) -> list[Answer]:
        """See `Labeller.label`."""
        tool = find_llc(target.arch)
        if tool is None:
            raise ToolchainError(f"llc for {target.arch} is gone; {APT_LINE}")
        units = units_of(functions)
        number = {id(unit): index for index, unit in enumerate(units)}
        remarks: dict[str, list[Remark]] = {}
        for remark in parse_remarks(_run(tool, linked_bitcode(units), target)):
            remarks.setdefault(remark.function, []).append(remark)
        names = [linked_name(function.name, number[id(function.unit)]) for function in functions]
        read = _gpu_answer if target.is_gpu else _cpu_answer
        return [read(remarks.get(name, []), target) for name in names]


def find_llc(arch: str) -> Tool | None:
    """An llc whose build knows `arch`."""
    return find_tool_for("llc", arch)


def _run(tool: Tool, bitcode: bytes, target: Target) -> str:
    with tempfile.TemporaryDirectory(prefix="costmodel-llc-") as scratch:
        output = Path(scratch) / "remarks.yaml"
        features = target.llvm_features()
        command = [
            str(tool.path), "-O3", f"-mtriple={target.triple}", f"-mcpu={target.llvm_cpu}", "-relocation-model=pic",
            "-filetype=obj", "-o", str(Path(scratch) / "out.o"), f"-pass-remarks-output={output}",
            f"-pass-remarks-filter={_FILTER}", *([f"-mattr={features}"] if features else []),
            *(["-pass-remarks-analysis=kernel-resource-usage"] if target.is_gpu else []), "-",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, input=bitcode, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise ToolchainError(f"timeout: llc did not end within {TIMEOUT_S:.0f} s") from error
        if done.returncode != 0:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise ToolchainError(f"llc fails for {target.name} with status {done.returncode}: {said[:200]}")
        return output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""


def _cpu_answer(remarks: Sequence[Remark], target: Target) -> Answer:
    if not any(remark.pass_name == "asm-printer" for remark in remarks):
        return dict.fromkeys(_CPU, Value(cause="unsupported: llc says nothing of the function"))
    spilling = [remark.numbers for remark in remarks if remark.name == "SpillReloadCopies"]
    frames = [remark.numbers.get("NumStackBytes", 0) for remark in remarks if remark.name == "StackSize"]
    counts = [remark.numbers.get("NumInstructions", 0) for remark in remarks if remark.name == "InstructionCount"]
    return {
        "spills": Value(value=float(sum(numbers.get(key, 0) for numbers in spilling for key in _SPILLS))),
        "reloads": Value(value=float(sum(numbers.get(key, 0) for numbers in spilling for key in _RELOADS))),
        "stack_bytes": Value(value=float(sum(frames))),
        "instructions": Value(value=float(sum(counts))),
    }


def _gpu_answer(remarks: Sequence[Remark], target: Target) -> Answer:
    usage = {
        key: number
        for remark in remarks
        if remark.pass_name == "kernel-resource-usage"
        for key, number in remark.numbers.items()
    }
    cause = Value(cause="unsupported: llc says nothing of the kernel, or what it takes depends on other functions")
    answer = {metric: Value(value=float(usage[key])) if key in usage else cause for key, metric in _USAGE.items()}
    if "Occupancy" in usage:
        answer["occupancy"] = Value(value=usage["Occupancy"] / most_waves(target.cpu))
    spilled = [usage[key] for key in ("SGPRSpill", "VGPRSpill") if key in usage]
    answer["spills"] = Value(value=float(sum(spilled))) if spilled else cause
    counts = [remark.numbers.get("NumInstructions", 0) for remark in remarks if remark.name == "InstructionCount"]
    answer["instructions"] = Value(value=float(sum(counts))) if counts else cause
    return answer
