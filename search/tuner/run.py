"""`tune`: from a file to an artifact and a report.

Owns the order of phases and what becomes of a run that is interrupted, out of time, or fails. Invariant: before the
folder is made, everything that a person can get wrong has been refused; after the search, an interrupt only hurries.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from costmodel.core.errors import CostModelError, UsageError
from costmodel.core.hashing import sha256_fields
from costmodel.core.record import WorkloadInfo
from costmodel.core.target import Target
from costmodel.search.artifact import ArtifactBuilder
from costmodel.search.artifact.default import default_function
from costmodel.search.artifact.endtoend import EndToEnd as Comparison
from costmodel.search.artifact.endtoend import compare_end_to_end
from costmodel.search.backends import BACKENDS
from costmodel.search.backends.protocol import Backend
from costmodel.search.database import Database
from costmodel.search.kernel.printing import print_kernel
from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.trial import Trial
from costmodel.search.report.clock import PhaseClock
from costmodel.search.report.data import EndToEnd, Report, TrialPoint
from costmodel.search.report.live import LiveProgress
from costmodel.search.space import build_space
from costmodel.search.strategies import STRATEGIES
from costmodel.search.tuner.finals import Verdict, decide, decide_at_once
from costmodel.search.tuner.options import TuneOptions
from costmodel.search.tuner.output import OutputFolder
from costmodel.search.tuner.reporting import make_report, workload_report, write_reports
from costmodel.search.tuner.reserve import MOST_SHARE, closing_s, compare_budget_s, final_s, reserve_s
from costmodel.search.tuner.resume import restore
from costmodel.search.tuner.scheduler import weight
from costmodel.search.tuner.scoring import TwoStageScorer, shipped_ranker
from costmodel.search.tuner.search import RunKey, SearchRun
from costmodel.search.tuner.session import WorkloadSession
from costmodel.search.tuner.source import Source, Workload, read_source
from costmodel.search.tuner.stop import Stop
from costmodel.search.tuner.vendor import vendor_seconds

BACKEND = "mlir"
DEFAULTS_SHARE = 0.25
"""Of the time that is left, for timing default lowerings before the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneResult:
    """What a run leaves: the report, whether it was interrupted, and whether the model's outputs are right."""

    report: Report
    interrupted: bool
    equal: bool = True


def tune(options: TuneOptions, clock: PhaseClock | None = None) -> TuneResult:
    """Run the tuner in this process.

    Raises:
        CostModelError: bad input or usage, before anything is written; or the records or the artifact could not be
            written, then with the records so far in place.
        KeyboardInterrupt: while the input is read. Later an interrupt ends the search, and the best so far is written.
    """
    clock = clock or PhaseClock()
    options.check()
    STRATEGIES.get(options.strategy)
    target = Target.parse(options.target)
    if not target.is_native:
        raise UsageError(f"--target {target.name}: only this machine can be measured, {Target.parse('native').name}")
    with clock.phase("read"):
        source = read_source(options.source, options.input_shapes)
    start_s = time.monotonic() - clock.wall_s
    with Stop(run_until_s=None if options.seconds is None else start_s + options.seconds) as stop:
        output = OutputFolder(options.out)
        try:
            return _Tuner(options, clock, target, source, stop, output.session).run()
        except BaseException:
            output.abandon(options.database_path)
            raise


