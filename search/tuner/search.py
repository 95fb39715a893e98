"""The search itself: batches proposed, measured and recorded until the budget is gone.

Owns the order of events between sessions, the measurer and the database. Invariant: a trial is in the database as soon
as its result has been taken, so a kill loses at most the trials in flight.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from costmodel.core.record import Record
from costmodel.core.target import Target
from costmodel.search.database import Database
from costmodel.search.measure.measurer import Handle, Measurer
from costmodel.search.measure.trial import Trial
from costmodel.search.report.clock import PhaseClock
from costmodel.search.report.data import TrialPoint
from costmodel.search.report.live import LiveProgress
from costmodel.search.tuner.scheduler import next_session
from costmodel.search.tuner.session import Proposal, WorkloadSession
from costmodel.search.tuner.stop import Stop

MAX_BATCH = 8
TRIAL_S = 0.3
"""What a trial takes, before any is done."""


class RecordQuery(TypedDict):
    """What a record must match to be of use here."""

    workload_id: str
    target: str
    device: str
    backend: str
    toolchain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """What all records of a run share."""

    target: Target
    backend: str
    toolchain: str
    session: str
    seed: int

    @property
    def device(self) -> str:
        """This machine, as records name it."""
        return self.target.device or ""

    def query(self, workload_id: str) -> RecordQuery:
        """The key of a workload's records on this machine with this toolchain."""
        return {
            "workload_id": workload_id,
            "target": self.target.name,
            "device": self.device,
            "backend": self.backend,
            "toolchain": self.toolchain,
        }


@dataclass(slots=True, kw_only=True)
class Batch:
    """Proposals of one session under way."""

    session: WorkloadSession
    proposals: list[Proposal]
    handles: list[Handle]


@dataclass(slots=True, kw_only=True)
class SearchRun:
    """One run over all sessions. `history` collects what the report shows."""

    sessions: Sequence[WorkloadSession]
    measurer: Measurer
    database: Database
    key: RunKey
    clock: PhaseClock
    progress: LiveProgress
    stop: Stop
    trials: int
    history: dict[str, list[TrialPoint]] = field(default_factory=dict)
    worker_s: dict[str, float] = field(default_factory=dict)
    done: int = 0
    _start_s: float = 0.0
    _done_before: int = 0

    def run(self) -> None:
        """Search until trials or time are used up, somebody interrupts, or nothing is left to try."""
        self._start_s, self._done_before = time.monotonic(), self.done
        under_way: list[Batch] = []
        limit = 1 if len(self.sessions) == 1 else 2
        while True:
            while len(under_way) < limit and (batch := self._start(under_way)) is not None:
                under_way.append(batch)
            if not under_way:
                return
            self._finish(under_way.pop(0))

    def _start(self, under_way: list[Batch]) -> Batch | None:
        busy = {b.session.workload_id for b in under_way}
        pending = sum(len(b.proposals) for b in under_way)
        while not self.stop.due and (left := self.trials - self.done - pending) > 0:
            session = next_session([s for s in self.sessions if s.workload_id not in busy])
            if session is None:
                return None
            with self.clock.phase("search"):
                proposals = session.propose(min(left, self._batch_size()))
            if proposals:
                handles = [self.measurer.submit(session.space.kernel, p.schedule) for p in proposals]
                return Batch(session=session, proposals=proposals, handles=handles)
        return None

    def _batch_size(self) -> int:
        return max(2, min(MAX_BATCH, self._expected_trials() // (3 * len(self.sessions))))

    def _expected_trials(self) -> int:
        """In all: as many as were asked for, or as there is time for at the pace so far."""
        left_s = self.stop.search_left_s()
        if left_s is None:
            return self.trials
        spent_s, done = time.monotonic() - self._start_s, self.done - self._done_before
        return min(self.trials, self.done + int(left_s / (spent_s / done if done else TRIAL_S)))

    def _finish(self, batch: Batch) -> None:
        """Take what there is of a batch; what is not done when the end is due is left out."""
        session, results = batch.session, list[tuple[Proposal, Trial]]()
        best_s = session.best_s
        for proposal, handle in zip(batch.proposals, batch.handles, strict=True):
            with self.clock.phase("measure"):
                trial = self.stop.wait(handle, self.progress.tick)
            if trial is None:
                continue
            number = session.trials + len(results)
            with self.clock.phase("record"):
                self._record(session, proposal, trial, number)
            results.append((proposal, trial))
            self.done += 1
            if trial.ok and trial.runtime_s is not None:
                best_s = trial.runtime_s if best_s is None else min(best_s, trial.runtime_s)
            self.progress.update(workload=session.name, trial=number, best_s=best_s, status=trial.status)
        if results:
            with self.clock.phase("learn"):
                session.record(results)

    def note(self, session: WorkloadSession, trial: Trial) -> None:
        """Record a trial of the finals; it is under a session of its own, so that no resumed run counts it."""
        key = replace(self.key, session=f"{self.key.session}-finals")
        proposal = Proposal(candidate=None, schedule=trial.schedule)
        self.database.add(record_of(key, session.workload_id, proposal, trial, session.trials))

    def _record(self, session: WorkloadSession, proposal: Proposal, trial: Trial, number: int) -> None:
        for name, seconds in trial.seconds.items():
            self.worker_s[name] = self.worker_s.get(name, 0.0) + seconds
        self.database.add(record_of(self.key, session.workload_id, proposal, trial, number))
        self.history.setdefault(session.workload_id, []).append(
            TrialPoint(
                trial=number,
                elapsed_s=self.clock.wall_s,
                status=trial.status,
                runtime_s=trial.runtime_s if trial.ok else None,
                predicted_mean_s=proposal.predicted_mean_s,
                predicted_std_s=proposal.predicted_std_s,
                schedule=proposal.schedule,
            )
        )


def record_of(key: RunKey, workload_id: str, proposal: Proposal, trial: Trial, number: int) -> Record:
    """The database row of a trial."""
    return Record(
        **key.query(workload_id),
        schedule=trial.schedule,
        session=key.session,
        trial=number,
        seed=key.seed,
        status=trial.status,
        cause=trial.cause,
        samples_s=trial.samples_s if trial.ok else (),
        compile_s=trial.compile_s,
        max_abs_error=trial.max_abs_error,
        predicted_mean_s=proposal.predicted_mean_s,
        predicted_std_s=proposal.predicted_std_s,
    )
