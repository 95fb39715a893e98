"""Whether pre-training helps: networks with and without it, at two sizes of labelled data.

    python benchmarks/pretraining.py --out benchmarks/results/pretraining.json
    python benchmarks/pretraining.py --networks conv1d --seeds 0 --device cuda --out part.json

LLVM IR as it enters code generation, one CPU; whole families held out. A network reads all functions of the training
families before it sees labels of `--labels` of them: masked tokens, execution-like targets (trip counts, work and bytes
by static analysis; after "TRACED", arXiv 2306.07487), both, or neither. A killed run goes on cell by cell; parts run
side by side come together by `--take`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import Json, header, seed_list
from _evaluation import DATA, Results, draw, nested, say

from costmodel.cli.evaluate_cases import cases_of, fold_of_seed
from costmodel.evaluation.cases import Cases
from costmodel.evaluation.figures import Column, column_figures
from costmodel.models import MODELS
from costmodel.models.metric_model import MetricModel
from costmodel.training.encodings import encode_all
from costmodel.training.examples import prepare
from costmodel.training.table import read_table

OUT = Path(__file__).resolve().parent / "results" / "pretraining.json"
TARGET, PIPELINE, METRICS = "x86-64/znver4", "codegen-v1", ("instructions", "spills", "registers_general")
TASKS = ("none", "masked", "execution", "masked+execution")
NETWORKS = ("conv1d", "lstm", "transformer", "graph-network")
FIGURES = ("rmse_percent_of_range", "mape_percent", "kendall_tau", "auc_nonzero")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data set")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=seed_list, default=[0, 1, 2])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--functions", type=int, default=2400)
    parser.add_argument("--labels", type=int, nargs="*", default=[200, 1600], help="labelled functions to train on")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--pretraining-epochs", type=int, default=10)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--take", type=Path, nargs="*", default=[], metavar="JSON", help="cells that ran elsewhere")
    parser.add_argument("--note", default="", help="kept in the results, such as where networks were trained")
    args = parser.parse_args()
    settings = {name: getattr(args, name) for name in ("functions", "labels", "epochs", "pretraining_epochs")}
    settings |= {"target": TARGET, "pipeline": PIPELINE, "data_sha256": read_table(args.data, targets=[TARGET]).sha256}
    results = Results(args.out, lambda: header("pretraining", args.seeds, "torch"), settings, anew=False)
    results.take(args.take)
    for network in args.networks:
        cases: Cases | None = None
        for seed in args.seeds:
            for labels in args.labels:
                for tasks in TASKS:
                    key = f"{network}/{labels}/{tasks}/{seed}"
                    if key not in results.document["cells"]:
                        cases = cases or load(args, network)
                        results.cell(key, partial(cell, cases, network, labels, tasks, seed, args))
    results.finish(table=tabulate(results.document["cells"]), note=args.note)


def model_of(network: str, tasks: str, seed: int, args: argparse.Namespace) -> MetricModel:
    """One network, not fitted."""
    options: dict[str, Any] = {"epochs": args.epochs, "patience": max(3, args.epochs // 4), "device": args.device,
                               "pretraining": tasks, "pretraining_epochs": args.pretraining_epochs}  # fmt: skip
    return MODELS.get(network)(METRICS, seed=seed, **options)  # type: ignore[call-arg, return-value]


def load(args: argparse.Namespace, network: str) -> Cases:
    """Draw and read once."""
    table = draw(args.data, metrics=METRICS, levels=["llvm"], targets=[TARGET], pipelines=[PIPELINE],
                 functions=args.functions)  # fmt: skip
    assert table is not None
    start = time.monotonic()
    encodings = encode_all(table.functions, table.function_ids, model_of(network, "none", 0, args).needs)
    say(f"{network}: {len(encodings)} functions read in {time.monotonic() - start:.0f} s")
    return cases_of(prepare(table, encodings))


def cell(cases: Cases, network: str, labels: int, tasks: str, seed: int, args: argparse.Namespace) -> Json:
    """Train on the labels of some functions of the training families, test on held-out ones."""
    fold = fold_of_seed(cases, cases.columns["family"], 0.25, seed)
    known = np.random.default_rng((seed, labels)).permutation(fold.train)[:labels]
    values = np.full_like(cases.values, np.nan)
    values[known] = cases.values[known]
    hidden = replace(cases, values=values).take(fold.train)
    start = time.monotonic()
    model = model_of(network, tasks, seed, args)
    model.fit(hidden.examples, hidden.values, hidden.columns["family"])
    held = cases.take(fold.held)
    prediction = model.predict(held.examples)
    found: Json = {}
    for i, metric in enumerate(METRICS):
        column = Column.of(prediction, held, metric)
        training = cases.values[fold.train, i]
        figures = column_figures(column, training[~np.isnan(training)])
        found[metric] = {name: round(figures[name], 4) for name in FIGURES if figures.get(name) is not None}
    return {"labelled": len(known), "read": len(fold.train), "test": len(fold.held), "held_out": list(fold.groups),
            "metrics": found, "wall_s": round(time.monotonic() - start, 1)}  # fmt: skip


def tabulate(cells: dict[str, Json]) -> Json:
    """Network → labels → tasks → metric → figure → mean and spread over seeds, and the gain over `none`."""
    values: dict[tuple[str, ...], list[float]] = {}
    for key, document in cells.items():
        network, labels, tasks, _ = key.split("/")
        for metric, figures in document["metrics"].items():
            for figure, value in figures.items():
                values.setdefault((network, labels, tasks, metric, figure), []).append(value)
    return nested(dict(sorted(values.items())))


if __name__ == "__main__":
    main()
