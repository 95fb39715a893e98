"""Uniform sampling without replacement: the baseline of every comparison."""

from __future__ import annotations

from typing import ClassVar

from costmodel.search.space import Candidate
from costmodel.search.strategies.base import Scorer, Strategy


class RandomStrategy(Strategy):
    """Draws knob by knob; never asks the model."""

    uses_model: ClassVar[bool] = False

    def ask(self, count: int, score: Scorer) -> list[Candidate]:
        """Distinct schedules not seen before."""
        return self.fresh(count, set(self.seen))
