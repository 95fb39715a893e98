"""`llvm-mca`: cycles, IPC and use of the execution units, from LLVM's scheduling models.

A static model: no caches, no branch misses, no store forwarding. Each block is a region that is repeated 100 times, or
10 times where it is long enough to fill the machine by itself (over 256 instructions); its cycles for one repetition
count as often as the block runs (`executions`). For a loop of one block that is llvm-mca's own reading of the loop.
Needs llvm-mca and opt of LLVM 22: the wheel's know x86 and AArch64, apt's RISC-V too.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from costmodel.core.errors import ToolchainError
from costmodel.core.target import Target
from costmodel.datasets.labellers import Answer, Value
from costmodel.datasets.labellers.assembly import COMMENT, Block
from costmodel.datasets.labellers.causes import cause_of
from costmodel.datasets.labellers.compiled import Compiled
from costmodel.datasets.labellers.executions import executions
from costmodel.datasets.labellers.frequencies import Frequencies, block_frequencies
from costmodel.datasets.labellers.linked import linked_bitcode, linked_name, units_of
from costmodel.datasets.labellers.vtype import vector_marks
from costmodel.toolchain.tools import APT_LINE, Tool, find_tool, find_tool_for

ITERATIONS = 100
LONG_BLOCK = 256
LONG_ITERATIONS = 10
_RULE = 4
"""Part of the tool's version: labels of other rules (blocks, executions, vector types) are not taken for these."""
TIMEOUT_S = 120.0
_METRICS = ("cycles", "ipc", "port_utilisation", "port_utilisation_mean")
_CALLS = re.compile(r"callq?|bl|blr|blraa|jalr?|tail")
_UNKNOWN = re.compile(r"error: (.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    """One repetition of a block: cycles, instructions, and cycles that each unit is busy."""

    cycles: float
    instructions: int
    busy: Mapping[int, float]


class McaLabeller:
    """Cycles, IPC and unit pressure by static simulation."""

    needs = f"llvm-mca of LLVM 22 that knows the architecture: {APT_LINE}"
    default = True
    measures = False
    gives: ClassVar[Mapping[str, tuple[str, ...]]] = {"x86-64": _METRICS, "aarch64": _METRICS, "riscv64": _METRICS}

    def version(self, target: Target) -> str | None:
        """LLVM's version, if there is an llvm-mca that knows the architecture, and an opt."""
        tool = find_mca(target.arch)
        return f"LLVM {tool.version}, regions {_RULE}" if tool and find_tool("opt") else None

    def label(self, functions: Sequence[Compiled], target: Target) -> list[Answer]:
        """See `Labeller.label`."""
        mca, opt = find_mca(target.arch), find_tool("opt")
        if mca is None or opt is None:
            raise ToolchainError(f"llvm-mca for {target.arch} is gone; {APT_LINE}")
        units = units_of(functions)
        number = {id(unit): index for index, unit in enumerate(units)}
        frequencies = block_frequencies(opt, linked_bitcode(units))
        refused = [_refused(function) for function in functions]
        regions = _regions(
            mca,
            {
                index: [block for block in function.asm.blocks if block.instructions]
                for index, function in enumerate(functions)
                if refused[index] is None and function.asm is not None
            },
            target,
        )
        return [
            _answer(refused[index], frequencies.get(name, Frequencies()), regions.get(index, ()))
            for index, function in enumerate(functions)
            for name in [linked_name(function.name, number[id(function.unit)])]
        ]


def find_mca(arch: str) -> Tool | None:
    """An llvm-mca whose build knows `arch`: the first that `find_tool` finds, else apt's."""
    return find_tool_for("llvm-mca", arch)


def _refused(function: Compiled) -> str | None:
    if function.asm is None:
        return "unsupported: LLVM printed no code for the function"
    for block in function.asm.blocks:
        for instruction in block.instructions:
            if block.loops and _CALLS.fullmatch(instruction.mnemonic):
                return f"unsupported: a loop calls {instruction.operands or 'a function'}, which llvm-mca does not see"
    return None


def _regions(
    mca: Tool, blocks: Mapping[int, Sequence[Block]], target: Target
) -> dict[int, Sequence[tuple[Block, _Region]] | str]:
    """Function to its blocks as simulated, or the cause; what llvm-mca refuses is found by halves and costs itself."""
    try:
        marks = [mark for part in blocks.values() for mark in _marks(part, target)]
        found = iter(_simulate(mca, [block for part in blocks.values() for block in part], marks, target))
        return {index: [(block, next(found)) for block in part] for index, part in blocks.items()}
    except ToolchainError as error:
        if len(blocks) == 1:
            return dict.fromkeys(blocks, cause_of(error))
    halves = (list(blocks)[: len(blocks) // 2], list(blocks)[len(blocks) // 2 :])
    parts = [_regions(mca, {index: blocks[index] for index in half}, target) for half in halves]
    return {**parts[0], **parts[1]}


def _marks(blocks: Sequence[Block], target: Target) -> list[tuple[str, ...]]:
    return vector_marks(blocks) if target.arch == "riscv64" else [()] * len(blocks)


def _simulate(mca: Tool, blocks: Sequence[Block], marks: Sequence[tuple[str, ...]], target: Target) -> list[_Region]:
    """Blocks in their order; one process for the short ones and one for the long."""
    found: dict[int, _Region] = {}
    for iterations in (ITERATIONS, LONG_ITERATIONS):
        mine = [
            i for i, b in enumerate(blocks) if (len(b.instructions) > LONG_BLOCK) == (iterations == LONG_ITERATIONS)
        ]
        regions = _simulate_alike(mca, [blocks[i] for i in mine], [marks[i] for i in mine], target, iterations)
        found.update(zip(mine, regions, strict=True))
    return [found[i] for i in range(len(blocks))]


def _simulate_alike(
    mca: Tool, blocks: Sequence[Block], marks: Sequence[tuple[str, ...]], target: Target, iterations: int
) -> list[_Region]:
    if not blocks:
        return []
    mark = COMMENT[target.arch]
    lines: list[str] = [".text"]
    for index, block in enumerate(blocks):
        lines += [f"{mark} {own}" for own in (f"LLVM-MCA-BEGIN r{index}", *marks[index])]
        lines += [f"\t{instruction.text}" for instruction in block.instructions]
        lines.append(f"{mark} LLVM-MCA-END")
    features = target.llvm_features()
    command = [
        str(mca.path), f"-mtriple={target.triple}", f"-mcpu={target.llvm_cpu}", f"-iterations={iterations}", "-json",
        "-instruction-info=0", "-call-latency=1", *([f"-mattr={features}"] if features else []), "-",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"timeout: llvm-mca did not end within {TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        said = _UNKNOWN.search(done.stderr)
        raise ToolchainError(f"llvm-mca refuses the code for {target.name}: {(said[1] if said else done.stderr)[:200]}")
    try:
        read = json.loads(done.stdout)["CodeRegions"]
    except (ValueError, KeyError) as error:
        raise ToolchainError(f"llvm-mca printed no JSON that we know: {error}") from error
    regions = {part["Name"]: _region(part) for part in read}
    return [regions[f"r{index}"] for index in range(len(blocks))]


def _region(part: Mapping[str, Any]) -> _Region:
    summary = part["SummaryView"]
    length = len(part["Instructions"])
    pressure = part["ResourcePressureView"]["ResourcePressureInfo"]
    return _Region(
        cycles=summary["TotalCycles"] / summary["Iterations"],
        instructions=length,
        busy={item["ResourceIndex"]: item["ResourceUsage"] for item in pressure if item["InstructionIndex"] == length},
    )


def _answer(refused: str | None, frequencies: Frequencies, regions: Sequence[tuple[Block, _Region]] | str) -> Answer:
    if refused is not None:
        return dict.fromkeys(_METRICS, Value(cause=refused))
    if isinstance(regions, str):
        return dict.fromkeys(_METRICS, Value(cause=regions))
    cycles = instructions = 0.0
    busy: dict[int, float] = {}
    weights = executions([block for block, _ in regions], frequencies)
    for weight, (_, region) in zip(weights, regions, strict=True):
        cycles += weight * region.cycles
        instructions += weight * region.instructions
        for unit, used in region.busy.items():
            busy[unit] = busy.get(unit, 0.0) + weight * used
    if cycles <= 0:
        return dict.fromkeys(_METRICS, Value(cause="unsupported: the function has no instruction that llvm-mca counts"))
    shares = [used / cycles for _, used in sorted(busy.items())]
    return {
        "cycles": Value(value=cycles),
        "ipc": Value(value=instructions / cycles),
        "port_utilisation": Value(value=min(1.0, max(shares, default=0.0))),
        "port_utilisation_mean": Value(value=min(1.0, sum(shares) / len(shares)) if shares else 0.0),
    }
