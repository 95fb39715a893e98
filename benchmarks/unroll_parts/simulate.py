"""Loops of real functions under each unroll factor, told by llvm-mca: cycles of one of the loop's own iterations.

Each innermost loop is taken out at the point where LLVM unrolls (pass `costmodel-loops`) and compiled alone. Simulated
is the loop's largest body in the assembler; the copies that the remainder runs through and the way into the loop count
with the trips (`TRIPS` where nobody knows them). A static model: no caches, no branch misses, no front end.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costmodel.core.errors import CostModelError
from costmodel.core.target import Target
from costmodel.datasets.labellers.assembly import COMMENT, AsmFunction, split_functions
from costmodel.toolchain.retarget import print_module, retarget
from unroll_parts.measure import FACTORS, LLVM, Json, run, symbol_bytes

TRIPS = 64
ENTRY_CYCLES = 4.0
"""Of the test whether the unrolled loop runs at all."""
ITERATIONS = 100
MOST_INSTRUCTIONS = 1500
CALLS = frozenset(("callq", "call", "bl", "blr"))
UNROLLER = ",loop-unroll<O3>"


def split_pipeline(target: Target) -> tuple[str, str]:
    """-O3 in front of LLVM's unroller, and from it on."""
    whole = run("opt-22", "-passes=default<O3>", "-print-pipeline-passes", "-disable-output", "/dev/null").strip()
    before, found, after = whole.partition(UNROLLER)
    if not found or before.count("(") - before.count(")") != 1:
        raise SystemExit(f"-O3 of this opt has no {UNROLLER[1:]} in a function pipeline; expected LLVM 22")
    return f"{before})", f"function<eager-inv>({UNROLLER[1:]}{after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A module of loops, optimised up to the unroller, and their numbers by function."""

    module: Path
    numbers: Mapping[str, Json]


def machine(target: Target) -> list[str]:
    """Options of opt and llc."""
    return [f"-mtriple={target.triple}", f"-mcpu={target.llvm_cpu}"]


def take(bitcode: Path, target: Target, plugin: Path, folder: Path) -> Taken | None:
    """The innermost loops of a module made out for a target; none where it cannot be."""
    load = f"-load-pass-plugin={plugin}"
    source, module = folder / "source.ll", folder / "loops.ll"
    try:
        source.write_text(str(retarget(print_module(bitcode.read_bytes(), bitcode.name), target)), encoding="utf-8")
    except CostModelError:
        return None
    before, after = split_pipeline(target)
    try:
        run("opt-22", load, *machine(target), f"-passes={before},costmodel-loops,globaldce", "-S", source, "-o", module)
        printed = run(
            "opt-22", load, *machine(target), f"-passes={after}", "-costmodel-loop-numbers", "-disable-output", module
        )
    except SystemExit:
        return None
    found: dict[str, list[Json]] = {}
    for line in printed.splitlines():
        row = json.loads(line)
        found.setdefault(row["function"], []).append(row)
    return Taken(module=module, numbers={name: rows[0] for name, rows in found.items() if len(rows) == 1})


def compiled(
    taken: Taken, target: Target, factor: str, plugin: Path, folder: Path
) -> tuple[dict[str, AsmFunction], dict[str, int]]:
    """Assembler and code size of the loops under one factor."""
    asked = [] if factor == LLVM else [f"-costmodel-unroll=factor={factor}"]
    made, assembler, obj = folder / "made.bc", folder / "made.s", folder / "made.o"
    load, after = f"-load-pass-plugin={plugin}", split_pipeline(target)[1]
    run("opt-22", load, *machine(target), f"-passes={after}", *asked, taken.module, "-o", made)
    for kind, out in (("asm", assembler), ("obj", obj)):
        run("llc-22", "-O3", *machine(target), "-relocation-model=pic", f"-filetype={kind}", made, "-o", out)
    return split_functions(assembler.read_text(encoding="utf-8"), target.arch), symbol_bytes(obj)


