"""How good the default predictor is, against what it must reach.

    python benchmarks/predictor.py                                     # bundled data set; hours of one core in full
    python benchmarks/predictor.py --functions 600 --rounds 150 --seeds 0     # a rough idea, minutes
    python benchmarks/predictor.py --only speed                        # one part

The default kind of model (boosted trees, conformal intervals) is trained anew for every split and seed; whole families
or projects are held out, near-duplicates refused. Parts: `ttgir` (registers and spills on NVPTX), `linalg` (port
utilisation from linalg and a schedule), `loops` (instructions, cycles and port utilisation of affine loops and of
vector code), `llvm` (machine instructions, cycles, spills of LLVM IR as it enters code
generation), `llvm-o3` (the same of IR that O3 optimises before), `targets` (a target that was never seen), `latency`
(the tuner's ranker on measured schedules), `drift` (rewrites), `speed` (the shipped model).
`goals` lists what each figure should be, and by how much it falls short. A killed run goes on cell by cell.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import Json, header, seed_list
from _evaluation import DATA, MEASURED, Results, draw, say

from costmodel.cli.evaluate_cases import fold_of_seed, load_cases, split_groups
from costmodel.core.errors import CostModelError, UsageError
from costmodel.evaluation.cases import Cases
from costmodel.evaluation.robustness import Asked, robustness
from costmodel.evaluation.run import Make, examine_fold, over_seeds
from costmodel.evaluation.studies import few_shot
from costmodel.models import MODELS, Model
from costmodel.models.metric_model import Needs
from costmodel.training.examples import Prepared, hold_out

OUT = Path(__file__).resolve().parent / "results" / "predictor.json"
PARTS = ("ttgir", "linalg", "loops", "llvm", "llvm-o3", "targets", "latency", "drift", "speed")
CPUS = ("x86-64/znver4", "x86-64/skylake-avx512", "x86-64/znver2", "aarch64/neoverse-v2", "aarch64/neoverse-n1",
        "riscv64/sifive-p670")  # fmt: skip
GPUS = ("nvptx64/sm_80", "nvptx64/sm_86", "nvptx64/sm_90")
NEW_TARGETS = ("x86-64/skylake-avx512", "aarch64/neoverse-n1", "x86-64/znver2")
TEST_SHARE = 0.2
RMSE = "rmse_percent_of_range"
HEAVY = ("calibration", "coverage_by_family")
CATEGORY = (
    "rows", RMSE, "mae", "mape_percent", "kendall_tau", "auc_nonzero", "coverage_percent", "width_percent_of_range"
)  # fmt: skip
"""What is kept of each category's figures, for the file's size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A part of a data set, and what is learned from it."""

    metrics: tuple[str, ...]
    levels: tuple[str, ...]
    targets: tuple[str, ...]
    splits: tuple[str, ...]
    pipelines: tuple[str, ...] = ()


TASKS = {
    "ttgir": Task(metrics=("registers_general", "spills"), levels=("ttgir",), targets=GPUS, splits=("by_family",)),
    "linalg": Task(metrics=("port_utilisation",), levels=("linalg",), targets=CPUS, splits=("by_family",)),
    "loops": Task(
        metrics=("instructions", "cycles", "port_utilisation"),
        levels=("affine", "scf", "vector"),
        targets=CPUS,
        splits=("by_family",),
    ),
    "llvm": Task(
        metrics=("instructions", "cycles", "spills"),
        levels=("llvm",),
        targets=CPUS,
        splits=("by_family", "by_project"),
        pipelines=("codegen-v1",),
    ),
    "llvm-o3": Task(
        metrics=("instructions", "cycles", "spills"),
        levels=("llvm",),
        targets=CPUS,
        splits=("by_family", "by_project"),
        pipelines=("O3-retarget-v1",),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """`path` leads to a figure of `summary`; `at_least` or at most `limit`."""

    name: str
    path: tuple[str, ...]
    limit: float
    at_least: bool = False


def _metric(task: str, split: str, metric: str, *rest: str) -> tuple[str, ...]:
    return (f"{task}/{split}", "metrics", metric, *rest)


GOALS = (
    Goal(name="registers on sm_90 from TTGIR: RMSE, % of range", limit=4.0,
         path=_metric("ttgir", "by_family", "registers_general", "by", "target", "nvptx64/sm_90", RMSE)),
    Goal(name="spill or no spill on sm_90: AUC", limit=0.98, at_least=True,
         path=_metric("ttgir", "by_family", "spills", "by", "target", "nvptx64/sm_90", "auc_nonzero")),
    Goal(name="port utilisation from linalg and schedule: RMSE, % of range", limit=5.0,
         path=_metric("linalg", "by_family", "port_utilisation", "by", "pipeline", "schedule", RMSE)),
    *(Goal(name=f"{text}, {split}", limit=limit, at_least=least, path=_metric("llvm", split, metric, *path))
      for split in ("by_family", "by_project") for text, metric, path, limit, least in (
        ("LLVM IR to machine instructions: MAPE %", "instructions", ("mape_percent",), 6.0, False),
        ("cycles of loop bodies: MAPE %", "cycles", ("mape_percent",), 10.0, False),
        ("cycles of loop bodies: tau", "cycles", ("kendall_tau",), 0.9, True),
        ("spills on x86-64: AUC", "spills", ("by", "target", "x86-64/znver4", "auc_nonzero"), 0.97, True),
        ("spills on AArch64: AUC", "spills", ("by", "target", "aarch64/neoverse-v2", "auc_nonzero"), 0.97, True))),
    *(Goal(name=f"{target} unseen: error over that of a seen one, {metric}", limit=1.5,
           path=(f"targets/{target}", "ratio", metric))
      for target in NEW_TARGETS for metric in ("instructions", "spills")),
    *(Goal(name=f"AUROC of known, {task} {split}", limit=0.9, at_least=True,
           path=(f"{task}/{split}", "seen", "known_auroc"))
      for task in TASKS for split in TASKS[task].splits),
    *(Goal(name=f"latency of schedules, unseen {by}: {text}", limit=limit, at_least=True,
           path=(f"latency/{by}", figure))
      for by in ("workload", "family") for text, figure, limit in (
        ("pairwise accuracy", "pairwise_accuracy", 0.9),
        ("pairwise accuracy of pairs over 2 % apart", "pairwise_accuracy_over_2_percent", 0.9),
        ("top-1", "top_1_score", 0.93), ("top-5", "top_5_score", 0.98))),
    *(Goal(name=f"drift under renaming and formatting, {task}, {metric}: worst %", limit=0.0,
           path=(f"drift/{task}", "metrics", metric, "invisible", "worst_percent"))
      for task in TASKS for metric in TASKS[task].metrics),
    *(Goal(name=f"drift under other rewrites, {task}, {metric}: mean %", limit=2.0,
           path=(f"drift/{task}", "metrics", metric, "visible", "mean_percent"))
      for task in TASKS for metric in TASKS[task].metrics),
    Goal(name="500 operations, reading included: ms", limit=3.0, path=("speed", "predict", "total_ms")),
    Goal(name="stage 1: candidates a second", limit=20000.0, at_least=True,
         path=("speed", "stage_1", "with_features_per_s")),
    Goal(name="times faster than the real toolchain", limit=50.0, at_least=True,
         path=("speed", "toolchain", "ratio")),
)  # fmt: skip
COVERED = (88.0, 92.0)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the labelled data set")
    parser.add_argument("--measured", type=Path, default=MEASURED, help="folder of the measured data set")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=seed_list, default=[0, 1, 2])
    parser.add_argument("--functions", type=int, default=4000, help="of each part, evenly over families")
    parser.add_argument("--rounds", type=int, default=400, help="of the trees")
    parser.add_argument("--folds", type=int, default=4, help="of the conformal intervals")
    parser.add_argument("--drifting", type=int, default=60, help="functions that are rewritten")
    parser.add_argument("--cache", type=Path, help="where encodings are kept")
    parser.add_argument("--only", choices=PARTS, nargs="*", default=PARTS)
    parser.add_argument("--note", default="", help="kept in the results, such as which data they are of")
    parser.add_argument("--anew", action="store_true", help="take no earlier cell over")
    args = parser.parse_args()
    settings = {name: getattr(args, name) for name in ("functions", "rounds", "folds", "drifting")}
    settings |= {"test_share": TEST_SHARE, "data": _identity(args.data), "measured": _identity(args.measured)}
    results = Results(args.out, lambda: header("predictor", args.seeds, "xgboost"), settings, anew=args.anew)
    for part in (p for p in PARTS if p in args.only):
        try:
            _run(part, results, args)
        except UsageError as error:
            say(f"{part}: {str(error)[:200]}")
    summary = summarise(results.document["cells"])
    results.finish(summary=summary, goals=judge(summary), note=args.note)
    for row in results.document["goals"]:
        say(f"{'reached' if row['reached'] else 'SHORT  '}  {row['goal']}: {row['value']:.4g} (wanted {row['wanted']})")


def _identity(folder: Path) -> str:
    from costmodel.core.hashing import sha256_file

    manifest = folder / "manifest.json"
    return sha256_file(manifest) if manifest.is_file() else "none"


def _run(part: str, results: Results, args: argparse.Namespace) -> None:
    if part in TASKS:
        for split in TASKS[part].splits:
            for seed in args.seeds:
                results.cell(f"{part}/{split}/{seed}", partial(accuracy, part, split, seed, args))
    elif part == "targets":
        for target in NEW_TARGETS:
            for seed in args.seeds:
                results.cell(f"targets/{target}/{seed}", partial(new_target, target, seed, args))
    elif part == "drift":
        for task in TASKS:
            results.cell(f"drift/{task}/{args.seeds[0]}", partial(drift, task, args.seeds[0], args))
    elif part == "latency":
        latency(results, args)
    else:
        results.cell(f"speed/{args.seeds[0]}", partial(speed, args))


class _Loaded:
    """The last task's cases: reading takes longest, and parts come one after the other."""

    last: tuple[str, Cases, Prepared] | None = None


