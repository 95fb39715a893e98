"""`ptxas`: registers, spills, stack, shared memory and occupancy of NVPTX code, as `ptxas -v` reports them.

Needs ptxas (Triton's wheel carries one). Code comes as PTX from the wheel's LLVM. Spills and reloads are ptxas' bytes
over 4: registers of 32 bits. Occupancy is computed for blocks of 256 threads where the kernel does not say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from costmodel.core.target import Target
from costmodel.datasets.labellers import Answer, Value
from costmodel.datasets.labellers.compiled import Compiled
from costmodel.toolchain.occupancy import THREADS_DEFAULT, nvidia_occupancy
from costmodel.toolchain.ptxas import REMEDY, PtxRefusedError, PtxUsage, ptxas_usage_of, ptxas_version

_METRICS = ("registers_general", "registers_vector", "spills", "reloads", "stack_bytes", "shared_bytes", "occupancy")
_EXTERN = re.compile(r"^\.extern \.func\s+(?:\([^\n]*\)\s*)?([\w$.]+)", re.MULTILINE)
_THREADS = re.compile(r"^\.(?:req|max)ntid\s+(\d+)(?:,\s*(\d+))?(?:,\s*(\d+))?", re.MULTILINE)
_REGISTER_BYTES = 4
_BUILT_IN = frozenset({"malloc", "free", "vprintf", "__assertfail"})
"""What CUDA's device runtime defines."""


class PtxasLabeller:
    """Registers and spills of kernels on NVIDIA GPUs, without a GPU."""

    needs = f"ptxas: {REMEDY}"
    default = True
    measures = False
    gives: ClassVar[Mapping[str, tuple[str, ...]]] = {"nvptx64": _METRICS}

    def version(self, target: Target) -> str | None:
        """The release of the ptxas that knows the target's processor."""
        return ptxas_version(target.cpu)

    def label(self, functions: Sequence[Compiled], target: Target) -> list[Answer]:
        """See `Labeller.label`; entries of several units get a number, so that one process takes them all."""
        units = list({id(function.unit): function.unit for function in functions}.values())
        number = {id(unit): index for index, unit in enumerate(units)}
        texts = [_numbered(unit.assembly, index) for index, unit in enumerate(units)]
        usage: dict[str, PtxUsage] = {}
        refused: dict[int, str] = {}
        for relocatable in (False, True):
            some = {index: text for index, text in enumerate(texts) if bool(_outside(text)) is relocatable}
            usage.update(_assemble(some, target.cpu, relocatable, refused))
        answers: list[Answer] = []
        for function in functions:
            index = number[id(function.unit)]
            if index in refused:
                cause = Value(cause=f"compile_error: ptxas refuses the module: {refused[index]}")
                answers.append(dict.fromkeys(_METRICS, cause))
            else:
                answers.append(_answer(function, usage.get(_name(function.name, index)), target))
        return answers


def _assemble(texts: dict[int, str], arch: str, relocatable: bool, refused: dict[int, str]) -> dict[str, PtxUsage]:
    """Usage by entry; files that ptxas names as wrong go to `refused`, and the rest is tried again."""
    left = dict(texts)
    while left:
        indices = list(left)
        try:
            return ptxas_usage_of(list(left.values()), arch, relocatable=relocatable)
        except PtxRefusedError as error:
            if not error.files:
                raise
            for at, said in error.files.items():
                refused[indices[at]] = said[:200]
                del left[indices[at]]
    return {}


def _name(name: str, index: int) -> str:
    return f"{name}__u{index}"


def _numbered(ptx: str, index: int) -> str:
    """Entries get the unit's number, and globals become the file's own."""
    renamed = re.sub(r"(\.entry )([\w$]+)", lambda match: match[1] + _name(match[2], index), ptx)
    return re.sub(r"^\.visible (\.global|\.const|\.shared)", r"\1", renamed, flags=re.MULTILINE)


def _answer(function: Compiled, usage: PtxUsage | None, target: Target) -> Answer:
    asm = function.asm
    if usage is None or asm is None:
        return dict.fromkeys(_METRICS, Value(cause="unsupported: ptxas says nothing of the function"))
    outside = _calls_outside(function)
    if outside:
        cause = Value(cause=f"unsupported: calls {outside[0]}, which the module does not define")
        return dict.fromkeys(_METRICS, cause)
    threads = _threads(function)
    occupancy = nvidia_occupancy(
        target.cpu, registers=usage.registers, shared_bytes=usage.shared_bytes, threads=threads
    )
    unknown = Value(cause=f"unsupported: the limits of {target.cpu} are not known")
    return {
        "registers_general": Value(value=float(usage.registers)),
        "registers_vector": Value(value=float(usage.registers)),
        "spills": Value(value=usage.spill_stores_bytes / _REGISTER_BYTES),
        "reloads": Value(value=usage.spill_loads_bytes / _REGISTER_BYTES),
        "stack_bytes": Value(value=float(usage.stack_bytes)),
        "shared_bytes": Value(value=float(usage.shared_bytes)),
        "occupancy": unknown if occupancy is None else Value(value=occupancy),
    }


def _calls_outside(function: Compiled) -> list[str]:
    asm = function.asm
    assert asm is not None
    operands = " ".join(i.operands for i in asm.instructions if i.mnemonic.startswith("call"))
    names = re.findall(r"[\w$.]+", operands)
    return sorted(_outside(function.unit.assembly).intersection(names))


def _outside(ptx: str) -> set[str]:
    """Functions that a file declares, does not define, and the runtime does not either."""
    return set(_EXTERN.findall(ptx)) - _BUILT_IN


def _threads(function: Compiled) -> int:
    """Threads of a block as the entry's head says."""
    head = function.unit.assembly.partition(f".entry {function.name}(")[2].partition("{")[0]
    found = _THREADS.search(head)
    if found is None:
        return THREADS_DEFAULT
    x, y, z = (int(part) if part else 1 for part in found.groups())
    return x * y * z
