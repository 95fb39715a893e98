"""How much the real toolchain's own answers change under the rewrites that predictions must not drift under.

Functions of the data set, evenly over families, are rewritten as `predictor.py`'s part `drift` does; original and
rewrite are compiled by the same tools for the same target. What a rewrite does to the truth is what a perfect predictor
would drift by.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _common import Json, header, seed_list, write
from _evaluation import DATA, draw, say
from predictor import TASKS

from costmodel.core.errors import CostModelError, UsageError
from costmodel.core.tables import FunctionRow
from costmodel.datasets.labelling import label_functions
from costmodel.evaluation.robustness import INVISIBLE, drift_percent
from costmodel.ir.rewrites import KINDS, rewrite
from costmodel.models.base import Array

OUT = Path(__file__).resolve().parent / "results" / "label_drift.json"
METRICS = ("instructions", "spills")
"""What the wheels' tools say alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A function before and after one rewrite, and the target that both are compiled for."""

    kind: str
    target: str
    before: FunctionRow
    after: FunctionRow


def pairs_of(task: str, functions: int, seed: int, data: Path) -> list[Pair]:
    """Every rewrite of drawn functions, each function for one of its targets."""
    one = TASKS[task]
    table = draw(data, metrics=METRICS, levels=one.levels, targets=one.targets, pipelines=one.pipelines,
                 functions=functions, seed=seed)  # fmt: skip
    if table is None:
        raise UsageError(f"{data} has no rows for {task}")
    rng = np.random.default_rng(seed)
    found = []
    for number in np.unique(table.function):
        row, targets = table.functions[number], table.targets[table.function == number]
        target = str(rng.choice(sorted(set(targets.tolist()))))
        for kind in KINDS:
            try:
                text = rewrite(row.ir, kind, rng, form="llvm")
            except CostModelError:
                continue
            if text is not None:
                found.append(Pair(kind=kind, target=target, before=row, after=replace(row, ir=text)))
    return found


def drift_of(pairs: Sequence[Pair], pipeline: str) -> Json:
    """By metric and rewrite: mean and worst drift of the labels, and over all rewrites that change more than text."""
    values = {target: labels_of([p for p in pairs if p.target == target], target, pipeline)
              for target in sorted({p.target for p in pairs})}  # fmt: skip
    document: Json = {}
    for metric in METRICS:
        found: dict[str, list[tuple[float, float]]] = {}
        for pair in pairs:
            known = values[pair.target]
            before, after = (known.get((row.ir, row.entry, metric)) for row in (pair.before, pair.after))
            if before is not None and after is not None:
                found.setdefault(pair.kind, []).append((before, after))
        drifts = {kind: drift_percent(metric, *np.array(own).T) for kind, own in found.items()}
        visible = np.concatenate([own for kind, own in drifts.items() if kind not in INVISIBLE])
        document[metric] = {
            "by_rewrite": {kind: _figures(own) for kind, own in drifts.items()}, "visible": _figures(visible),
        }  # fmt: skip
    return document


def labels_of(pairs: Sequence[Pair], target: str, pipeline: str) -> dict[tuple[str, str, str], float | None]:
    """Values by text, entry and metric, of both sides of every pair; equal texts are compiled once."""
    rows = list({(row.ir, row.entry): row for p in pairs for row in (p.before, p.after)}.values())
    labels = label_functions(rows, [target], metrics=METRICS, pipeline=pipeline)
    entries = {row.function_id: (row.ir, row.entry) for row in rows}
    return {(*entries[label.function_id], label.metric): label.value for label in labels}


def _figures(own: Array) -> Json:
    return {
        "pairs": len(own), "mean_percent": round(float(own.mean()), 4), "worst_percent": round(float(own.max()), 4),
        "unchanged_percent": round(100 * float((own == 0).mean()), 2),
    }  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the labelled data set")
    parser.add_argument("--functions", type=int, default=200, help="of each task")
    parser.add_argument("--seeds", type=seed_list, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    document = {**header("label_drift", args.seeds, "llvmlite"), "settings": {"functions": args.functions}, "tasks": {}}
    for task in ("llvm", "llvm-o3"):
        for seed in args.seeds:
            found = drift_of(pairs_of(task, args.functions, seed, args.data), TASKS[task].pipelines[0])
            document["tasks"][f"{task}/{seed}"] = found
            for metric, figures in found.items():
                say(f"{task}, seed {seed}, {metric}: mean {figures['visible']['mean_percent']:.3g} % of labels' value")
    write(args.out, document)


if __name__ == "__main__":
    main()
