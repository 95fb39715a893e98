"""The contract between the tuner and a strategy.

Lifetime: the tuner makes one strategy for each workload, calls `ask` and `tell` in turn until the budget is gone, and
drops it. Not thread-safe. Same seed, same scorer, same answers: same trace, in another process too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from costmodel.search.space import Candidate, SearchSpace


@dataclass(frozen=True, slots=True)
class Scores:
    """Predicted natural logarithm of run time, lower is better: `mean[n]` and its doubt `std[n]`."""

    mean: np.ndarray
    std: np.ndarray

    def bound(self, doubt: float) -> np.ndarray:
        """Lower confidence bound `mean - doubt * std` (Srinivas et al. 2010)."""
        return np.asarray(self.mean - doubt * self.std)


Scorer = Callable[[Sequence[Candidate]], Scores]


class Strategy(ABC):
    """Base of all strategies. `uses_model` says whether `ask` calls the scorer at all."""

    uses_model: ClassVar[bool] = True

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        """`rng` belongs to this strategy alone."""
        self.space = space
        self.rng = rng
        self.seen: set[str] = set()

    @abstractmethod
    def ask(self, count: int, score: Scorer) -> list[Candidate]:
        """Up to `count` candidates, best first, none of a schedule told before; fewer when the space is exhausted."""

    def tell(self, results: Sequence[tuple[Candidate, float | None]]) -> None:
        """Measured run times in seconds, None for a failure, in any order."""
        for candidate, _ in results:
            self.seen.add(self.space.text(candidate))

    def skip(self, schedules: Sequence[str]) -> None:
        """Schedules measured elsewhere (a resumed session): never ask for them."""
        self.seen.update(schedules)

    def fresh(self, wanted: int, seen: set[str], tries: int = 20) -> list[Candidate]:
        """Up to `wanted` candidates drawn at random whose schedules are not in `seen` (which is extended)."""
        found: list[Candidate] = []
        for _ in range(tries * wanted):
            if len(found) == wanted:
                break
            candidate = self.space.sample(self.rng)
            text = self.space.text(candidate)
            if text not in seen:
                seen.add(text)
                found.append(candidate)
        return found