def cases_for(task: str, args: argparse.Namespace) -> tuple[Cases, Prepared]:
    """Rows of a task; raises `UsageError` where the data set has none."""
    if _Loaded.last is None or _Loaded.last[0] != task:
        one = TASKS[task]
        table = draw(args.data, metrics=one.metrics, levels=one.levels, targets=one.targets, pipelines=one.pipelines,
                     functions=args.functions)  # fmt: skip
        if table is None:
            raise UsageError(f"{args.data} has no rows for {task}")
        start = time.monotonic()
        cases, ready = load_cases(table, Needs(), cache=args.cache)
        say(f"{task}: {len(cases)} rows of {len(ready.table.functions)} functions, {time.monotonic() - start:.0f} s")
        _Loaded.last = (task, cases, ready)
    return _Loaded.last[1], _Loaded.last[2]


def make_default(args: argparse.Namespace) -> Make:
    """The default kind of model."""

    def make(metrics: tuple[str, ...], seed: int) -> Model:
        base = {"model": "boosted-trees", "rounds": args.rounds, "depth": 6, "eta": 0.08, "threads": 1}
        return MODELS.get("conformal")(metrics, seed=seed, folds=args.folds, base=base)  # type: ignore[call-arg]

    return make


def accuracy(task: str, split: str, seed: int, args: argparse.Namespace) -> Json:
    """Train and test one fold."""
    cases, ready = cases_for(task, args)
    groups = split_groups(ready, split)
    start = time.monotonic()
    fold = fold_of_seed(cases, groups, TEST_SHARE, seed)
    found = examine_fold(cases, groups, fold, make_default(args), seed).document
    return light(found) | {"wall_s": round(time.monotonic() - start, 1)}


