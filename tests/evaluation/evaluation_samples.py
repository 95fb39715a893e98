"""Small cases whose labels follow from what the functions hold."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from program_samples import KINDS, METRICS, TARGETS, programs, sample, text  # noqa: F401

from costmodel.evaluation.cases import Cases
from costmodel.models import MODELS


@cache
def cases(count: int = 60, seed: int = 0) -> Cases:
    """Each function on two targets, in ten families; every function like itself only."""
    examples, values, groups = sample(count, seed)
    families = np.array([f"family-{g}" for g in groups])
    nothing = np.full(len(values), "")
    columns = {
        "family": families, "project": nothing, "network": nothing, "level": np.full(len(values), "llvm"),
        "stage": np.full(len(values), "source"),
        "target": np.array(list(TARGETS) * count), "pipeline": np.full(len(values), "p-v1"), "workload": nothing,
    }  # fmt: skip
    return Cases(
        examples=examples, values=values, metrics=METRICS, columns=columns, likeness=np.repeat(np.arange(count), 2)
    )


def trees(metrics, seed):
    """A small, quick model."""
    return MODELS.get("boosted-trees")(metrics, seed=seed, rounds=40, threads=1)


def by_family(held=("family-0", "family-3")):
    """Groups and mask of two held-out families."""
    groups = cases().columns["family"]
    return groups, np.isin(groups, held)
