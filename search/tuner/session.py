"""The search of one workload: proposes batches, keeps what was measured, says how much more there may be to gain.

Owns one strategy and one scorer. Does no I/O, no measuring, reads no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from costmodel.core.errors import UnsupportedError
from costmodel.core.hashing import sha256_text
from costmodel.search.backends.protocol import Backend
from costmodel.search.measure.trial import Trial
from costmodel.search.schedule.text import parse_schedule
from costmodel.search.space import Candidate, SearchSpace
from costmodel.search.space.heuristic import heuristic_schedule
from costmodel.search.space.inverse import candidate_of
from costmodel.search.strategies import Scores, Strategy
from costmodel.search.tuner.scoring import TwoStageScorer

SHORTLIST = 6
SMALL_BATCH = 3
"""With batches this small, many workloads share few trials: each gets its hand-written schedule before any search."""
DOUBT = 0.3
_EXPLORE_EVERY = 5
FAILED_FACTOR = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A candidate to measure, with what the model said of it before."""

    candidate: Candidate | None
    schedule: str
    row: tuple[float, ...] | None = None
    predicted_mean_s: float | None = None
    predicted_std_s: float | None = None


def pick(scores: Scores, wanted: int) -> list[int]:
    """Which of a scored shortlist to measure: by lower bound, and every fifth by doubt among the better half."""
    by_bound = [int(i) for i in np.argsort(scores.bound(DOUBT), kind="stable")]
    better = by_bound[: max(1, len(by_bound) // 2)]
    by_doubt = sorted(better, key=lambda i: -scores.std[i])
    chosen = by_bound[: wanted - wanted // _EXPLORE_EVERY]
    for i in (*by_doubt, *by_bound):
        if len(chosen) < wanted and i not in chosen:
            chosen.append(i)
    return chosen


@dataclass(slots=True, kw_only=True)
class WorkloadSession:
    """State of one workload. `count` is how often the model holds it."""

    workload_id: str
    name: str
    count: int
    space: SearchSpace
    strategy: Strategy
    scorer: TwoStageScorer
    backend: Backend
    learns: bool = True
    default_s: float | None = None
    default_failed: bool = False
    best_s: float | None = None
    best_schedule: str | None = None
    trials: int = 0
    exhausted: bool = False
    stale: int = 0
    measured: dict[str, float] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    _codes: set[str] = field(default_factory=set)

    @property
    def heuristic(self) -> str:
        """Text of the hand-written schedule."""
        return str(heuristic_schedule(self.space))

    def propose(self, wanted: int, *, ask_model: bool = False) -> list[Proposal]:
        """Up to `wanted` new candidates, best first; empty when the space is exhausted.

        The first of all is the hand-written schedule; alone in a small batch, unless `ask_model` wants more beside it.
        """
        found: list[Proposal] = []
        if self.trials == 0 and self.heuristic not in self.measured and self.heuristic not in self.strategy.seen:
            found.append(self._with_prediction(self.heuristic))
            self.strategy.skip([self.heuristic])
        if len(found) < wanted and (ask_model or not found or wanted > SMALL_BATCH):
            found += self._ask(wanted - len(found))
        self.strategy.skip([p.schedule for p in found])
        self.exhausted = not found
        return found

    def _with_prediction(self, text: str) -> Proposal:
        candidate = candidate_of(self.space, parse_schedule(text))
        realised = self._realise(candidate, text)
        if realised is None:
            return Proposal(candidate=candidate, schedule=text)
        self._codes.add(realised[1])
        mean_s, std_s = self.scorer.seconds(self.scorer.score_realised(np.array([realised[0]], np.float32)), 0)
        return Proposal(
            candidate=candidate, schedule=text, row=realised[0], predicted_mean_s=mean_s, predicted_std_s=std_s
        )

    def _realise(self, candidate: Candidate | None, text: str) -> tuple[tuple[float, ...], str] | None:
        """Stage 2 features and a digest of the generated code; None where the schedule does not fit."""
        if candidate is None:
            return None
        try:
            realised = self.backend.realise(self.space.kernel, parse_schedule(text))
        except UnsupportedError:
            return None
        return tuple(self.scorer.ir_row(candidate, realised.text)), sha256_text(realised.text)

    def _ask(self, wanted: int) -> list[Proposal]:
        """A shortlist by stage 1; schedules that give code already measured, or twice in the list, are left out."""
        count = SHORTLIST * wanted if self.strategy.uses_model else wanted
        shortlist = []
        twins: set[str] = set()
        for candidate in self.strategy.ask(count, self.scorer.score):
            text = self.space.text(candidate)
            realised = self._realise(candidate, text)
            if realised is None or realised[1] in self._codes or realised[1] in twins:
                self.strategy.skip([text])
                continue
            twins.add(realised[1])
            shortlist.append((candidate, text, *realised))
        if not shortlist:
            return []
        scores = self.scorer.score_realised(np.array([row for _, _, row, _ in shortlist], np.float32))
        chosen = pick(scores, wanted) if self.strategy.uses_model else range(min(wanted, len(shortlist)))
        proposals = []
        for i in chosen:
            candidate, text, row, code = shortlist[i]
            self._codes.add(code)
            mean_s, std_s = self.scorer.seconds(scores, i)
            proposals.append(
                Proposal(candidate=candidate, schedule=text, row=row, predicted_mean_s=mean_s, predicted_std_s=std_s)
            )
        return proposals

    def record(self, results: Sequence[tuple[Proposal, Trial]]) -> None:
        """Take measured proposals in: the strategy is told, the model learns; failures count as slow."""
        told: list[tuple[Candidate, float | None]] = []
        rows, times = [], []
        before = self.best_s
        for proposal, trial in results:
            self.trials += 1
            runtime_s = trial.runtime_s if trial.ok else None
            if runtime_s is None:
                self.failures[trial.status] = self.failures.get(trial.status, 0) + 1
            else:
                self.measured[proposal.schedule] = runtime_s
                if self.best_s is None or (runtime_s, proposal.schedule) < (self.best_s, self.best_schedule or ""):
                    self.best_s, self.best_schedule = runtime_s, proposal.schedule
            if proposal.candidate is not None:
                told.append((proposal.candidate, runtime_s))
            if proposal.row is not None:
                rows.append(proposal.row)
                times.append(runtime_s)
        self.strategy.tell(told)
        if self.learns and rows and self.measured:
            worst = FAILED_FACTOR * max(self.measured.values())
            self.scorer.learn(np.array(rows, np.float32), [t if t is not None else worst for t in times])
        improved = self.best_s is not None and (before is None or self.best_s < 0.99 * before)
        self.stale = 0 if improved else self.stale + len(results)

    def restore(self, results: Sequence[tuple[str, str, float | None]]) -> None:
        """Take in records of an earlier run: (schedule, status, runtime_s)."""
        replayed = []
        for text, status, runtime_s in results:
            proposal = self._with_prediction(text)
            trial = Trial(schedule=text, status=status, samples_s=(runtime_s,) if runtime_s is not None else ())  # type: ignore[arg-type]
            replayed.append((proposal, trial))
        self.strategy.skip([p.schedule for p, _ in replayed])
        self.record(replayed)

    def finalists(self, count: int) -> list[str]:
        """The fastest measured schedules."""
        return [s for s, _ in sorted(self.measured.items(), key=lambda item: (item[1], item[0]))[:count]]
