"""The order of allocation without a model.

LLVM's default also knows whether a range is local, where it begins, and its register's class; the channel sends none of
these, so `default` keeps only the rule for global ranges: the largest first, those that were split last.
"""

from __future__ import annotations

import math

from costmodel.serve.advisors import MAX_PRIORITY
from costmodel.serve.messages import Observation
from costmodel.serve.policies.base import Policy

RS_ASSIGN, RS_SPLIT = 1, 2
"""Stages of a live range (LLVM: `LiveRangeStage`)."""
_FIRST = float(1 << 23)
"""Sizes below this stay exact in the 24 bits of the answer's fraction."""
_WEIGHT_SCALE = float(1 << 20)


class SizePriority(Policy):
    """Large live ranges first; ranges that were split and failed wait until all others have a register."""

    name = "default"
    needs = ("li_size", "stage")

    def decide(self, observation: Observation) -> float:
        """See `Policy`."""
        size = min(max(float(observation["li_size"][0]), 0.0), _FIRST - 1)
        return size if observation["stage"][0] == RS_SPLIT else _FIRST + size


class WeightPriority(Policy):
    """Expensive live ranges first, by spill weight."""

    name = "weight"
    needs = ("weight",)

    def decide(self, observation: Observation) -> float:
        """See `Policy`."""
        weight = float(observation["weight"][0])
        return MAX_PRIORITY if not math.isfinite(weight) else min(max(weight, 0.0) * _WEIGHT_SCALE, MAX_PRIORITY)
