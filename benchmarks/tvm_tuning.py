r"""TVM's tuner with our cost model against its own: collect, train, run. One thread; writes JSON.

    python benchmarks/tvm_tuning.py collect --out benchmarks/data/tvm_measurements.npz
    python benchmarks/tvm_tuning.py train --data benchmarks/data/tvm_measurements.npz \
        --out costmodel/models/shipped/tvm-llvm
    python benchmarks/tvm_tuning.py run --out tvm_tuning.json --seeds 0,1,2 --resume

`collect` measures random candidates. `run` tunes each workload with each arm, 64 trials in rounds of 16, and keeps the
best after 32 and after 64. Arms: `xgb`, TVM's own model, which guesses at random for its first 100 samples; `xgb16`,
the same with that warm-up lowered to the 16 of the first round; `ours`; `ours-cold`, ours without training beforehand.
Winners are built anew and timed in turns.
Needs the extra `tvm`, a C compiler, and no torch in the same environment (its presence makes TVM's imports slow).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from _common import Json, header, seed_list, write
from _tvm_build import ForkedBuilder
from _tvm_workloads import TRAINING, TUNED
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.cost_model import XGBModel

from costmodel.core.hashing import sha256_file
from costmodel.core.target import Target
from costmodel.integrations.tvm import CostModel
from costmodel.integrations.tvm_features import POOLING_VERSION, pool_stores
from costmodel.models.ranker import BoostedRanker

ARMS = ("xgb", "xgb16", "ours", "ours-cold")
BUDGETS = (32, 64)
ROUND = 16
COLLECTED = 64
ROUNDS_OF_TIMING = 15


def tvm_target() -> Any:
    """This machine, one core."""
    cpu = {"rocketlake": "icelake-server"}.get(Target.parse("native").cpu, Target.parse("native").cpu)
    return tvm.target.Target({"kind": "llvm", "mcpu": cpu, "num-cores": 1})


def tune(func: Any, model: Any, trials: int, seed: int, strategy: str = "evolutionary") -> list[tuple[float, Any]]:
    """Every trial in order, `(seconds, schedule)`; infinite where it failed."""
    kept = []

    @tvm.ir.utils.derived_object
    class Keep(ms.measure_callback.PyMeasureCallback):  # type: ignore[misc]
        def apply(self, scheduler: Any, task_id: int, candidates: Any, builds: Any, results: Any) -> None:
            for candidate, result in zip(candidates, results, strict=True):
                samples = [float(s) for s in result.run_secs or ()]
                seconds = statistics.median(samples) if samples else math.inf
                kept.append((seconds if seconds < 1e9 else math.inf, candidate.sch.mod))

    config = ms.runner.EvaluatorConfig(number=1, repeat=5, min_repeat_ms=10, enable_cpu_cache_flush=False)
    np.random.seed(seed)  # noqa: NPY002 - TVM's models draw from it while they know nothing
    with tempfile.TemporaryDirectory() as folder:
        ms.tune_tir(
            func, tvm_target(), folder, trials, num_trials_per_iter=ROUND, builder=BUILDER, seed=seed + 1,
            runner=ms.runner.LocalRunner(timeout_sec=20, evaluator_config=config), cost_model=model,
            measure_callbacks=[Keep(), *ms.measure_callback.MeasureCallback.create("default")], num_tuning_cores=1,
            strategy=strategy, database="memory",
        )  # fmt: skip
    return kept[:trials]


def collect(options: argparse.Namespace) -> None:
    """Measure random candidates of the training workloads."""
    extractor = ms.feature_extractor.PerStoreFeature()
    rows: list[Any] = []
    seconds: list[float] = []
    groups: list[int] = []
    for number, (name, make) in enumerate(TRAINING.items()):
        func = make()
        trials = tune(func, ms.cost_model.RandomModel(seed=number), COLLECTED, number, "replay-trace")
        context = ms.TuneContext(mod=tvm.IRModule({"main": func}), target=tvm_target())
        candidates = [ms.MeasureCandidate(tvm.s_tir.Schedule(mod), []) for _, mod in trials]
        rows += [pool_stores(f.numpy()) for f in extractor.extract_from(context, candidates)]
        seconds += [s for s, _ in trials]
        groups += [number] * len(trials)
        print(f"{name}: {len(trials)} trials, best {min(s for s, _ in trials) * 1e6:.1f} µs", flush=True)
        np.savez_compressed(
            options.out, rows=np.array(rows, np.float32), seconds=np.array(seconds), groups=np.array(groups),
            names=np.array(list(TRAINING)), device=np.array(Target.parse("native").device),
            target=np.array(Target.parse("native").name),
        )  # fmt: skip


def train(options: argparse.Namespace) -> None:
    """Fit the shipped model; a candidate that failed counts as eight times slower than its workload's slowest."""
    data = np.load(options.data)
    seconds, groups = data["seconds"].copy(), data["groups"]
    for group in np.unique(groups):
        mine = groups == group
        ran = seconds[mine & np.isfinite(seconds)]
        seconds[mine] = np.minimum(seconds[mine], 8 * ran.max())
    model = BoostedRanker(options.seed)
    model.fit(data["rows"], np.log(seconds), groups)
    card = {
        "description": "Ranks candidates of TVM MetaSchedule on CPUs, from pooled PerStoreFeature rows",
        "pooling_version": POOLING_VERSION, "training_workloads": [str(n) for n in data["names"]],
        "rows": len(seconds), "device": str(data["device"]), "seed": options.seed,
        "data_sha256": sha256_file(options.data), "metrics": ["latency_s"], "targets": [str(data["target"])],
    }  # fmt: skip
    model.save(options.out, card)
    print(f"{options.out}: {len(seconds)} rows, {sum(f.stat().st_size for f in options.out.iterdir())} bytes")


