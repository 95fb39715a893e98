"""How long tuning itself takes: 32 trials of a 512³ matmul on this machine, where the time goes; writes JSON.

    python benchmarks/tuning_speed.py --out tuning_speed.json

Each seed runs `costmodel tune` in a process of its own, as a person does, and takes the times from its report.
`after_start_up_s` is everything but the interpreter's start, reading the file and starting the workers: search,
compiling, measuring, defaults, finals, the vendor's baseline, artifact and report. `trials_s` is the search alone.
Then the same schedules are built and measured one after the other, without overlap, for the seconds a trial costs the
two workers; and fresh candidates are scored for the rate of stage 1. The peer's figure is quoted, not measured here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _common import Json, clean_environment, header, seed_list, spread, write

from costmodel.core.target import Target
from costmodel.datasets.linalg import FAMILIES
from costmodel.search.backends import BACKENDS
from costmodel.search.measure.measurer import Measurer
from costmodel.search.space import build_space
from costmodel.search.tuner.scoring import TwoStageScorer, shipped_ranker
from costmodel.search.tuner.source import Workload, read_source

SIZES = {"m": 512, "n": 512, "k": 512}
QUICK_SIZES = {"m": 64, "n": 64, "k": 64}
LIMIT_S = 10.0
PER_TRIAL_LIMIT_S = 0.3
START_UP = ("startup", "read", "start_workers")
TRIALS = ("search", "measure", "record", "learn")
SCORED = 4096
SCORE_BATCH = 512
TIMEOUT_S = 600.0
PEER = {"name": "TVM MetaSchedule", "trial_s": 2.8, "source": "measured on the reference machine, not in this run"}


def tune_elsewhere(source: Path, out: Path, trials: int, seed: int) -> Json:
    """`costmodel tune` in a fresh process; its report."""
    command = [sys.executable, "-m", "costmodel.cli.main", "tune", str(source), "-o", str(out)]
    command += ["--trials", str(trials), "--seed", str(seed)]
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    if done.returncode != 0:
        raise SystemExit(f"costmodel tune ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    report: Json = json.loads((out / "report.json").read_text())
    return report


def report_fields(report: Json) -> Json:
    """Seconds by category, and the sums that are judged."""
    spent, workload = report["time"], report["workloads"][0]
    after_s = report["wall_s"] - sum(spent.get(name, 0.0) for name in START_UP)
    trials_s = sum(spent.get(name, 0.0) for name in TRIALS)
    ends = [point["elapsed_s"] for point in workload["history"]]
    return {
        "wall_s": report["wall_s"],
        "time": spent,
        "worker_s": report["worker_s"],
        "after_start_up_s": after_s,
        "trials_s": trials_s,
        "per_trial_all_in_s": after_s / max(1, workload["trials"]),
        "per_trial_search_s": trials_s / max(1, workload["trials"]),
        "between_trials_s": spread(np.diff(ends).tolist()) if len(ends) > 1 else None,
        "trials": workload["trials"],
        "failures": workload["failures"],
        "best_s": workload["best_s"],
        "best_schedule": workload["best_schedule"],
    }


def replay(workload: Workload, schedules: Sequence[str], seed: int) -> Json:
    """Build and measure the schedules one at a time: the workers' seconds for each step, medians over the trials."""
    steps: dict[str, list[float]] = {}
    with Measurer(BACKENDS.get("mlir")(), Target.parse("native"), seed=seed, overlap=False) as measurer:
        measurer.default(workload.kernel)  # computes the references, once a workload
        for schedule in schedules:
            begin_s = time.perf_counter()
            (trial,) = measurer.measure(workload.kernel, [schedule])
            trial_s = time.perf_counter() - begin_s
            for name, value in {**trial.seconds, "compile_and_measure": trial_s}.items():
                steps.setdefault(name, []).append(value)
    return {f"{name}_s": spread(values) for name, values in sorted(steps.items())}


