"""How fast data sets are generated: rows and configurations a second, with the cache empty.

    python benchmarks/generation.py --out benchmarks/results/generation.json

For each generator, some items of every family through as many workers as there are cores, nothing cached, the workers'
start included. A Triton item is a configuration for three GPUs: `configurations_per_s` counts each GPU's compilation,
labels included (`ptxas -v`, AMD metadata). The bar is 2 a second on 2 cores.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from pathlib import Path

from _common import Json, header, write

from costmodel.datasets.generators import GENERATORS
from costmodel.datasets.generators.base import Options
from costmodel.datasets.generators.run import make

COUNTS = {"triton": 340, "linalg": 900, "zoo": 60}
QUICK = {"triton": 10, "linalg": 9, "zoo": 1}


def measured(name: str, count: int, seed: int, jobs: int, families: int | None) -> Json:
    """One generator."""
    generator = GENERATORS.get(name)(Options())
    items = generator.draw(generator.families()[:families], count, seed)
    compilations = sum(len(dict(item.spec).get("targets", ("",))) for item in items)  # type: ignore[arg-type]
    begin_s, cpu_s = time.perf_counter(), _children_s()
    made = make(items, jobs=jobs, preload=generator.preload)
    wall_s = time.perf_counter() - begin_s
    return {
        "items": len(items), "rows": len(made.functions), "labels": len(made.labels), "failed": made.dropped.total(),
        "wall_s": round(wall_s, 2), "cpu_s": round(_children_s() - cpu_s, 2),
        "configurations_per_s": round(compilations / wall_s, 3), "rows_per_s": round(len(made.functions) / wall_s, 2),
        "levels": dict(sorted(Counter(row.level for row in made.functions).items())),
    }  # fmt: skip


def _children_s() -> float:
    """Processor seconds of processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--quick", action="store_true", help="seconds; shows only that it works")
    args = parser.parse_args()
    found = {}
    for name, count in (QUICK if args.quick else COUNTS).items():
        found[name] = measured(name, count, args.seed, args.jobs, 2 if args.quick else None)
        print(name, found[name], flush=True)
    document = header("generation", [args.seed], "triton", "torch", "torch-mlir", "llvmlite")
    write(args.out, {**document, "workers": args.jobs, "load_average_after": os.getloadavg()[0], "generators": found})


if __name__ == "__main__":
    main()