def body(function: AsmFunction) -> list[str] | None:
    """Instructions of the largest innermost loop; none where it calls or there is none."""
    loops: dict[str, list[Any]] = {}
    for block in function.blocks:
        if block.loops:
            loops.setdefault(block.loops[-1], []).extend(block.instructions)
    largest = max(loops.values(), key=len, default=[])
    if not largest or len(largest) > MOST_INSTRUCTIONS or any(i.mnemonic in CALLS for i in largest):
        return None
    return [i.text for i in largest]


def cycles(bodies: Mapping[Any, Sequence[str]], target: Target) -> dict[Any, float]:
    """Cycles of one repetition of each body; those that llvm-mca refuses are absent."""
    if not bodies:
        return {}
    mark, names = COMMENT[target.arch], list(bodies)
    lines = [".text"]
    for i, name in enumerate(names):
        lines += [f"{mark} LLVM-MCA-BEGIN r{i}", *(f"\t{text}" for text in bodies[name]), f"{mark} LLVM-MCA-END"]
    features = target.llvm_features()
    command = ["llvm-mca-22", *machine(target), f"-iterations={ITERATIONS}", "-json",
               "-instruction-info=0", *([f"-mattr={features}"] if features else []), "-"]  # fmt: skip
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    if done.returncode == 0:
        regions = json.loads(done.stdout)["CodeRegions"]
        return {names[int(r["Name"][1:])]: r["SummaryView"]["TotalCycles"] / ITERATIONS for r in regions}
    if len(names) == 1:
        return {}
    half = len(names) // 2
    return {
        k: v for part in (names[:half], names[half:]) for k, v in cycles({n: bodies[n] for n in part}, target).items()
    }


def iteration(factor: int, unrolled: float, single: float, trips: float) -> float:
    """Cycles of one of the loop's own iterations, with the remainder and the way in."""
    if factor == 1:
        return single
    trips = trips or TRIPS
    rest = trips % factor if trips != TRIPS else (factor - 1) / 2
    return ((trips - rest) / factor * unrolled + rest * single + ENTRY_CYCLES) / trips


def labelled(
    bitcode: Path, target: Target, plugin: Path, folder: Path, keep: Sequence[int] | None = None
) -> list[Json]:
    """Rows of one module's loops on one target: cycles of an iteration over those with LLVM's own choice."""
    taken = take(bitcode, target, plugin, folder)
    if taken is None or not taken.numbers:
        return []
    variants = {f: compiled(taken, target, f, plugin, folder) for f in (LLVM, *map(str, FACTORS))}
    bodies = {
        (name, f): text
        for f, (functions, _) in variants.items() if f != LLVM
        for name in taken.numbers if name in functions and (text := body(functions[name])) is not None
    }  # fmt: skip
    found = cycles(bodies, target)
    rows = (_row(name, taken.numbers[name], variants, bodies, found) for name in taken.numbers)
    return [{"module": bitcode.name, "target": target.name, **row} for row in rows if row is not None]


def _row(name: str, loop: Json, variants: Any, bodies: Any, found: Mapping[Any, float]) -> Json | None:
    asm = {
        f: [i.text for i in functions[name].instructions] for f, (functions, _) in variants.items() if name in functions
    }
    if (name, "1") not in found or LLVM not in asm:
        return None
    single, trips = found[name, "1"], loop["numbers"]["trips"]
    each: dict[str, float] = {}
    for f in map(str, FACTORS):
        if (name, f) not in found:
            continue
        undone = f != "1" and asm[f] == asm["1"]
        each[f] = single if undone else iteration(int(f), found[name, f], single, trips)
    own = next((f for f in each if asm[f] == asm[LLVM]), None)
    if own is None or len(each) < 3:
        return None
    return {
        "loop": loop, "llvm": own, "cycles": each[own], "ratios": {f: round(c / each[own], 5) for f, c in each.items()},
        "code_bytes": {f: sizes.get(name) for f, (_, sizes) in variants.items()},
        "spills": {
            f: sum("Spill" in i.comment for i in functions[name].instructions)
            for f, (functions, _) in variants.items()
        },
    }  # fmt: skip