def new_model(arm: str) -> Any:
    """The cost model of an arm, knowing nothing of the workload."""
    if arm == "ours":
        return CostModel()
    if arm == "ours-cold":
        return CostModel(cold=True)
    return XGBModel(num_warmup_samples=ROUND if arm == "xgb16" else 100, num_tuning_cores=1)


def timed_in_turns(modules: dict[str, Any]) -> dict[str, list[float]]:
    """Seconds a call of each, round by round in turns; random inputs, the same for all."""
    loaded, found = {}, {name: [] for name in modules}
    for name, mod in modules.items():
        built = BUILDER.build([ms.builder.BuilderInput(mod, tvm_target())])[0]
        loaded[name] = tvm.runtime.load_module(built.artifact_path)
    func = next(iter(modules.values()))["main"]
    rng = np.random.default_rng(0)
    arguments = []
    for info in ms.arg_info.ArgInfo.from_prim_func(func):
        values = rng.standard_normal([int(s) for s in info.shape]).astype(info.dtype)
        arguments.append(tvm.runtime.tensor(values))
    for _ in range(ROUNDS_OF_TIMING):
        for name, module in loaded.items():
            timer = module.time_evaluator("main", tvm.cpu(), number=1, repeat=3, min_repeat_ms=5)
            found[name].append(statistics.median(timer(*arguments).results))
    return found


def run_one(name: str, seed: int, arms: Sequence[str]) -> list[Json]:
    """All arms on one workload with one seed."""
    winners, notes = {}, {}
    for arm in arms:
        start = time.perf_counter()
        trials = tune(TUNED[name](), new_model(arm), max(BUDGETS), seed)
        notes[arm] = {"wall_s": time.perf_counter() - start, "failed": sum(math.isinf(s) for s, _ in trials)}
        for budget in BUDGETS:
            winners[f"{arm}@{budget}"] = min(trials[:budget], key=lambda t: t[0])[1]
    times = timed_in_turns(winners)
    return [
        {"workload": name, "seed": seed, "arm": arm, "trials": budget, **notes[arm],
         "runtime_s": statistics.median(times[f"{arm}@{budget}"]), "samples_s": times[f"{arm}@{budget}"]}
        for arm in arms for budget in BUDGETS
    ]  # fmt: skip


def summary(rows: list[Json]) -> list[Json]:
    """Geometric means over workloads and seeds of the other arm's time over ours."""
    found = []
    for budget in BUDGETS:
        times = {(r["workload"], r["seed"], r["arm"]): r["runtime_s"] for r in rows if r["trials"] == budget}
        keys = sorted({(w, s) for w, s, _ in times})
        for arm in sorted({arm for _, _, arm in times} - {"ours"}):
            logs = {w: [math.log(times[w, s, arm] / times[w, s, "ours"]) for v, s in keys if v == w] for w, _ in keys}
            means = {w: math.exp(statistics.fmean(v)) for w, v in logs.items()}
            overall = math.exp(statistics.fmean(x for v in logs.values() for x in v))
            found.append({"trials": budget, "against": arm, "times_faster": overall, "by_workload": means})
    return found


def run(options: argparse.Namespace) -> None:
    """The comparison."""
    rows: list[Json] = json.loads(options.out.read_text())["runs"] if options.resume and options.out.exists() else []
    head = header("tvm_tuning", options.seeds, "apache-tvm", "apache-tvm-ffi", "xgboost-cpu")
    head |= {"round": ROUND, "arms": options.arms}
    for seed in options.seeds:
        for name in options.workloads:
            if not any(r["workload"] == name and r["seed"] == seed for r in rows):
                rows += run_one(name, seed, options.arms)
                write(options.out, {**head, "summary": summary(rows), "runs": rows})
                new = rows[-len(options.arms) * len(BUDGETS) :]
                last = {f"{r['arm']}@{r['trials']}": round(r["runtime_s"] * 1e6, 1) for r in new}
                print(name, seed, last, flush=True)
    for line in summary(rows):
        print(f"{line['trials']} trials, {line['against']} ÷ ours: {line['times_faster']:.3f}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("collect")
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(run=collect)
    two = commands.add_parser("train")
    two.add_argument("--data", type=Path, required=True)
    two.add_argument("--out", type=Path, required=True)
    two.add_argument("--seed", type=int, default=0)
    two.set_defaults(run=train)
    three = commands.add_parser("run")
    three.add_argument("--out", type=Path, required=True)
    three.add_argument("--seeds", type=seed_list, default=[0, 1, 2])
    three.add_argument("--workloads", nargs="+", choices=list(TUNED), default=list(TUNED))
    three.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    three.add_argument("--resume", action="store_true")
    three.set_defaults(run=run)
    options = parser.parse_args()
    os.environ.setdefault("TVM_NUM_THREADS", "1")
    options.run(options)


BUILDER = ForkedBuilder()

if __name__ == "__main__":
    main()
