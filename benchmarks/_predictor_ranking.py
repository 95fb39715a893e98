"""How well the tuner's ranker orders measured schedules of workloads it has not met.

Owns the protocol: the committed measurements, whole workloads or whole families held out by seed, stage-1 features
(workload and knobs, no IR). Failed schedules count as in training: ten times the slowest of their workload.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _common import Json
from ranker import kernel_of
from ranker_training import Rows, load_rows

from costmodel.evaluation.figures import ranking_figures
from costmodel.evaluation.run import over_seeds
from costmodel.models.ranker import BoostedRanker
from costmodel.search.features import IR_FEATURES, PLAN_FEATURES
from costmodel.training.examples import hold_out

MEASUREMENTS = Path(__file__).resolve().parent / "data" / "ranker_measurements.jsonl.gz"
STAGES = {"plan": len(PLAN_FEATURES), "ir": len(PLAN_FEATURES) + len(IR_FEATURES)}


def read_measurements() -> Rows:
    """All rows with features of both stages."""
    return load_rows([MEASUREMENTS], kernel_of)


def held_out(rows: Rows, by: str, share: float, seed: int) -> Json:
    """Both stages, trained on the other groups and asked about the held-out ones."""
    groups: Any = rows.workloads if by == "workload" else rows.families
    test = hold_out(groups, share, seed)
    found: Json = {"held_out": sorted(set(groups[test].tolist())), "training_rows": int((~test).sum())}
    for stage, width in STAGES.items():
        model = BoostedRanker(seed)
        model.fit(rows.features[~test, :width], rows.targets[~test], rows.workloads[~test])
        mean = model.predict(rows.features[test, :width]).mean
        found[stage] = ranking_figures(mean, np.exp(rows.targets[test]), rows.workloads[test])
        found[stage]["by_family"] = {
            str(name): ranking_figures(mean[own], np.exp(rows.targets[test][own]), rows.workloads[test][own])
            for name in np.unique(rows.families[test])
            for own in [rows.families[test] == name]
        }
    return found


def together(documents: list[Json]) -> Json:
    """Mean and spread over seeds."""
    return over_seeds([{k: v for k, v in d.items() if k in STAGES} for d in documents])