def stage_1(workload: Workload, seed: int) -> Json:
    """Candidates scored a second from knobs alone: features and prediction, and prediction by itself."""
    space = build_space(workload.kernel, Target.parse("native"))
    shipped = shipped_ranker("plan")
    scorer = TwoStageScorer(space, shipped, shipped_ranker("ir"))
    rng = np.random.default_rng(seed)
    candidates = list({str(space.schedule(c)): c for c in (space.sample(rng) for _ in range(SCORED))}.values())
    batches = [candidates[i : i + SCORE_BATCH] for i in range(0, len(candidates), SCORE_BATCH)]
    seconds = []
    for _ in ("with features", "features known"):
        begin_s = time.perf_counter()
        for batch in batches:
            scorer.score(batch)
        seconds.append(time.perf_counter() - begin_s)
    return {
        "candidates": len(candidates),
        "batch": SCORE_BATCH,
        "pre_trained_model": shipped is not None,
        "scored_per_s": len(candidates) / seconds[0],
        "predicted_per_s": len(candidates) / seconds[1],
    }


def one_seed(seed: int, trials: int, sizes: dict[str, int]) -> Json:
    """All figures of a seed."""
    with tempfile.TemporaryDirectory(prefix="costmodel-benchmark-") as folder:
        source = Path(folder) / "matmul.mlir"
        source.write_text(FAMILIES["matmul"].text(sizes))
        report = tune_elsewhere(source, Path(folder) / "out", trials, seed)
        (workload,) = read_source(source, {}).workloads
    schedules = [point["schedule"] for point in report["workloads"][0]["history"]]
    row = {"seed": seed, **report_fields(report)}
    return row | {"workers": replay(workload, schedules, seed), "stage_1": stage_1(workload, seed)}


def summarize(rows: Sequence[Json]) -> Json:
    """Medians over the seeds, against what was asked for."""

    def middle(*path: str) -> float:
        values = []
        for row in rows:
            value = row
            for key in path:
                value = value[key]
            values.append(float(value))  # type: ignore[arg-type]
        return statistics.median(values)

    categories = sorted({name for row in rows for name in row["time"]})
    after_s, per_trial_s = middle("after_start_up_s"), middle("per_trial_all_in_s")
    return {
        "after_start_up_s": after_s,
        "after_start_up_range_s": [min(r["after_start_up_s"] for r in rows), max(r["after_start_up_s"] for r in rows)],
        "required_s": LIMIT_S,
        "passed": after_s <= LIMIT_S,
        "per_trial_all_in_s": per_trial_s,
        "per_trial_required_s": PER_TRIAL_LIMIT_S,
        "per_trial_passed": per_trial_s <= PER_TRIAL_LIMIT_S,
        "trials_s": middle("trials_s"),
        "time": {name: statistics.median([row["time"].get(name, 0.0) for row in rows]) for name in categories},
        "compile_and_measure_s": middle("workers", "compile_and_measure_s", "median"),
        "stage_1_scored_per_s": middle("stage_1", "scored_per_s"),
        "stage_1_predicted_per_s": middle("stage_1", "predicted_per_s"),
        "peer": PEER,
        "peer_ratio": PEER["trial_s"] / per_trial_s,  # type: ignore[operator]
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="result file")
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--seeds", type=seed_list, default=[0, 1, 2], help="default 0,1,2")
    parser.add_argument("--quick", action="store_true", help="64³, 2 trials, one seed; proves only that it works")
    options = parser.parse_args()
    sizes = SIZES
    if options.quick:
        sizes, options.trials, options.seeds = QUICK_SIZES, 2, [0]
    document = header("tuning_speed", options.seeds, "llvmlite", "xgboost-cpu", "xtc-mlir-python-bindings")
    rows: list[Json] = []
    for seed in options.seeds:
        rows.append(one_seed(seed, options.trials, sizes))
        print(f"seed {seed}: {rows[-1]['after_start_up_s']:.2f} s after start-up", file=sys.stderr, flush=True)
        summary = summarize(rows)
        write(options.out, {**document, "trials": options.trials, "sizes": sizes, "summary": summary, "runs": rows})
    print(json.dumps({key: value for key, value in summary.items() if key != "peer"}, indent=1))


if __name__ == "__main__":
    main()
