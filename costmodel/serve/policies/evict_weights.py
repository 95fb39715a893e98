"""Eviction by spill weight: LLVM's default rule, as far as the channel's features carry it.

`use_def_density` is the largest spill weight of the live ranges in a register, over the largest in the question; the
last place is the new range itself, and choosing it evicts nothing. LLVM's `DefaultEvictionAdvisor` evicts where the new
range weighs more, or where it wants this very register and breaks nobody's hint, and prefers few broken hints, then
little weight. What it also knows and the channel does not say: cheap registers first, cascades of local reassignments.
"""

from __future__ import annotations

import numpy as np

from costmodel.serve.messages import Observation
from costmodel.serve.policies.base import Policy

RS_SPILL = 4
"""Stages of a live range from which it is no longer split (LLVM: `LiveRangeStage`)."""


class DefaultEviction(Policy):
    """The least broken hints, then the least weight, among what the new range outweighs."""

    name = "default"
    needs = ("mask", "use_def_density", "nr_broken_hints", "is_hint", "max_stage")

    def decide(self, observation: Observation) -> int:
        """See `Policy`."""
        allowed = observation["mask"].ravel() != 0
        weight = np.nan_to_num(observation["use_def_density"].ravel(), nan=np.inf)
        hints = observation["nr_broken_hints"].ravel()
        last = len(allowed) - 1
        if allowed[last]:
            wanted = (
                (observation["is_hint"].ravel() != 0) & (hints == 0) & (observation["max_stage"].ravel() < RS_SPILL)
            )
            allowed = allowed & ((weight < weight[last]) | wanted)
            allowed[last] = False
        places = np.flatnonzero(allowed)
        return int(min(places, key=lambda i: (hints[i], weight[i]))) if len(places) else last


class NoEviction(Policy):
    """Never, but where the new range cannot be spilled: then the least weight."""

    name = "never"
    needs = ("mask", "use_def_density")

    def decide(self, observation: Observation) -> int:
        """See `Policy`."""
        mask = observation["mask"].ravel()
        last = len(mask) - 1
        weight = np.where(mask != 0, np.nan_to_num(observation["use_def_density"].ravel(), nan=np.inf), np.inf)
        return last if mask[last] else int(np.flatnonzero(mask)[np.argmin(weight[mask != 0])])
