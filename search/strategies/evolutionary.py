"""Evolution under a cost model: thousands scored, few returned. Source: Ansor (Zheng et al. 2020) and MetaSchedule.

Differs from both in that parents are drawn by lower confidence bound, so that doubt is explored from the first trial.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from costmodel.search.space import Candidate, SearchSpace
from costmodel.search.strategies.base import Scorer, Strategy

POPULATION = 256
SMALLEST = 64
GENERATIONS = 3
ELITE = 64
MUTATION = 0.8
DOUBT = 0.5


class EvolutionaryStrategy(Strategy):
    """Keeps the best measured candidates as parents beside fresh random ones."""

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        """See `Strategy`."""
        super().__init__(space, rng)
        self._measured: list[tuple[float, Candidate]] = []

    def tell(self, results: Sequence[tuple[Candidate, float | None]]) -> None:
        """Remember measured candidates as parents, fastest first."""
        super().tell(results)
        self._measured += [(runtime, c) for c, runtime in results if runtime is not None]
        self._measured.sort(key=lambda m: m[0])

    def ask(self, count: int, score: Scorer) -> list[Candidate]:
        """Evolve a population on the model's lower bound; return the best `count` distinct ones."""
        known: dict[str, tuple[Candidate, float]] = {}
        seen = set(self.seen)
        parents = [c for _, c in self._measured[: ELITE // 4]]
        size = min(POPULATION, max(SMALLEST, 8 * count))
        population = self.fresh(size, seen) + self._children(parents, size // 4 if parents else 0, seen)
        for generation in range(GENERATIONS + 1):
            if not population:
                break
            bounds = score(population).bound(DOUBT)
            for candidate, bound in zip(population, bounds, strict=True):
                known[self.space.text(candidate)] = (candidate, float(bound))
            if generation == GENERATIONS:
                break
            elite = sorted(known.items(), key=lambda item: (item[1][1], item[0]))[:ELITE]
            population = self._children([c for _, (c, _) in elite] + parents, size // 2, seen)
        ranked = sorted(known.items(), key=lambda item: (item[1][1], item[0]))
        return [candidate for _, (candidate, _) in ranked[:count]]

    def _children(self, parents: Sequence[Candidate], wanted: int, seen: set[str]) -> list[Candidate]:
        """Mutants and crossings of parents, better ranks more often, whose schedules are new."""
        if not parents:
            return []
        weights = 1.0 / (np.arange(len(parents)) + 10.0)
        weights /= weights.sum()
        found: list[Candidate] = []
        for _ in range(3 * wanted):
            if len(found) == wanted:
                break
            first, second = self.rng.choice(len(parents), size=2, p=weights)
            child = parents[int(first)]
            if self.rng.random() > MUTATION:
                child = self.space.crossover(child, parents[int(second)], self.rng)
            child = self.space.mutate(child, self.rng)
            text = self.space.text(child)
            if text not in seen:
                seen.add(text)
                found.append(child)
        return found
