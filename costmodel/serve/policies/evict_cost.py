"""Eviction by a fitted cost: every place is given the cost of evicting it, and the cheapest is taken.

The cost is a weighted sum of the channel's features of that place; the last place, the new range itself, has a constant
added, the cost of not evicting. The weights were found by an evolution strategy (as in MLGO, arXiv 2101.04808, section
4.3) that compiled a corpus with each candidate and counted spills and reloads: `benchmarks/serve_evolve.py`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from costmodel.core.errors import CheckpointError
from costmodel.core.schema import check_version
from costmodel.serve.messages import Observation
from costmodel.serve.policies.base import Policy

MODEL_VERSION = 1
MODEL_FILE = "evict_cost.json"
FEATURES = (
    "use_def_density", "nr_broken_hints", "nr_defs_and_uses", "liverange_size", "hottest_bb_freq_by_max",
    "weighed_reads_by_max", "weighed_writes_by_max", "nr_rematerializable", "is_hint", "is_local", "max_stage",
)  # fmt: skip
START = (1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Near LLVM's default: weight, after broken hints. The last is the constant of the new range."""
LARGEST = 1e6

Array = np.ndarray[Any, Any]


@cache
def shipped_weights() -> tuple[float, ...]:
    """Those that come with the package, `[features + 1]`; raises `CheckpointError`."""
    document = json.loads((resources.files(__package__) / MODEL_FILE).read_text())
    check_version(document, MODEL_VERSION, MODEL_FILE)
    if tuple(document["features"]) != FEATURES or len(document["weights"]) != len(START):
        raise CheckpointError(f"{MODEL_FILE} holds weights of other features; reinstall, or fit it again")
    return tuple(float(weight) for weight in document["weights"])


class CostEviction(Policy):
    """The place of the least cost among those that are allowed."""

    name = "cost"
    needs = ("mask", *FEATURES)

    def __init__(self, weights: tuple[float, ...] | None = None) -> None:
        """`weights` are one for each feature, and the constant; by default those that come with the package."""
        self._weights = np.array(shipped_weights() if weights is None else weights)

    def decide(self, observation: Observation) -> int:
        """See `Policy`."""
        columns = np.stack([observation[name].ravel() for name in FEATURES]).astype(float)
        cost = self._weights[:-1] @ np.nan_to_num(columns, nan=LARGEST, posinf=LARGEST, neginf=-LARGEST)
        cost[-1] += self._weights[-1]
        places = np.flatnonzero(observation["mask"].ravel())
        return int(places[np.argmin(cost[places])])