def light(document: Json) -> Json:
    """A cell without what is long, numbers to five digits."""
    for figures in document.get("metrics", {}).values():
        for name in HEAVY:
            figures.pop(name, None)
        for rows in figures.get("by", {}).values():
            for name, row in rows.items():
                rows[name] = {key: row[key] for key in CATEGORY if row.get(key) is not None}
    found: Json = rounded(document)
    return found


def rounded(value: Any) -> Any:
    """All numbers inside to five digits."""
    if isinstance(value, Mapping):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def new_target(target: str, seed: int, args: argparse.Namespace) -> Json:
    """LLVM IR to a target that no training row is of."""
    cases, ready = cases_for("llvm", args)
    families = split_groups(ready, "by_family")
    cases = cases.only(("instructions", "spills")) if len(cases.metrics) != 2 else cases
    families = cases.columns["family"] if len(families) != len(cases) else families
    held = hold_out(families, TEST_SHARE, seed)
    return few_shot(cases, families, target, held, make_default(args), seed)


def drift(task: str, seed: int, args: argparse.Namespace) -> Json:
    """Held-out functions, rewritten."""
    cases, ready = cases_for(task, args)
    groups = split_groups(ready, "by_family")
    fold = fold_of_seed(cases, groups, TEST_SHARE, seed)
    model = examine_fold(cases, groups, fold, make_default(args), seed).model
    _, first = np.unique(ready.table.function[fold.held], return_index=True)
    rows = np.random.default_rng(seed).permutation(fold.held[first])[: args.drifting]
    asked = [Asked(*ready.question(i)) for i in rows]
    return robustness(model, asked, seed)


