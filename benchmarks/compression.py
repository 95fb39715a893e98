"""Bytes, microseconds and accuracy of compressed predictors.

The exact export, coarser leaves, prefixes, and students of trees and networks that the genetic search found under
several budgets; then students on what a compiler pass computes, on LLVM IR alone.

    python benchmarks/compression.py DATA_SET [--model default] [--cache FILE] [--functions 2000]

Students learn from the teacher's answers on functions that the teacher trained on, and from their labels; errors are
taken on functions that the teacher's training held out, against their labels: mean absolute error on the scale each
metric is learned on (logarithms for counts), and its ratio to the teacher's on the same rows. Microseconds are
processor time of the C predictor, all metrics, one core, best of 7 rounds of 100 calls. `fitness` compares scores that
need no training with what trained networks get wrong (Spearman's rank correlation). Every point is kept in
OUT.partial.json as soon as it is there; a killed run goes on with `--resume`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _common import ROOT, Json, header, write
from scipy.stats import spearmanr

from costmodel.cli.labelled import rows_of
from costmodel.export.budget import best_shape
from costmodel.export.compact import Compact
from costmodel.export.evaluate import evaluate
from costmodel.export.flatten import flatten, told_of
from costmodel.export.function_features import metrics_for_passes, of_function_features
from costmodel.export.genetic import (
    Budget,
    NetworkShape,
    Shape,
    TreeShape,
    cost_of,
    naswot,
    promise,
    readout,
    shape_cost,
)
from costmodel.export.layout import pack
from costmodel.export.native import NativeModel, build
from costmodel.export.soft import Labelled, Soft, ask_teacher
from costmodel.export.student import first_rounds, rounded_leaves, train_student
from costmodel.models.columns import Columns
from costmodel.models.heads import scale
from costmodel.models.predictor import Predictor

SEED = 0
TARGET = "x86-64/znver4"
ROWS_TIMED = 64
PROBES = 12
OF_PASSES = Budget(size_bytes=2.5e6, latency_us=45.0)


class Kept:
    """Points by name, on disk as soon as they are there."""

    def __init__(self, path: Path, key: str, resume: bool) -> None:
        self._path, self._key = path, key
        found = json.loads(path.read_text()) if resume and path.exists() else {}
        self._points: Json = found.get("points", {}) if found.get("key") == key else {}

    def get(self, name: str, make: Callable[[], Json]) -> Json:
        if name not in self._points:
            self._points[name] = make()
            self._path.write_text(json.dumps({"key": self._key, "points": self._points}))
        found: Json = self._points[name]
        return found

    def done(self) -> None:
        self._path.unlink(missing_ok=True)


class Judge:
    """Says what a compact weighs, takes and gets wrong; the first one asked about is what others are compared with."""

    def __init__(self, library: Path, test: Labelled, teacher: Compact) -> None:
        self._library, self._test, self._truth = library, test.examples, test.values
        self._teacher = self._errors(teacher)[0]

    def _errors(self, compact: Compact) -> tuple[list[float], float]:
        """Mean absolute errors by metric, NaN where there are no labels, and the share of intervals that hold."""
        found = evaluate(compact, self._test)
        errors, inside = [], []
        for i, kind in enumerate(compact.scales):
            y = self._truth[:, i]
            there = ~np.isnan(y)
            errors.append(float(np.abs(scale(found.mean[there, i], kind) - scale(y[there], kind)).mean()))
            assert found.low is not None
            assert found.high is not None
            inside.append(float(((found.low[there, i] <= y[there]) & (y[there] <= found.high[there, i])).mean()))
        return errors, float(np.mean(inside))

    def point(self, name: str, compact: Compact, **more: object) -> Json:
        weights = pack(compact)
        model = NativeModel(self._library, weights)
        columns = Columns(numbers=compact.numbers, context=compact.context)
        features = columns.functions(self._test.encodings[:ROWS_TIMED]).astype(float)
        us = 1e6 * model.seconds_per_call(features, model.target(TARGET))
        model.close()
        errors, inside = self._errors(compact)
        ratios = [a / max(b, 1e-9) for a, b in zip(errors, self._teacher, strict=True)]
        point = {
            "name": name, "bytes": len(weights), "latency_us": round(us, 2),
            "error_over_teacher": round(float(np.exp(np.mean(np.log(ratios)))), 4),
            "coverage": round(inside, 4),
            "error": {m: round(e, 5) for m, e in zip(compact.metrics, errors, strict=True)},
            "ratio": {m: round(r, 4) for m, r in zip(compact.metrics, ratios, strict=True)},
            "estimate": {"bytes": round(cost_of(compact).size_bytes),
            "latency_us": round(cost_of(compact).latency_us, 2)},
            **more,
        }  # fmt: skip
        print(f"{name:52s} {len(weights):9d} B {us:7.1f} us  error x{point['error_over_teacher']:.3f}", flush=True)
        return point


def points(judge: Judge, compact: Compact, soft: Soft, budgets: list[Budget], kept: Kept) -> list[Json]:
    found = [kept.get("exact", lambda: judge.point("exact", compact))]
    for bits in (16, 8):
        name = f"leaves of {bits} bits"
        found.append(kept.get(name, lambda n=name, b=bits: judge.point(n, rounded_leaves(compact, b))))
    for share in (0.5, 0.25):
        name, shorter = f"first {100 * share:.0f} % of the trees", rounded_leaves(first_rounds(compact, share), 8)
        found.append(kept.get(name, lambda n=name, c=shorter: judge.point(n, c)))
    for i, budget in enumerate(budgets):
        for kind in (TreeShape, NetworkShape):
            make = lambda k=kind, b=budget: searched(judge, compact, soft, k, b)  # noqa: E731
            found.append(kept.get(f"{kind.__name__} {i}", make))
    best = found[-1]["shape"]
    for bits in (32, 8, 4):
        shape = NetworkShape(inputs=best["inputs"], hidden=tuple(best["hidden"]), bits=bits)
        make = lambda s=shape: judge.point(str(s), train_student(compact, soft, s, seed=SEED).compact, kind="bits")  # noqa: E731
        found.append(kept.get(f"bits {bits}", make))
    return found


def searched(judge: Judge, compact: Compact, soft: Soft, kind: type[Shape], budget: Budget) -> Json:
    shape = best_shape(compact, soft, kind, budget, SEED)
    learned = train_student(compact, soft, shape, seed=SEED)
    about = {"bytes": round(budget.size_bytes), "latency_us": round(budget.latency_us, 2)}
    fields = {name: getattr(shape, name) for name in shape.__slots__}
    return judge.point(str(shape), learned.compact, kind=kind.__name__, budget=about, shape=fields)


def for_passes(library: Path, predictor: Predictor, args: argparse.Namespace, kept: Kept) -> list[Json]:
    """Students on what a compiler pass can compute, of LLVM IR, under the budget of the export: trees and a network."""
    compact = flatten(predictor.model, **told_of(predictor), metrics=metrics_for_passes(predictor.metrics))
    rows = rows_of(args.data, predictor, compact.metrics, level="llvm", most=args.functions, cache=args.cache)
    seen = of_function_features(compact, rows.learned.examples.encodings, SEED)
    soft = ask_teacher(seen, predictor.model, [], seed=SEED, labelled=rows.learned)  # type: ignore[arg-type]
    judge = Judge(library, rows.held_out, compact)
    return [
        {**point, "name": f"for passes: {point['name']}"}
        for kind in (TreeShape, NetworkShape)
        for point in [kept.get(f"for passes {kind.__name__}", lambda k=kind: searched(judge, seen, soft, k, OF_PASSES))]
    ]


def proxies(compact: Compact, soft: Soft) -> Json:
    """Rank correlation of scores without training with what trained networks get wrong."""
    rng = np.random.default_rng(SEED + 1)
    shapes = [NetworkShape(inputs=int(rng.choice([16, 32, 64, 128, 256])), bits=int(rng.choice([4, 8])), hidden=tuple(
        sorted((int(w) for w in rng.choice([8, 16, 32, 64, 128], rng.integers(1, 4))), reverse=True)))
        for _ in range(PROBES)]  # fmt: skip
    spread = np.maximum(soft.teacher.mean.std(axis=0), 1e-6)
    errors = [float(np.mean(train_student(compact, soft, s, seed=SEED).disagreement / spread)) for s in shapes]
    scores = {
        "promise": [promise(soft, shape, SEED) for shape in shapes],
        "readout": [readout(soft, shape, SEED) for shape in shapes],
        "naswot": [naswot(soft, shape, SEED) for shape in shapes],
        "multiplications": [float(shape.multiplications(soft.targets.shape[1])) for shape in shapes],
    }
    rows = [
        {"shape": str(s), "promise": round(p, 3), "disagreement": round(e, 5)}
        for s, p, e in zip(shapes, scores["promise"], errors, strict=True)
    ]
    found = {name: round(float(spearmanr(score, [-e for e in errors]).statistic), 3) for name, score in scores.items()}
    return {"networks": rows, "spearman": found}


def markdown(document: Json) -> str:
    """The table of docs/export.md."""
    lines = ["| point | bytes | µs | error over the model's | 90 % intervals hold |", "|---|---|---|---|---|"]
    lines += [
        f"| {p['name']} | {p['bytes']:,} | {p['latency_us']:.1f} | {p['error_over_teacher']:.3f} | "
        f"{100 * p['coverage']:.1f} % |" for p in document["points"]
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=ROOT / "benchmarks" / "data" / "bundle" / "labelled")
    parser.add_argument("--model", default="default")
    parser.add_argument("--cache", type=Path, help="file of encodings, as `costmodel train --cache` keeps them")
    parser.add_argument("--functions", type=int, default=2000, help="three quarters to learn from, one to test on")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "compression.json")
    parser.add_argument("--markdown", action="store_true", help="only print the table of OUT")
    args = parser.parse_args()
    if args.markdown:
        return print(markdown(json.loads(args.out.read_text(encoding="utf-8"))))
    predictor = Predictor.load(args.model)
    compact = flatten(predictor.model, **told_of(predictor))
    rows = rows_of(args.data, predictor, compact.metrics, most=args.functions, cache=args.cache)
    key = json.dumps([predictor.card["data_sha256"], predictor.card["files"], args.functions], sort_keys=True)
    kept = Kept(args.out.with_suffix(".partial.json"), key, args.resume)
    encodings = rows.learned.examples.encodings
    soft = ask_teacher(compact, predictor.model, encodings, seed=SEED, targets_each=1, labelled=rows.learned)  # type: ignore[arg-type]
    floor, whole = shape_cost(compact, NetworkShape(inputs=16, hidden=(8,), bits=4)), cost_of(compact)
    budgets = [
        Budget(size_bytes=min(3e6, floor.size_bytes + share * max(whole.size_bytes - floor.size_bytes, 2e5)),
               latency_us=min(50.0, floor.latency_us + share * max(whole.latency_us - floor.latency_us, 5.0)))
        for share in (0.1, 0.3, 0.8)
    ]  # fmt: skip
    with TemporaryDirectory() as folder:
        library = build(Path(folder))
        found = points(Judge(library, rows.held_out, compact), compact, soft, budgets, kept)
        found += for_passes(library, predictor, args, kept)
    fitness = kept.get("fitness", lambda: proxies(compact, soft))
    write(args.out, {
        **header("compression", [SEED], "xgboost-cpu"), "model": predictor.name, "same_data_as_the_card": rows.same,
        "functions_distilled_on": len(encodings), "rows_distilled_on": int((~soft.held).sum()),
        "functions_tested": len(rows.held_out.examples.encodings), "rows_tested": len(rows.held_out.examples),
        "metrics": list(compact.metrics), "points": found, "fitness": fitness,
    })  # fmt: skip
    kept.done()


if __name__ == "__main__":
    main()
