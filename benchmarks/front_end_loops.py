"""The shipped predictor on scalar loops as a front end hands them over, which LLVM's -O3 vectorises and unrolls.

    python benchmarks/front_end_loops.py [--count 840] [--seed 1] [--targets x86-64/znver4,aarch64/neoverse-v2]

Loops are drawn by the `loops` generator (clang of LLVM 22 is needed) and labelled by the toolchain; nothing is trained.
For each metric and family of loops: mean and median error, median of predicted over true, how often the 90 % interval
holds, and the share that the model calls known.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
from _common import Json, header, write

from costmodel.core.tables import FunctionRow
from costmodel.datasets.generators import GENERATORS, Options
from costmodel.datasets.generators.run import make
from costmodel.datasets.labelling import label_functions
from costmodel.evaluation.intervals import coverage_percent
from costmodel.evaluation.metrics import mape_percent, median_ape_percent
from costmodel.ir import read
from costmodel.models.predictor import Answer, Predictor

OUT = Path(__file__).resolve().parent / "results" / "front_end_loops.json"
METRICS = ("instructions", "cycles", "spills")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=840)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--targets", default="x86-64/znver4,aarch64/neoverse-v2")
    parser.add_argument("--model", default="default")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    generator = GENERATORS.get("loops")(Options())
    items = generator.draw(generator.families(), args.count, args.seed)
    rows = {row.function_id: row for row in make(items, jobs=args.jobs, preload=generator.preload).functions}
    targets = args.targets.split(",")
    labels = label_functions([*rows.values()], targets, metrics=METRICS, jobs=args.jobs)
    predictor = Predictor.load(args.model)
    answers = {name: predictor.predict(read(row.ir.encode()), targets) for name, row in rows.items()}
    by_target = {(name, answer.target): answer for name, found in answers.items() for answer in found}
    pairs: dict[str, list[tuple[FunctionRow, Answer, float]]] = defaultdict(list)
    for label in labels:
        if label.value is not None:
            row = rows[label.function_id]
            pairs[label.metric].append((row, by_target[label.function_id, label.target], label.value))
    found = {metric: {"all": figures(pairs[metric], metric), **by_family(pairs[metric], metric)} for metric in METRICS}
    document = header("front_end_loops", [args.seed]) | {
        "model": args.model, "count": len(rows), "targets": targets, "metrics": found,
    }  # fmt: skip
    write(args.out, document)
    for metric in METRICS:
        print(metric, found[metric]["all"])


def by_family(pairs: list[tuple[FunctionRow, Answer, float]], metric: str) -> Json:
    """Figures of each family."""
    names = sorted({row.family for row, _, _ in pairs})
    return {name: figures([pair for pair in pairs if pair[0].family == name], metric) for name in names}


def figures(pairs: list[tuple[FunctionRow, Answer, float]], metric: str) -> Json:
    """Errors by the definitions of `costmodel.evaluation`, over labels that are not zero; coverage; share of known."""
    truth = np.array([value for _, _, value in pairs])
    told = [answer.metrics[metric] for _, answer, _ in pairs]
    mean, low, high = (np.array([getattr(one, name) for one in told]) for name in ("mean", "low", "high"))
    there = truth != 0
    found = {
        "mape_percent": mape_percent(mean, truth), "median_error_percent": median_ape_percent(mean, truth),
        "median_ratio": float(np.median(mean[there] / truth[there])) if there.any() else None,
        "coverage_percent": coverage_percent(low, high, truth),
        "known_percent": 100 * float(np.mean([answer.known for _, answer, _ in pairs])),
    }  # fmt: skip
    return {"rows": len(pairs)} | {name: None if value is None else round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    main()
