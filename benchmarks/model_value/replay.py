"""Replaying every arm on every pool, and the document that comes of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ranker import kernel_of
from ranker_training import Rows, load_rows

from costmodel.core.hashing import sha256_file
from model_value.arms import FIXED_ARMS, Arm, pretrained
from model_value.pool import PoolFile, refuse_overlap
from model_value.prepare import Prepared, Rankers, prepare, shuffled, train_without
from model_value.provenance import provenance, training_ids
from model_value.statistics import TRIALS, claim, curve_at_seconds, regret_curve, summary

MOST = max(TRIALS)


def replay(file: PoolFile, train: Sequence[Path], *, seeds: int, model_seeds: int, seed: int) -> dict[str, Any]:
    """Train leaving families out, run all arms, and summarise."""
    refuse_overlap([p.workload_id for p in file.pools], training_ids(train))
    rows = load_rows(train, kernel_of)
    refuse_overlap([p.workload_id for p in file.pools], rows.workloads)
    prepared = [prepare(p) for p in file.pools]
    _say(f"{len(rows.targets)} training rows, {len(prepared)} pools prepared")
    arms = FIXED_ARMS | trained_arms(rows, sorted({p.family for p in file.pools}), model_seeds)
    return evaluated(prepared, arms, seeds=seeds, seed=seed) | {
        "schema_version": 1, **provenance(), "seeds": seeds, "model_seeds": model_seeds, "bootstrap_seed": seed,
        "train_sha256": [sha256_file(p) for p in train], "training_rows": len(rows.targets),
        "training_workload_ids": sorted(set(rows.workloads.tolist())),
        "training_families": sorted(set(rows.families.tolist())), "pool_meta": dict(file.meta),
    }  # fmt: skip


def trained_arms(rows: Rows, families: Sequence[str], model_seeds: int) -> dict[str, Arm]:
    """The arms that need models, each family's trained on the others, by true and by shuffled labels."""
    real: list[dict[str, Rankers]] = []
    wrong: list[dict[str, Rankers]] = []
    for number in range(model_seeds):
        start_s = time.monotonic()
        real.append(train_without(rows, rows.targets, families, number))
        wrong.append(train_without(rows, shuffled(rows, number), families, number))
        _say(f"models of seed {number}: {time.monotonic() - start_s:.0f} s")
    return {
        "shuffled_labels": pretrained(wrong, with_heuristic=False),
        "ours_frozen": pretrained(real, with_heuristic=False, learns=False),
        "ours_heuristic_first": pretrained(real, with_heuristic=True),
        "ours": pretrained(real, with_heuristic=False),
    }


def evaluated(prepared: Sequence[Prepared], arms: Mapping[str, Arm], *, seeds: int, seed: int) -> dict[str, Any]:
    """All figures of these arms on these pools."""
    at_trials: dict[str, np.ndarray] = {}
    at_seconds: dict[str, np.ndarray] = {}
    inference: dict[str, list[float]] = {}
    for name, arm in arms.items():
        found = [_on_pool(p, arm, seeds) for p in prepared]
        at_trials[name] = np.array([trials for trials, _, _ in found])
        at_seconds[name] = np.array([seconds for _, seconds, _ in found])
        inference[name] = [float(f"{own_s:.4g}") for _, _, own_s in found]
        _say(f"{name}: mean regret at {TRIALS}: {np.round(at_trials[name].mean(axis=0), 3)}")
    return {
        "trials": list(TRIALS),
        "claim": claim(at_trials, seed),
        "equal_trials": summary(at_trials, seed),
        "equal_seconds": summary(at_seconds, seed),
        "equal_seconds_claim": claim(at_seconds, seed),
        "workloads": [_workload(p, i, at_trials, at_seconds, inference) for i, p in enumerate(prepared)],
    }


def _on_pool(prepared: Prepared, arm: Arm, seeds: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean regrets over seeds at `TRIALS`, at the seconds these take without a model, and the arm's own seconds."""
    picked = np.array(TRIALS) - 1
    budgets_s = prepared.pool.cost_s * np.array(TRIALS, dtype=float)
    trials, seconds, own_s = [], [], []
    for seed in range(seeds):
        run = arm(prepared, MOST, seed)
        curve = regret_curve(prepared, run, MOST)
        trials.append(curve[picked])
        seconds.append(curve_at_seconds(prepared, run, curve, budgets_s))
        own_s.append(run.inference_s[-1])
    return np.mean(trials, axis=0), np.mean(seconds, axis=0), float(np.mean(own_s))


def _workload(
    prepared: Prepared, index: int, at_trials: Mapping[str, np.ndarray], at_seconds: Mapping[str, np.ndarray],
    inference: Mapping[str, list[float]],
) -> dict[str, Any]:  # fmt: skip
    pool, noise = prepared.pool, prepared.pool.noise()
    random = at_trials["random"][index]
    return {
        "name": pool.name, "workload_id": pool.workload_id, "family": pool.family, "pool": prepared.size,
        "failures": sum(s != "ok" for s in pool.status), "best_s": prepared.best_s, "noise": round(noise, 5),
        "heuristic_s": pool.heuristic_score_s(), "cost_s": round(pool.cost_s, 5),
        "too_easy": bool(random[list(TRIALS).index(16)] <= noise),
        "regret": {arm: [float(f"{x:.5g}") for x in values[index]] for arm, values in at_trials.items()},
        "regret_equal_seconds": {arm: [float(f"{x:.5g}") for x in v[index]] for arm, v in at_seconds.items()},
        "inference_s": {arm: values[index] for arm, values in inference.items()},
    }  # fmt: skip


def table(document: Mapping[str, Any]) -> str:
    """What a person reads: mean regrets, those of each workload at 16 trials, and the claim."""
    lines = [f"{'arm':<22}" + "".join(f"{f'regret at {t}':>28}" for t in document["trials"])]
    for arm, figures in document["equal_trials"].items():
        cells = [
            f"{m:>10.3f} [{low:.3f}, {high:.3f}]"
            for m, (low, high) in zip(figures["mean"], figures["interval"], strict=True)
        ]
        lines.append(f"{arm:<22}" + "".join(f"{c:>28}" for c in cells))
    at = document["trials"].index(document["claim"]["trials"])
    arms = list(document["equal_trials"])
    lines += [
        "",
        f"at {document['claim']['trials']} trials:",
        f"{'workload':<46}" + "".join(f"{a[:12]:>13}" for a in arms),
    ]
    for w in document["workloads"]:
        mark = " too easy" if w["too_easy"] else ""
        lines.append(f"{w['name']:<46}" + "".join(f"{w['regret'][a][at]:>13.3f}" for a in arms) + mark)
    for name in ("claim", "equal_seconds_claim"):
        found = document[name]
        ratio = found["ours_over"]["random"]
        verdict = "holds" if found["holds"] else "does NOT hold"
        lines.append(
            f"{name}: ours ÷ random {ratio['ratio']:.3f}, 95 % {ratio['interval']}; beats {found['beats']}: {verdict}"
        )
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