def latency(results: Results, args: argparse.Namespace) -> None:
    """The tuner's ranker."""
    import _predictor_ranking as ranking

    wanted = [(by, seed) for by in ("workload", "family") for seed in args.seeds]
    if all(f"latency/{by}/{seed}" in results.document["cells"] for by, seed in wanted):
        return
    rows = ranking.read_measurements(args.measured)
    for by, seed in wanted:
        results.cell(f"latency/{by}/{seed}", partial(ranking.held_out, rows, by, TEST_SHARE, seed))


def speed(args: argparse.Namespace) -> Json:
    """The shipped model's speed; the toolchain is asked about functions of the data set."""
    import _predictor_speed as timing

    from costmodel.models.predictor import Predictor

    predictor = Predictor.load()
    target = next(t for t in predictor.targets if t.startswith("x86-64/"))
    found: Json = {
        "target": target, "predict": timing.reading_and_predicting(predictor, target),
        "stage_1": timing.candidates_per_s(args.seeds[0]),
    }  # fmt: skip
    table = draw(args.data, metrics=("instructions",), levels=("llvm",), functions=24)
    if table is not None:
        try:
            found["toolchain"] = timing.against_the_toolchain(predictor, table.functions, target)
        except CostModelError as error:
            found["toolchain"] = {"skipped": str(error)[:200]}
    return found


def summarise(cells: Mapping[str, Json]) -> Json:
    """Cells of equal key but for the seed as one: mean and spread."""
    grouped: dict[str, list[Json]] = {}
    for key, document in cells.items():
        grouped.setdefault(key.rpartition("/")[0], []).append(document)
    return {name: over_seeds(documents) for name, documents in grouped.items()}


def judge(summary: Mapping[str, Any]) -> list[Json]:
    """Every goal there is a figure for, and the coverage of every metric."""
    found = []
    for goal in GOALS:
        figure = _at(summary, goal.path)
        if figure is not None:
            reached = figure["mean"] >= goal.limit if goal.at_least else figure["mean"] <= goal.limit
            sign = "at least" if goal.at_least else "at most"
            found.append(_row(goal.name, figure, f"{sign} {goal.limit:g}", reached))
    for key, document in summary.items():
        for metric, figures in document.get("metrics", {}).items():
            covered = figures.get("coverage_percent")
            if covered:
                reached = COVERED[0] <= covered["mean"] <= COVERED[1]
                row = _row(f"90 % intervals hold, {key} {metric}: %", covered, "88 to 92", reached)
                found.append(row | {"width_percent_of_range": _at(figures, ("width_percent_of_range",))})
    return found


def _row(name: str, figure: Mapping[str, Any], wanted: str, reached: bool) -> Json:
    return {"goal": name, "value": figure["mean"], "std": figure["std"], "seeds": figure["seeds"], "wanted": wanted,
            "reached": bool(reached)}  # fmt: skip


def _at(document: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


if __name__ == "__main__":
    main()