class _Tuner:
    def __init__(
        self, options: TuneOptions, clock: PhaseClock, target: Target, source: Source, stop: Stop, session: str
    ) -> None:
        self.options, self.clock, self.target, self.source, self.stop = options, clock, target, source, stop
        with clock.phase("spaces"):
            self.backend: Backend = BACKENDS.get(BACKEND)()
            toolchain = self.backend.toolchain()
        self.key = RunKey(
            target=target, backend=self.backend.name, toolchain=toolchain, session=session, seed=options.seed
        )
        self.warnings: list[str] = []
        self.sessions: list[WorkloadSession] = []
        self.verdicts: dict[str, Verdict] = {}
        self.equal = True

    def run(self) -> TuneResult:
        with Database.open(self.options.database_path) as database, self._measurer() as measurer:
            search = self._search(database, measurer)
            with self.clock.phase("finals"):
                self._finals(measurer, search)
        end_to_end = self._artifact()
        with self.clock.phase("vendor"):
            kernels = {s.workload_id: s.space.kernel for s in self.sessions}
            vendor = {} if self.stop.interrupted else vendor_seconds(kernels, self.stop.left_s())
        workloads = [
            workload_report(
                s, self.verdicts[s.workload_id], search.history.get(s.workload_id, ()), vendor.get(s.workload_id)
            )
            for s in self.sessions
        ]
        report = make_report(
            self.options, self.key, workloads, end_to_end=end_to_end, worker_s=search.worker_s, warnings=self.warnings
        )
        report = write_reports(report, self.clock, self.options.out)
        return TuneResult(report=report, interrupted=self.stop.interrupted, equal=self.equal)

    @contextmanager
    def _measurer(self) -> Iterator[Measurer]:
        with self.clock.phase("start_workers"):
            measurer = Measurer(self.backend, self.target, seed=self.options.seed).__enter__()
        try:
            yield measurer
        finally:
            with self.clock.phase("stop_workers"):
                measurer.close()

    # -- search ------------------------------------------------------------------------------------------------

    def _search(self, database: Database, measurer: Measurer) -> SearchRun:
        with self.clock.phase("spaces"):
            history = {w.workload_id: self._open_session(w, database) for w in self.source.workloads}
        done = sum(map(len, history.values()))
        progress = LiveProgress(self.options.trials, self.stop.left_s(), done=done)
        search = SearchRun(
            sessions=self.sessions, measurer=measurer, database=database, key=self.key, clock=self.clock,
            progress=progress, stop=self.stop, trials=self.options.trials, history=history, done=done,
        )  # fmt: skip
        if self.options.trials and self.sessions:
            with progress:
                self._defaults(measurer)
                self._limit_search()
                search.run()
                if self.stop.interrupted:
                    progress.message("interrupted: writing the best so far")
        return search

    def _open_session(self, workload: Workload, database: Database) -> list[TrialPoint]:
        session = make_session(workload, self.options, self.target, self.backend)
        database.add_workload(workload_info(session))
        history = restore(session, database.query(**self.key.query(workload.workload_id)), self.key.session)
        self.sessions.append(session)
        return history

    def _defaults(self, measurer: Measurer) -> None:
        """Time the default lowering of each workload, so that trials go where time goes; some of them if time is short.

        What is left out gets its time in the finals.
        """
        left_s = self.stop.left_s()
        if left_s is not None:
            self.stop.search_until_s = time.monotonic() + DEFAULTS_SHARE * left_s
        with self.clock.phase("defaults"):
            handles = [(s, measurer.submit(s.space.kernel, None)) for s in self.sessions]
            for session, handle in handles:
                trial = self.stop.wait(handle)
                if trial is not None:
                    self._take_default(session, trial)

    def _take_default(self, session: WorkloadSession, trial: Trial) -> None:
        session.default_s, session.default_failed = (trial.runtime_s, False) if trial.ok else (None, True)
        if not trial.ok:
            cause = next(iter(trial.cause.splitlines()), "")
            self.warnings.append(f"{session.name}: default lowering: {trial.status}: {cause}")

    def _limit_search(self) -> None:
        left_s, seconds = self.stop.left_s(), self.options.seconds
        if left_s is not None and seconds is not None:
            reserve = min(reserve_s(self.source, self.sessions, seconds), MOST_SHARE * left_s)
            self.stop.search_until_s = time.monotonic() + left_s - reserve

    # -- finals and artifact -----------------------------------------------------------------------------------

    def _finals(self, measurer: Measurer, search: SearchRun) -> None:
        """The heaviest workloads first: where the time does not suffice, the others ship what the search found."""
        closing = closing_s(self.source, self.sessions, self.options.seconds or 0.0)
        for session in sorted(self.sessions, key=lambda s: (-weight(s), s.workload_id)):
            left_s = self.stop.left_s()
            if left_s is not None and left_s < closing + final_s(session):
                self.verdicts[session.workload_id] = decide_at_once(session)
                continue
            checked = {p.schedule for p in search.history[session.workload_id] if p.elapsed_s == p.elapsed_s}
            note = partial(search.note, session)
            if not session.measured:
                checked |= self._consult_model(session, measurer, note)
            self.verdicts[session.workload_id] = decide(session, measurer, checked, note)

    def _consult_model(self, session: WorkloadSession, measurer: Measurer, note: Callable[[Trial], None]) -> set[str]:
        """No record at hand: take the hand-written schedule and what the model likes best, if they turn out right."""
        proposals = session.propose(2, ask_model=True)
        trials = measurer.measure(session.space.kernel, [p.schedule for p in proposals])
        for trial in trials:
            note(trial)
        session.measured.update({t.schedule: t.runtime_s for t in trials if t.ok and t.runtime_s is not None})
        return {t.schedule for t in trials}

    def _choices(self) -> dict[str, str | None]:
        return {key: verdict.schedule for key, verdict in self.verdicts.items()}

    def _artifact(self) -> EndToEnd | None:
        name = "model" if self.source.is_model else "kernels"
        with ArtifactBuilder() as builder:
            with self.clock.phase("artifact"):
                builder.build(self.source.functions, self._choices(), self.options.out.absolute(), name=name)
            if self.stop.interrupted:
                self.warnings.append("interrupted: the whole was not compared with a reference")
                return None
            with self.clock.phase("end_to_end"):
                try:
                    return self._compare_whole(builder, name)
                except CostModelError as error:
                    self.warnings.append(f"the whole could not be compared with a reference: {error}")
                    return None

    def _compare_whole(self, builder: ArtifactBuilder, name: str) -> EndToEnd | None:
        """A model against onnxruntime, functions of a file against default lowering of what the file says."""
        with tempfile.TemporaryDirectory(prefix="costmodel-default-") as folder:
            default = Path(folder) / "default"
            pairs = zip(self.source.functions, self.source.texts, strict=True)
            builder.build_steps([default_function(f, text) for f, text in pairs], default, name="default")
            found = self._compare(default)
            if not found.equal and any(self._choices().values()):
                self.warnings.append(f"tuned outputs differ from {found.reference} ({_error(found)}): default shipped")
                self.verdicts = {key: _default_only(verdict) for key, verdict in self.verdicts.items()}
                builder.build(self.source.functions, {}, self.options.out.absolute(), name=name)
                found = self._compare(default)
        self.equal = found.equal
        if not found.equal:
            self.warnings.append(f"outputs differ from {found.reference} ({_error(found)}): do not use this artifact")
        if not self.source.is_model:
            return None
        return EndToEnd(
            default_s=found.default_s, tuned_s=found.tuned_s, onnxruntime_s=found.onnxruntime_s,
            max_abs_error=found.max_abs_error, max_rel_error=found.max_rel_error,
        )  # fmt: skip

    def _compare(self, default: Path) -> Comparison:
        """The worst of all functions; timed for as long as the budget allows where there is a model to time."""
        model = self.options.source.absolute() if self.source.is_model else None
        budget_s = compare_budget_s(self.options.seconds) if self.source.is_model else 0.0
        found = [
            compare_end_to_end(
                self.options.out.absolute(), default=default, onnx=model, function=f.name, seed=self.options.seed,
                budget_s=budget_s,
            )
            for f in self.source.functions
        ]  # fmt: skip
        return max(found, key=lambda c: (not c.equal, c.max_rel_error))


