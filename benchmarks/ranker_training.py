"""From measured schedules to the two shipped rankers, with figures on families held out.

Owns what a training row is. Invariant: a family's figure comes from models that saw no row of that family.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.core.errors import UnsupportedError
from costmodel.core.hashing import sha256_text
from costmodel.core.target import Target
from costmodel.datasets.linalg import FAMILIES
from costmodel.models.cycle_base import CycleBase
from costmodel.models.joint_ranker import JointRanker
from costmodel.search.backends.mlir.kernel import KernelEmitter
from costmodel.search.features import (
    CYCLE_COLUMNS,
    FEATURE_VERSION,
    IR_FEATURES,
    OVERLAPPING,
    PLAN_FEATURES,
    features_of_plans,
    ir_features,
)
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.printing import workload_id
from costmodel.search.schedule.plan import Planner
from costmodel.search.schedule.text import parse_schedule
from costmodel.search.tuner.scoring import bound_s

FAILED_FACTOR = 10.0
PICKS = (1, 5)
FOLDS = 4
"""Families are held out a quarter at a time, each with every fourth of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """`features[n, F]` of both stages, `targets[n]` in ln(run time / bound), and the workload of each row."""

    features: np.ndarray
    targets: np.ndarray
    workloads: np.ndarray
    families: np.ndarray
    generators: np.ndarray
    data_sha256: str
    target: str


def new_ranker(seed: int) -> JointRanker:
    """An untrained ranker of the kind that ships."""
    return JointRanker(seed, CycleBase(columns=CYCLE_COLUMNS, overlapping=OVERLAPPING))


def measurement_text(path: Path) -> str:
    """The JSON lines of a measurement file, compressed (`.gz`) or not."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def load_rows(paths: Sequence[Path], kernel_of: Callable[[str], Kernel]) -> Rows:
    """Read measurement files and compute features; failures count as ten times the slowest of their workload."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path in paths:
        for line in measurement_text(path).splitlines():
            row = json.loads(line)
            groups.setdefault(row["workload_id"], []).append(row)
    target = Target.parse("native")
    features, targets, workloads, families, generators = [], [], [], [], []
    for key, rows in groups.items():
        times = [r["runtime_s"] for r in rows if r["status"] == "ok"]
        if len(times) < 4:
            continue
        kernel = kernel_of(FAMILIES[rows[0]["generator"]].text(rows[0]["sizes"]))
        planner, scale = Planner(kernel), bound_s(kernel, target)
        key = workload_id(kernel)
        plans = []
        for row in rows:
            try:
                plan = planner.plan(parse_schedule(row["schedule"]))
            except UnsupportedError:  # measured by a version whose space was another
                continue
            plans.append(plan)
            runtime_s = row["runtime_s"] if row["status"] == "ok" else FAILED_FACTOR * max(times)
            targets.append(np.log(runtime_s / scale))
            workloads.append(key)
            families.append(kernel.family)
            generators.append(row["generator"])
        counts = np.array([ir_features(KernelEmitter(plan).emit().text) for plan in plans], np.float32)
        features.append(np.concatenate([features_of_plans(plans, target), counts], axis=1))
    digest = sha256_text("".join(sha256_text(measurement_text(p)) for p in paths))
    return Rows(
        features=np.concatenate(features), targets=np.array(targets), workloads=np.array(workloads),
        families=np.array(families), generators=np.array(generators), data_sha256=digest,
        target=target.name,
    )  # fmt: skip


def kept_rows(path: Path, make: Callable[[], Rows]) -> Rows:
    """Rows of an `.npz` file; made and written where there is none, since features take longer than training."""
    if not path.is_file():
        rows = make()
        np.savez(path, **{f.name: getattr(rows, f.name) for f in fields(rows)})
        return rows
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    texts = {name: str(arrays.pop(name)) for name in ("data_sha256", "target")}
    return Rows(**arrays, **texts)


def held_out_figures(
    rows: Rows, width: int, seed: int, jobs: int = 1
) -> tuple[dict[str, dict[str, float]], float]:  # fmt: skip
    """Rank quality of each family by models trained on others, and the spread of their errors within workloads."""
    names = sorted(set(rows.families.tolist()))
    folds = [names[start::FOLDS] for start in range(min(FOLDS, len(names)))] if len(names) > 1 else []
    found: dict[str, list[dict[str, float]]] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for one in pool.map(partial(_one_fold, rows, width, seed), folds):
            found |= one
    errors = [part.pop("error_std") for parts in found.values() for part in parts]
    figures = {
        family: {k: round(float(np.mean([p[k] for p in parts])), 4) for k in parts[0]} | {"workloads": len(parts)}
        for family, parts in sorted(found.items())
    }
    return figures, float(np.median(errors))


def _one_fold(rows: Rows, width: int, seed: int, families: list[str]) -> dict[str, list[dict[str, float]]]:
    """Figures of each workload by family, of families that the model did not see."""
    test = np.isin(rows.families, families)
    model = new_ranker(seed)
    model.fit(rows.features[~test, :width], rows.targets[~test], rows.workloads[~test])
    mean = model.predict(rows.features[test, :width]).mean
    names, truth, owner = rows.workloads[test], rows.targets[test], rows.families[test]
    return {
        family: [_workload_figures(mean[names == n], truth[names == n]) for n in sorted(set(names[owner == family]))]
        for family in families
    }


def _workload_figures(mean: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    order = np.argsort(mean, kind="stable")
    best = truth.min()
    i, j = np.triu_indices(len(mean), 1)
    differ = np.abs(truth[i] - truth[j]) > 0.02
    agree = ((mean[i] - mean[j]) * (truth[i] - truth[j]) > 0)[differ]
    found: dict[str, float] = {"pairwise_accuracy": float(agree.mean()) if agree.size else 1.0}
    for k in PICKS:
        found[f"top{k}_score"] = float(np.exp(best - truth[order[:k]].min()))
    centred = (truth - np.median(truth)) - (mean - np.median(mean))
    found["error_std"] = float(centred.std())
    return found


def train_rankers(rows: Rows, out: Path | None, seed: int, jobs: int = 1) -> dict[str, object]:
    """Both stages: figures, then models trained on everything and written to `out`."""
    figures: dict[str, object] = {
        "rows": len(rows.targets), "workloads": len(set(rows.workloads)), "families": sorted(set(rows.families)),
    }  # fmt: skip
    for stage, width in (("plan", len(PLAN_FEATURES)), ("ir", len(PLAN_FEATURES) + len(IR_FEATURES))):
        by_family, spread = held_out_figures(rows, width, seed, jobs)
        means = {
            k: round(float(np.mean([f[k] for f in by_family.values()])), 4) for k in next(iter(by_family.values()))
        }
        figures[stage] = {"held_out_family": by_family, "mean": means, "error_std": round(spread, 4)}
        if out is None:
            continue
        model = new_ranker(seed)
        model.fit(rows.features[:, :width], rows.targets, rows.workloads)
        model.residual_std = spread
        card = {
            "metrics": ["latency_s"], "unit": "ln(runtime_s / bound_s)", "targets": [rows.target],
            "feature_version": FEATURE_VERSION, "features": [*PLAN_FEATURES, *IR_FEATURES][:width],
            "data_sha256": rows.data_sha256, "training_workload_ids": sorted(set(rows.workloads)),
            "training_families": sorted(set(rows.families)), "seed": seed, "figures": figures[stage],
        }  # fmt: skip
        model.save(out / f"ranker-{stage}", card)
    return figures


__all__ = ["Rows", "held_out_figures", "kept_rows", "load_rows", "new_ranker", "train_rankers"]
