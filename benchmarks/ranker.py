"""Collect schedule measurements on this machine, and train the ranker that ships from them.

    python benchmarks/ranker.py collect --out measurements.jsonl --workloads 144 --schedules 48 --seed 1
    python benchmarks/ranker.py train --data measurements.jsonl --out costmodel/models/shipped

`collect` draws workloads of every family in `costmodel.datasets.linalg`, and for each the heuristic schedule, uniform
schedules, and mutants of the best so far; it appends, and goes on where it was stopped. `train` holds a
quarter of the families out in turn for the figures in the card, then trains on everything.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.core.target import Target
from costmodel.datasets.linalg import FAMILIES, draw_sizes
from costmodel.ir.mlir import parse_generic
from costmodel.search.backends import BACKENDS
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.partition import KernelCall, partition
from costmodel.search.kernel.printing import workload_id
from costmodel.search.kernel.read import read_function
from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.trial import MeasureSpec
from costmodel.search.schedule.text import parse_schedule
from costmodel.search.space import Candidate, SearchSpace, build_space
from costmodel.search.space.heuristic import heuristic_schedule
from costmodel.search.space.inverse import candidate_of
from costmodel.toolchain.isolation import call_isolated

UNIFORM = 2 / 3
BATCH = 8


def kernel_of(text: str) -> Kernel:
    """The first kernel of a generated function."""
    normal = call_isolated("costmodel.toolchain.normalize:normalize_linalg", text)
    graph = read_function(parse_generic(str(normal)).body[0])
    return next(s.kernel for s in partition(graph).steps if isinstance(s, KernelCall))


def draws(count: int, seed: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Workloads in a fixed order, families in turn."""
    rng = np.random.default_rng(seed)
    names = sorted(FAMILIES)
    for i in range(count):
        name = names[i % len(names)]
        yield name, draw_sizes(name, rng)


def propose(space: SearchSpace, measured: dict[str, float], seen: set[str], rng: np.random.Generator) -> list[str]:
    """A batch of new schedules: uniform, or mutants of the best measured."""
    best = [candidate_of(space, parse_schedule(t)) for t in sorted(measured, key=measured.__getitem__)[:6]]
    parents: list[Candidate] = [c for c in best if c is not None]
    found: list[str] = []
    for _ in range(40 * BATCH):
        if len(found) == BATCH:
            break
        uniform = rng.random() < UNIFORM or not parents
        candidate = space.sample(rng) if uniform else space.mutate(parents[int(rng.integers(len(parents)))], rng)
        text = str(space.schedule(candidate))
        if text not in seen:
            seen.add(text)
            found.append(text)
    return found


def measured_rows(
    measurer: Measurer, kernel: Kernel, schedules: int, rng: np.random.Generator
) -> Iterator[dict[str, object]]:
    """Search one workload; one row for each measurement."""
    space = build_space(kernel, measurer.target)
    measured: dict[str, float] = {}
    batch, total = [str(heuristic_schedule(space))], 0
    seen = set(batch)
    while batch and total < schedules:
        for trial in measurer.measure(kernel, batch):
            total += 1
            if trial.ok and trial.runtime_s is not None:
                measured[trial.schedule] = trial.runtime_s
            yield {
                "workload_id": workload_id(kernel), "family": kernel.family, "schedule": trial.schedule,
                "status": trial.status, "samples_s": [float(f"{s:.4g}") for s in trial.samples_s[:10]],
                "runtime_s": trial.runtime_s,
            }  # fmt: skip
        batch = propose(space, measured, seen, rng)[: max(0, schedules - total)]


def collect(args: argparse.Namespace) -> None:
    """Measure and append; workloads already in the file are passed over."""
    out = Path(args.out)
    done = {json.loads(line)["workload_id"] for line in out.read_text().splitlines()} if out.exists() else set()
    spec = MeasureSpec(budget_s=0.06, min_samples=5, max_samples=40)
    start = time.monotonic()
    backend, target = BACKENDS.get("mlir")(), Target.parse("native")
    with Measurer(backend, target, seed=args.seed, spec=spec) as measurer, out.open("a") as file:
        for number, (family, sizes) in enumerate(draws(args.workloads, args.seed)):
            kernel = kernel_of(FAMILIES[family].text(sizes))
            key = workload_id(kernel)
            if key in done:
                continue
            done.add(key)
            runtimes_s = []
            for row in measured_rows(measurer, kernel, args.schedules, np.random.default_rng([args.seed, number])):
                file.write(json.dumps({"generator": family, "sizes": sizes, **row}) + "\n")
                if row["runtime_s"] is not None:
                    runtimes_s.append(row["runtime_s"])
            file.flush()
            rate = (time.monotonic() - start) / (number + 1)
            best = min(runtimes_s, default=float("nan"))
            print(f"{number} {family} {sizes}: best {best:.3g} s; {rate:.1f} s a workload", file=sys.stderr, flush=True)


def train(args: argparse.Namespace) -> None:
    """Cross-validate over families, train on all, write checkpoints and the card."""
    from ranker_training import kept_rows, load_rows, train_rankers

    def read() -> Any:
        return load_rows([Path(p) for p in args.data], kernel_of)

    rows = kept_rows(Path(args.rows), read) if args.rows else read()
    figures = train_rankers(rows, Path(args.out) if args.out else None, args.seed, args.jobs)
    print(json.dumps(figures, indent=1))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("collect")
    one.add_argument("--out", required=True)
    one.add_argument("--workloads", type=int, default=144)
    one.add_argument("--schedules", type=int, default=48)
    one.add_argument("--seed", type=int, default=1)
    two = commands.add_parser("train")
    two.add_argument("--data", nargs="+", required=True)
    two.add_argument("--out")
    two.add_argument("--seed", type=int, default=0)
    two.add_argument("--rows", help="an .npz file that keeps the features, to train again without computing them")
    two.add_argument("--jobs", type=int, default=1, help="families held out at a time")
    args = parser.parse_args()
    collect(args) if args.command == "collect" else train(args)


if __name__ == "__main__":
    main()
