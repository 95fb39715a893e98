"""How often a function's blocks run for one call: LLVM's static estimate, put right where trip counts are known.

Owns the reading of `opt`'s analysis printers and the correction. A block's frequency is that of BlockFrequencyInfo
(entry 1), times, for each of its loops whose trip count scalar evolution knows, that count over the one the estimate
implies (32 where nothing is known, from a back edge of 97 %; Wu and Larus 1994 as LLVM has it).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from costmodel.core.errors import ToolchainError
from costmodel.toolchain.tools import Tool

TIMEOUT_S = 120.0
_PASSES = "print<block-freq>,print<branch-prob>,print<loops>,print<scalar-evolution>"

_SECTION = re.compile(
    r"^(?:block-frequency-info: (?P<bfi>\S+)"
    r"|Printing analysis 'Branch Probability Analysis' for function '(?P<bpi>[^']+)':"
    r"|Loop info for function '(?P<loops>[^']+)':|Determining loop execution counts for: @(?P<scev>\S+))$"
)
_FREQUENCY = re.compile(r"^ - (.*): float = ([\d.e+-]+),")
_EDGE = re.compile(r"^  edge %(\S+) -> %(\S+) probability is 0x([0-9a-f]+) / 0x([0-9a-f]+)")
_LOOP = re.compile(r"^\s*Loop at depth \d+ containing: (.*)$")
_COUNT = re.compile(r"^Loop %(\S+): backedge-taken count is i\d+ (\d+)$")


@dataclass(slots=True, kw_only=True)
class _Facts:
    """What the printers say of one function. `loops`: header to the blocks of its loop."""

    frequency: dict[str, float] = field(default_factory=dict)
    edges: list[tuple[str, str, float]] = field(default_factory=list)
    loops: dict[str, frozenset[str]] = field(default_factory=dict)
    trips: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequencies:
    """Of one function: block name to executions for one call, edge to its share of those of the block it leaves."""

    blocks: Mapping[str, float] = field(default_factory=dict)
    edges: Mapping[tuple[str, str], float] = field(default_factory=dict)


def block_frequencies(opt: Tool, bitcode: bytes) -> dict[str, Frequencies]:
    """By function; raises `ToolchainError` where `opt` fails."""
    command = [
        str(opt.path), "-disable-output", "-scalar-evolution-classify-expressions=0", f"-passes={_PASSES}", "-",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, input=bitcode, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"timeout: opt did not print block frequencies within {TIMEOUT_S:.0f} s") from error
    text = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        raise ToolchainError(f"opt fails on optimised code: {' '.join(text.split())[-200:]}")
    return {
        name: Frequencies(blocks=_corrected(facts), edges={(a, b): share for a, b, share in facts.edges})
        for name, facts in _read(text).items()
    }


def _read(text: str) -> dict[str, _Facts]:
    facts: dict[str, _Facts] = {}
    kind, current = "", _Facts()
    for line in text.splitlines():
        if head := _SECTION.match(line):
            kind = head.lastgroup or ""
            current = facts.setdefault(head[kind], _Facts())
        elif kind == "bfi" and (found := _FREQUENCY.match(line)):
            current.frequency[found[1]] = float(found[2])
        elif kind == "bpi" and (found := _EDGE.match(line)):
            current.edges.append((found[1], found[2], int(found[3], 16) / int(found[4], 16)))
        elif kind == "loops" and (found := _LOOP.match(line)):
            _add_loop(current, found[1])
        elif kind == "scev" and (found := _COUNT.match(line)):
            current.trips[found[1]] = int(found[2]) + 1
    return facts


def _add_loop(facts: _Facts, listed: str) -> None:
    blocks = [part.lstrip("%") for part in listed.split(",")]
    names = [re.sub(r"<(?:header|latch|exiting)>", "", block) for block in blocks]
    header = next((name for name, block in zip(names, blocks, strict=True) if "<header>" in block), names[0])
    facts.loops[header] = frozenset(names)


def _corrected(facts: _Facts) -> dict[str, float]:
    frequency: Mapping[str, float] = facts.frequency
    result = dict(frequency)
    for header, trips in facts.trips.items():
        blocks = facts.loops.get(header, frozenset())
        entered = sum(frequency.get(a, 0.0) * p for a, b, p in facts.edges if b == header and a not in blocks)
        implied = frequency.get(header, 0.0) / entered if entered > 0 else 0.0
        if implied > 0:
            for block in blocks:
                result[block] = result.get(block, 0.0) * trips / implied
    return result