def make_session(workload: Workload, options: TuneOptions, target: Target, backend: Backend) -> WorkloadSession:
    """The search of one workload; its randomness depends on the seed and the workload only."""
    space = build_space(workload.kernel, target)
    seed = int(sha256_fields(1, {"seed": options.seed, "workload": workload.workload_id})[:12], 16)
    return WorkloadSession(
        workload_id=workload.workload_id, name=workload.name, count=workload.count, space=space,
        strategy=STRATEGIES.get(options.strategy)(space, np.random.default_rng(seed)),
        scorer=TwoStageScorer(space, shipped_ranker("plan"), shipped_ranker("ir")), backend=backend,
    )  # fmt: skip


def workload_info(session: WorkloadSession) -> WorkloadInfo:
    """What the database keeps of a workload."""
    kernel = session.space.kernel
    return WorkloadInfo(
        workload_id=session.workload_id, family=kernel.family, dims=dict(session.space.planner.program(0, 0).extents),
        dtypes=tuple(kernel.by_name[n].dtype for n in (*kernel.inputs, *kernel.outputs)), flops=kernel.flops,
        bytes_moved=kernel.bytes, mlir=print_kernel(kernel),
    )  # fmt: skip


def _default_only(verdict: Verdict) -> Verdict:
    return Verdict(
        schedule=None, best_s=verdict.default_s, default_s=verdict.default_s, heuristic_s=verdict.heuristic_s,
        vendor_s=verdict.vendor_s,
    )  # fmt: skip


def _error(found: Comparison) -> str:
    return f"by {found.max_rel_error:.1e} of the largest value"


__all__ = ["TuneOptions", "TuneResult", "tune"]
