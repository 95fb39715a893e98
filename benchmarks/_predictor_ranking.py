"""How well the tuner's ranker orders measured schedules of workloads it has not met.

Owns the protocol: the bundled measurements, whole workloads or whole families held out by seed, stage-1 features
(workload and knobs, no IR), schedules that failed left out. Beside the figures stands the noise ceiling: how well one
half of the samples of the same schedules orders the other, which no model can beat on the machine that measured, and
how much of the pairs noise decides (`_ranking_noise.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _common import Json
from _evaluation import say
from _ranking_noise import GAPS, noise_figures
from ranker import kernel_of
from ranker_training import new_ranker

from costmodel.core.errors import UnsupportedError
from costmodel.core.target import Target
from costmodel.datasets.store.read import read_dataset
from costmodel.evaluation.figures import ranking_figures
from costmodel.evaluation.ranking import grouped_pairwise_accuracy
from costmodel.search.backends.mlir.kernel import KernelPlan
from costmodel.search.features import features_of_plans
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.printing import workload_id
from costmodel.search.schedule.plan import Planner
from costmodel.search.schedule.text import parse_schedule
from costmodel.search.tuner.scoring import bound_s
from costmodel.training.examples import hold_out
from costmodel.training.table import read_table

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """n schedules: `features[n, F]`, measured `latency_s[n]`, the `bound_s[n]` that peaks allow, names of groups."""

    features: Array
    latency_s: Array
    bound_s: Array
    workload: Array
    family: Array
    samples_s: tuple[tuple[float, ...], ...]
    ceilings: dict[str, dict[str, float]]
    sha256: str


def read_measurements(folder: Path) -> Measured:
    """All schedules with a latency, and their stage-1 features; raises `UsageError` where there is no such data set."""
    table = read_table(folder, metrics=["latency_s"])
    kernels: dict[str, tuple[Planner, Kernel]] = {}
    planned: dict[str, list[tuple[int, KernelPlan]]] = {}
    bounds = np.zeros(len(table.function))
    native = Target.parse("native")
    for i, function in enumerate(table.function):
        row, name = table.functions[function], str(table.targets[i])
        target = native if native.name == name else Target.parse(name)  # a name knows less of caches than the machine
        if row.ir not in kernels:
            kernel = kernel_of(row.ir)
            if workload_id(kernel) != row.workload_id:
                say(f"workload {row.workload_id} reads back as another one")
            kernels[row.ir] = (Planner(kernel), kernel)
        planner, kernel = kernels[row.ir]
        try:
            plan = planner.plan(parse_schedule(row.schedule or ""))
        except UnsupportedError:  # measured by a version whose space was another
            continue
        planned.setdefault(row.ir, []).append((i, plan))
        bounds[i] = bound_s(kernel, target)
    kept = np.array([i for members in planned.values() for i, _ in members])
    features = np.concatenate([features_of_plans([p for _, p in members], target) for members in planned.values()])
    samples = {r.function_id: r.samples for r in read_dataset(folder).label_rows() if r.metric == "latency_s"}
    path = folder / "noise_ceiling.json"
    ceilings = json.loads(path.read_text())["workloads"] if path.is_file() else {}
    return Measured(
        features=features, latency_s=table.values[kept, 0], bound_s=bounds[kept],
        workload=table.column("workload_id")[kept], family=table.column("family")[kept], ceilings=ceilings,
        samples_s=tuple(samples[table.function_ids[table.function[i]]] for i in kept), sha256=table.sha256,
    )  # fmt: skip


def held_out(rows: Measured, by: str, share: float, seed: int) -> Json:
    """A ranker trained on the other groups and asked about the held-out ones."""
    test = hold_out(rows.workload if by == "workload" else rows.family, share, seed)
    model = new_ranker(seed)
    targets = np.log(rows.latency_s / rows.bound_s)
    model.fit(rows.features[~test], targets[~test], rows.workload[~test])
    mean = model.predict(rows.features[test]).mean
    truth, workload, family = rows.latency_s[test], rows.workload[test], rows.family[test]
    found: Json = {
        "held_out_families": sorted(set(family.tolist())), "training_schedules": int((~test).sum()),
        **ranking_figures(mean, truth, workload),
        "pairwise_accuracy_over_5_percent": grouped_pairwise_accuracy(mean, truth, workload, GAPS["5_percent"]),
        "noise": noise_figures(truth, workload, [rows.samples_s[i] for i in np.flatnonzero(test)], seed),
    }  # fmt: skip
    names = sorted(set(family.tolist()))
    found["by_family"] = {n: ranking_figures(*(part[family == n] for part in (mean, truth, workload))) for n in names}
    taus = [rows.ceilings[w]["kendall"] for w in sorted(set(workload.tolist())) if w in rows.ceilings]
    if taus:
        found["noise_ceiling"] = {
            "kendall_tau": float(np.mean(taus)),
            "pairwise_accuracy": 0.5 + float(np.mean(taus)) / 2,
        }
    return found
