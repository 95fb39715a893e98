"""Bytes, microseconds and accuracy of compressed predictors.

The exact export, coarser leaves, prefixes, and students of trees and networks that the genetic search found under
several budgets.

    python benchmarks/compression.py DATA_SET [--model default] [--cache FILE] [--most-functions N]

Students learn from the teacher's answers on the functions that the teacher trained on, without their labels; errors
are taken on the functions that the teacher's training held out, against their labels: mean absolute error on the
scale each metric is learned on (logarithms for counts), and its ratio to the teacher's. Microseconds are processor
time of the C predictor, all metrics, one core, best of 7 rounds of 100 calls. `fitness` is what the search maximised,
without training; `spearman` says how well it ordered trained networks.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _common import ROOT, Json, header, write
from scipy.stats import spearmanr

from costmodel.export.budget import best_shape
from costmodel.export.compact import Compact
from costmodel.export.evaluate import evaluate
from costmodel.export.flatten import flatten
from costmodel.export.function_features import of_function_features
from costmodel.export.genetic import Budget, NetworkShape, Shape, TreeShape, capacity, cost_of, shape_cost
from costmodel.export.layout import pack
from costmodel.export.native import NativeModel, build
from costmodel.export.soft import Soft, ask_teacher
from costmodel.export.student import first_rounds, rounded_leaves, train_student
from costmodel.models.columns import Columns
from costmodel.models.examples import Encoding, Examples
from costmodel.models.heads import scale
from costmodel.models.metric_model import Needs
from costmodel.models.predictor import Predictor
from costmodel.training.config import TrainConfig
from costmodel.training.encodings import encode_all
from costmodel.training.examples import groups_of, hold_out, prepare
from costmodel.training.run import load_table

SEED = 0
TARGET = "x86-64/znver4"
ROWS_TIMED = 64
PROBES = 6


class Judge:
    """Says what a compact weighs, takes and gets wrong."""

    def __init__(self, library: Path, test: Examples, truth: Any) -> None:
        self._library, self._test, self._truth = library, test, truth
        self._teacher: Any = None

    def point(self, name: str, compact: Compact, **more: object) -> Json:
        weights = pack(compact)
        model = NativeModel(self._library, weights)
        columns = Columns(numbers=compact.numbers, context=compact.context)
        features = columns.functions(self._test.encodings[:ROWS_TIMED]).astype(float)
        us = 1e6 * model.seconds_per_call(features, model.target(TARGET))
        model.close()
        found = evaluate(compact, self._test)
        errors, inside = [], []
        for i, kind in enumerate(compact.scales):
            y = self._truth[:, i]
            there = ~np.isnan(y)
            errors.append(float(np.abs(scale(found.mean[there, i], kind) - scale(y[there], kind)).mean()))
            assert found.low is not None
            assert found.high is not None
            inside.append(float(((found.low[there, i] <= y[there]) & (y[there] <= found.high[there, i])).mean()))
        self._teacher = self._teacher or errors
        ratios = [a / max(b, 1e-9) for a, b in zip(errors, self._teacher, strict=True)]
        point = {
            "name": name, "bytes": len(weights), "latency_us": round(us, 2),
            "error_over_teacher": round(float(np.exp(np.mean(np.log(ratios)))), 4),
            "coverage": round(float(np.mean(inside)), 4),
            "error": {m: round(e, 5) for m, e in zip(compact.metrics, errors, strict=True)},
            "ratio": {m: round(r, 4) for m, r in zip(compact.metrics, ratios, strict=True)},
            "estimate": {"bytes": round(cost_of(compact).size_bytes),
            "latency_us": round(cost_of(compact).latency_us, 2)},
            **more,
        }  # fmt: skip
        print(f"{name:52s} {len(weights):9d} B {us:7.1f} us  error x{point['error_over_teacher']:.3f}", flush=True)
        return point


def parts_of(args: argparse.Namespace, predictor: Predictor) -> tuple[Examples, Examples, Any, bool]:
    """What the teacher trained on, what it was tested on with labels, and whether the data set is the same."""
    config = TrainConfig.of(dict(predictor.card["config"]))
    table = load_table(args.data, config)
    ready = prepare(table, encode_all(table.functions, table.function_ids, Needs(), cache=args.cache))
    groups = groups_of(ready.table, config.split)
    held = hold_out(groups, config.test_share or 0.15, config.seed)
    kept = [list(ready.table.metrics).index(metric) for metric in predictor.metrics]
    rows, others = np.flatnonzero(held), np.flatnonzero(~held)
    rows = rows[np.random.default_rng(SEED).permutation(len(rows))[: args.most_rows]]
    same = ready.table.sha256 == predictor.card.get("data_sha256")
    return ready.examples.take(others), ready.examples.take(rows), ready.table.values[rows][:, kept], same


def points(judge: Judge, compact: Compact, soft: Soft, budgets: list[Budget]) -> list[Json]:
    found = [judge.point("exact", compact)]
    found += [judge.point(f"leaves of {bits} bits", rounded_leaves(compact, bits)) for bits in (16, 8)]
    found += [
        judge.point(f"first {100 * s:.0f} % of the trees", rounded_leaves(first_rounds(compact, s), 8))
        for s in (0.5, 0.25)
    ]
    for budget in budgets:
        for kind in (TreeShape, NetworkShape):
            found.append(searched(judge, compact, soft, kind, budget))
    best = next(one["shape"] for one in reversed(found) if one.get("kind") == "NetworkShape")
    for bits in (32, 8, 4):
        shape = NetworkShape(inputs=best["inputs"], hidden=tuple(best["hidden"]), bits=bits)
        found.append(judge.point(str(shape), train_student(compact, soft, shape, seed=SEED).compact, kind="bits"))
    return found


def searched(judge: Judge, compact: Compact, soft: Soft, kind: type[Shape], budget: Budget) -> Json:
    shape = best_shape(compact, soft, kind, budget, SEED)
    learned = train_student(compact, soft, shape, seed=SEED)
    about = {"bytes": round(budget.size_bytes), "latency_us": round(budget.latency_us, 2)}
    fields = {name: getattr(shape, name) for name in shape.__slots__}
    return judge.point(str(shape), learned.compact, kind=kind.__name__, budget=about, shape=fields)


def for_passes(judge: Judge, compact: Compact, predictor: Predictor, unlabelled: list[Encoding]) -> list[Json]:
    """Students on what a compiler pass can compute, under the budget of the export: trees and a network."""
    seen = of_function_features(compact, unlabelled, SEED)
    soft = ask_teacher(seen, predictor.model, unlabelled, seed=SEED)  # type: ignore[arg-type]
    found = []
    for kind in (TreeShape, NetworkShape):
        point = searched(judge, seen, soft, kind, Budget(size_bytes=2.5e6, latency_us=45.0))
        found.append({**point, "name": f"for passes: {point['name']}"})
    return found


def proxy(compact: Compact, soft: Soft) -> Json:
    """Rank correlation of the fitness with what trained networks get wrong."""
    rng = np.random.default_rng(SEED)
    shapes = [NetworkShape(inputs=int(rng.choice([16, 64, 128, 256])), bits=8, hidden=tuple(
        int(w) for w in rng.choice([8, 32, 96], rng.integers(1, 3)))) for _ in range(PROBES)]  # fmt: skip
    scores = [capacity(soft, shape, SEED) for shape in shapes]
    errors = [float(np.mean(train_student(compact, soft, shape, seed=SEED).disagreement)) for shape in shapes]
    rows = [
        {"shape": str(s), "fitness": round(f, 2), "disagreement": round(e, 5)}
        for s, f, e in zip(shapes, scores, errors, strict=True)
    ]
    return {"networks": rows, "spearman": round(float(spearmanr(scores, [-e for e in errors]).statistic), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--most-functions", type=int, default=3000)
    parser.add_argument("--most-rows", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "compression.json")
    args = parser.parse_args()
    predictor = Predictor.load(args.model)
    train, test, truth, same = parts_of(args, predictor)
    compact = flatten(predictor.model, name=predictor.name, pipelines=predictor.card.get("pipelines") or ())
    drawn = np.random.default_rng(SEED).permutation(len(train.encodings))[: args.most_functions]
    unlabelled = [train.encodings[i] for i in drawn]
    soft = ask_teacher(compact, predictor.model, unlabelled, seed=SEED)  # type: ignore[arg-type]
    floor, whole = shape_cost(compact, NetworkShape(inputs=16, hidden=(8,), bits=4)), cost_of(compact)
    budgets = [
        Budget(size_bytes=min(3e6, floor.size_bytes + share * max(whole.size_bytes - floor.size_bytes, 2e5)),
               latency_us=min(50.0, floor.latency_us + share * max(whole.latency_us - floor.latency_us, 5.0)))
        for share in (0.1, 0.3, 0.8)
    ]  # fmt: skip
    with TemporaryDirectory() as folder:
        judge = Judge(build(Path(folder)), test, truth)
        found = points(judge, compact, soft, budgets)
        found += for_passes(judge, compact, predictor, unlabelled)
        fitness = proxy(compact, soft)
    write(args.out, {
        **header("compression", [SEED], "xgboost-cpu"), "model": predictor.name, "same_data_as_the_card": same,
        "functions_distilled_on": len(drawn), "rows_distilled_on": int((~soft.held).sum()), "rows_tested": len(test),
        "metrics": list(compact.metrics), "points": found, "fitness": fitness,
    })  # fmt: skip


if __name__ == "__main__":
    main()
