"""Inlining without a model: LLVM's own decisions, all, or none."""

from __future__ import annotations

from costmodel.serve.messages import Observation
from costmodel.serve.policies.base import Policy


class DefaultInlining(Policy):
    """What LLVM would have done, as the channel says it."""

    name = "default"
    needs = ("inlining_default",)

    def decide(self, observation: Observation) -> int:
        """See `Policy`."""
        return int(observation["inlining_default"][0] != 0)


class AlwaysInline(Policy):
    """Every call that LLVM asks about, until its own limit of growth ends the questions."""

    name = "always"

    def decide(self, observation: Observation) -> int:
        """See `Policy`."""
        return 1


class NeverInline(Policy):
    """None; what is marked `always_inline` is inlined without a question."""

    name = "never"

    def decide(self, observation: Observation) -> int:
        """See `Policy`."""
        return 0
