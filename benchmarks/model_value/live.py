"""Searches in the full space on this machine: ours against random, at equal trials and at equal wall seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ranker import kernel_of
from ranker_training import load_rows

from costmodel.core.hashing import sha256_file
from costmodel.core.target import Target
from costmodel.datasets.linalg import FAMILIES
from costmodel.search.backends import BACKENDS
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.printing import workload_id
from costmodel.search.measure.measurer import Measurer
from costmodel.search.space import build_space
from costmodel.search.strategies import STRATEGIES
from costmodel.search.tuner.scoring import TwoStageScorer
from costmodel.search.tuner.search import MAX_BATCH
from costmodel.search.tuner.session import WorkloadSession
from model_value.collect import name_of, selected
from model_value.pool import refuse_overlap
from model_value.prepare import Rankers, train_without
from model_value.provenance import provenance, training_ids

WORKLOADS = ("matmul", "conv2d_nhwc", "softmax")
ROUNDS = 20
_LIMIT = 20


def live(train: Sequence[Path], *, names: Sequence[str] | None, trials: int, seeds: int) -> dict[str, Any]:
    """All searches, and what they found timed in turns."""
    chosen = [(w, kernel_of(FAMILIES[w[0]].text(w[1]))) for w in selected(names or WORKLOADS)]
    refuse_overlap([workload_id(k) for _, k in chosen], training_ids(train))
    rows = load_rows(train, kernel_of)
    models = train_without(rows, rows.targets, sorted({k.family for _, k in chosen}), 0)
    runs = []
    with Measurer(BACKENDS.get("mlir")(), Target.parse("native")) as measurer:
        for (generator, sizes), kernel in chosen:
            for seed in range(seeds):
                runs.append(
                    {"name": name_of(generator, sizes), "family": kernel.family, "workload_id": workload_id(kernel)}
                    | pair(measurer, kernel, models[kernel.family], trials, seed)
                )
                print(runs[-1], file=sys.stderr, flush=True)
    return {
        "schema_version": 1, **provenance(), "trials": trials, "seeds": seeds,
        "train_sha256": [sha256_file(p) for p in train], "runs": runs, "random_over_ours": {
            key: round(float(np.exp(np.mean([np.log(r["final_s"][key] / r["final_s"]["ours"]) for r in runs]))), 4)
            for key in ("random", "random_equal_seconds")
        },
    }  # fmt: skip


def pair(measurer: Measurer, kernel: Kernel, rankers: Rankers, trials: int, seed: int) -> dict[str, Any]:
    """Ours for so many trials; random for as many, and on until it took as long. The heuristic starts neither."""
    ours = search(measurer, kernel, "evolutionary", rankers, seed, trials, 0.0)
    other = search(measurer, kernel, "random", None, seed, trials, ours["wall_s"][-1])
    best = {"ours": best_of(ours, trials), "random": best_of(other, trials)}
    best["random_equal_seconds"] = best_of(other, len(other["schedules"]), ours["wall_s"][-1])
    samples = measurer.compare(kernel, [t for t in best.values() if t is not None], rounds=ROUNDS)
    worst_s = max((median(s) for s in samples.values() if s), default=float("nan"))
    final_s = {k: median(samples[t]) if t is not None and samples[t] else worst_s for k, t in best.items()}
    return {"seed": seed, "final_s": final_s, "schedules": best} | {
        f"{name}_{key}": run[key]
        for name, run in (("ours", ours), ("random", other))
        for key in ("wall_s", "first_s", "search_s")
    }


def search(
    measurer: Measurer, kernel: Kernel, strategy: str, rankers: Rankers | None, seed: int, trials: int, least_s: float
) -> dict[str, Any]:
    """One session as the tuner runs it, until both `trials` and `least_s` are used up."""
    space = build_space(kernel, measurer.target)
    session = WorkloadSession(
        workload_id=workload_id(kernel), name=kernel.family, count=1, space=space,
        strategy=STRATEGIES.get(strategy)(space, np.random.default_rng([seed, 11])),
        scorer=TwoStageScorer(space, rankers and rankers.plan, rankers and rankers.ir),
        backend=measurer.backend, learns=rankers is not None,
    )  # fmt: skip
    session.strategy.skip([session.heuristic])
    measurer.measure(kernel, [None])  # references are computed before the clock starts
    found: dict[str, Any] = {"schedules": [], "first_s": [], "wall_s": [], "search_s": 0.0}
    start_s = time.monotonic()
    while len(found["schedules"]) < _LIMIT * trials:
        left = trials - len(found["schedules"])
        if left <= 0 and time.monotonic() - start_s >= least_s:
            break
        begin_s = time.monotonic()
        proposals = session.propose(min(MAX_BATCH, left) if left > 0 else MAX_BATCH)
        found["search_s"] += time.monotonic() - begin_s
        if not proposals:
            break
        handles = [measurer.submit(kernel, p.schedule) for p in proposals]
        results = []
        for proposal, trial in zip(proposals, measurer.results(), strict=True):
            results.append((proposal, trial))
            found["schedules"].append(proposal.schedule)
            found["first_s"].append(trial.runtime_s if trial.ok else None)
            found["wall_s"].append(round(time.monotonic() - start_s, 3))
        assert len(handles) == len(results)
        begin_s = time.monotonic()
        session.record(results)
        found["search_s"] += time.monotonic() - begin_s
    return found


def best_of(run: dict[str, Any], trials: int, within_s: float = float("inf")) -> str | None:
    """The schedule with the best first measurement among the first trials, or those done in time."""
    rows = list(zip(run["schedules"], run["first_s"], run["wall_s"], strict=True))[:trials]
    done = [(first_s, text) for text, first_s, wall_s in rows if first_s is not None and wall_s <= within_s]
    return min(done)[1] if done else None
