"""`tune`: from a file to an artifact and a report. Owns the phases and what happens when one is interrupted."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from costmodel.core.errors import ArtifactError, CostModelError
from costmodel.core.hashing import sha256_fields
from costmodel.core.record import WorkloadInfo
from costmodel.core.target import Target
from costmodel.search.artifact import ArtifactBuilder
from costmodel.search.artifact.endtoend import compare_end_to_end
from costmodel.search.backends import BACKENDS
from costmodel.search.backends.protocol import Backend
from costmodel.search.database import Database
from costmodel.search.kernel.printing import print_kernel
from costmodel.search.measure.measurer import Measurer
from costmodel.search.report.clock import PhaseClock
from costmodel.search.report.data import EndToEnd, Report, WorkloadReport
from costmodel.search.report.document import write_report_json
from costmodel.search.report.explain import winner_notes
from costmodel.search.report.html import write_report_html
from costmodel.search.report.live import LiveProgress
from costmodel.search.space import build_space
from costmodel.search.strategies import STRATEGIES
from costmodel.search.tuner.finals import Verdict, decide
from costmodel.search.tuner.options import TuneOptions
from costmodel.search.tuner.scoring import TwoStageScorer, shipped_ranker
from costmodel.search.tuner.search import RunKey, SearchRun
from costmodel.search.tuner.session import WorkloadSession
from costmodel.search.tuner.source import Source, Workload, read_source
from costmodel.search.tuner.vendor import vendor_seconds

FINALS_SHARE = 0.25
FINALS_S = 0.5
DEFAULTS_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneResult:
    """What a run leaves: the report, and whether it was interrupted."""

    report: Report
    interrupted: bool


def tune(options: TuneOptions, clock: PhaseClock | None = None) -> TuneResult:
    """Run the tuner; raises `CostModelError` for bad input, before anything is written."""
    clock = clock or PhaseClock()
    options.check()
    STRATEGIES.get(options.strategy)
    target = Target.parse(options.target)
    with clock.phase("read"):
        source = read_source(options.source, options.input_shapes)
    backend: Backend = BACKENDS.get("mlir")()
    return _Tuner(options, clock, target, backend, source).run()


class _Tuner:
    def __init__(
        self, options: TuneOptions, clock: PhaseClock, target: Target, backend: Backend, source: Source
    ) -> None:
        self.options, self.clock, self.target, self.backend, self.source = options, clock, target, backend, source
        self.start = time.monotonic() - clock.wall_s
        session = uuid.uuid4().hex[:12]
        toolchain = backend.toolchain()
        self.key = RunKey(target=target, backend=backend.name, toolchain=toolchain, session=session, seed=options.seed)
        self.interrupted = False
        self.warnings: list[str] = []
        self.sessions: list[WorkloadSession] = []
        self.verdicts: dict[str, Verdict] = {}

    def run(self) -> TuneResult:
        with ExitStack() as stack:
            fresh = self._make_out()
            try:
                database = stack.enter_context(Database.open(self.options.database_path))
                measurer = stack.enter_context(self._measurer())
                search = self._search(database, measurer)
                self._finals(measurer, search)
                result = self._end_to_end()
            except (CostModelError, OSError):
                if fresh:
                    _remove_empty(self.options.out, self.options.database_path)
                raise
            report = self._report(search, result)
        self._write(report)
        return TuneResult(report=report, interrupted=self.interrupted)

    def _make_out(self) -> bool:
        fresh = not self.options.out.exists()
        try:
            self.options.out.mkdir(parents=True, exist_ok=True)
            probe = self.options.out / f".{self.key.session}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ArtifactError(
                f"{self.options.out} cannot be written: {error.strerror}; give another folder"
            ) from error
        return fresh

    @contextmanager
    def _measurer(self) -> Iterator[Measurer]:
        with self.clock.phase("start_workers"):
            measurer = Measurer(self.backend, self.target, seed=self.options.seed).__enter__()
        try:
            yield measurer
        finally:
            measurer.close()

    # -- search ------------------------------------------------------------------------------------------------

    def _search(self, database: Database, measurer: Measurer) -> SearchRun:
        progress = LiveProgress(self.options.trials, self._left_s())
        search = SearchRun(
            sessions=self.sessions, measurer=measurer, database=database, key=self.key, clock=self.clock, progress=progress,
            trials=self.options.trials, stop_at=self._stop_at(),
        )  # fmt: skip
        with self.clock.phase("spaces"):
            for workload in self.source.workloads:
                self.sessions.append(self._session(workload, database))
        search.done = sum(s.trials for s in self.sessions)
        try:
            with progress:
                if self.options.trials:
                    self._defaults(measurer, search)
                    search.run()
        except KeyboardInterrupt:
            self.interrupted = True
            progress.message("interrupted: writing the best so far")
        return search

    def _left_s(self) -> float | None:
        return None if self.options.seconds is None else max(0.0, self.options.seconds - self.clock.wall_s)

    def _stop_at(self) -> float | None:
        if self.options.seconds is None:
            return None
        reserve = min(FINALS_SHARE * self.options.seconds, FINALS_S * max(4, len(self.source.workloads)))
        return self.start + self.options.seconds - reserve

    def _session(self, workload: Workload, database: Database) -> WorkloadSession:
        space = build_space(workload.kernel, self.target)
        program = space.planner.program(0, 0)
        kernel = workload.kernel
        database.add_workload(
            WorkloadInfo(
                workload_id=workload.workload_id,
                family=kernel.family,
                dims=dict(program.extents),
                dtypes=tuple(kernel.by_name[n].dtype for n in (*kernel.inputs, *kernel.outputs)),
                flops=kernel.flops,
                bytes_moved=kernel.bytes,
                mlir=print_kernel(kernel),
            )
        )
        seed = int(sha256_fields(1, {"seed": self.options.seed, "workload": workload.workload_id})[:12], 16)
        session = WorkloadSession(
            workload_id=workload.workload_id,
            name=workload.name,
            count=workload.count,
            space=space,
            strategy=STRATEGIES.get(self.options.strategy)(space, np.random.default_rng(seed)),
            scorer=TwoStageScorer(space, shipped_ranker("plan"), shipped_ranker("ir")),
            backend=self.backend,
        )
        known = database.query(**self.key.query(workload.workload_id))
        session.restore([(r.schedule, r.status, r.runtime_s) for r in known])
        return session

    def _defaults(self, measurer: Measurer, search: SearchRun) -> None:
        """Time the default lowering of each workload, so that trials go where time goes."""
        limit = (
            None
            if search.stop_at is None
            else time.monotonic() + DEFAULTS_SHARE * max(0.0, search.stop_at - time.monotonic())
        )
        with self.clock.phase("defaults"):
            handles = [
                (s, measurer.submit(s.space.kernel, None))
                for s in self.sessions
                if limit is None or len(self.sessions) < 40
            ]
            for session, handle in handles:
                trial = handle.result()
                session.default_s = trial.runtime_s if trial.ok else None
                if not trial.ok:
                    self.warnings.append(
                        f"{session.name}: default lowering: {trial.status}: {trial.cause.splitlines()[0]}"
                    )

    # -- finals and artifact -----------------------------------------------------------------------------------

    def _finals(self, measurer: Measurer, search: SearchRun) -> None:
        with self.clock.phase("finals"):
            for session in self.sessions:
                if not session.measured and not self.interrupted:
                    self._consult_model(session, measurer)
                self.verdicts[session.workload_id] = decide(session, measurer)

    def _consult_model(self, session: WorkloadSession, measurer: Measurer) -> None:
        """No record at hand: take what the model likes best, provided that it turns out right."""
        proposals = session.propose(2)
        trials = measurer.measure(session.space.kernel, [p.schedule for p in proposals])
        session.measured.update({t.schedule: t.runtime_s for t in trials if t.ok and t.runtime_s is not None})

    def _choices(self) -> dict[str, str | None]:
        return {key: verdict.schedule for key, verdict in self.verdicts.items()}

    def _end_to_end(self) -> EndToEnd | None:
        out, name = self.options.out, "model" if self.source.is_model else "kernels"
        with ArtifactBuilder() as builder:
            with self.clock.phase("artifact"):
                builder.build(self.source.functions, self._choices(), out, name=name)
            if not self.source.is_model or self.interrupted:
                return None
            with self.clock.phase("end_to_end"):
                return self._compare_model(builder)

    def _compare_model(self, builder: ArtifactBuilder) -> EndToEnd | None:
        with tempfile.TemporaryDirectory(prefix="costmodel-default-") as folder:
            default = Path(folder) / "default"
            builder.build(self.source.functions, {}, default, name="default")
            found = compare_end_to_end(
                self.options.out, default=default, onnx=self.options.source, seed=self.options.seed
            )
        if not found.equal:
            self.warnings.append(
                f"outputs differ from {found.reference} by {found.max_rel_error:.1e} of the largest value; do not use this artifact"
            )
        return EndToEnd(
            default_s=found.default_s, tuned_s=found.tuned_s, onnxruntime_s=found.onnxruntime_s,
            max_abs_error=found.max_abs_error, max_rel_error=found.max_rel_error,
        )  # fmt: skip

    # -- report ------------------------------------------------------------------------------------------------

    def _report(self, search: SearchRun, result: EndToEnd | None) -> Report:
        with self.clock.phase("vendor"):
            workloads = tuple(self._workload_report(s, search) for s in self.sessions)
        return Report(
            target=self.target.name, device=self.key.device, toolchain=self.key.toolchain, seed=self.options.seed,
            strategy=self.options.strategy, threads=self.options.threads, input=self.options.source.name,
            wall_s=self.clock.wall_s, time={}, worker_s=dict(search.worker_s), workloads=workloads, end_to_end=result,
            warnings=tuple(self.warnings),
        )  # fmt: skip

    def _workload_report(self, session: WorkloadSession, search: SearchRun) -> WorkloadReport:
        verdict = self.verdicts[session.workload_id]
        kernel = session.space.kernel
        vendor_s, vendor = (None, None) if self.interrupted else vendor_seconds(kernel)
        history = tuple(search.history.get(session.workload_id, ()))
        notes = (
            winner_notes(verdict.schedule, list(session.measured.items()))
            if verdict.schedule
            else ["default lowering was fastest"]
        )
        return WorkloadReport(
            workload_id=session.workload_id, name=session.name, family=kernel.family, count=session.count, flops=kernel.flops,
            bytes=kernel.bytes, dims=dict(session.space.planner.program(0, 0).extents), default_s=verdict.default_s,
            heuristic_s=verdict.heuristic_s, best_s=verdict.best_s, best_schedule=verdict.schedule, trials=session.trials,
            failures=dict(session.failures), vendor_s=vendor_s, vendor=vendor, history=history, notes=tuple(notes),
        )  # fmt: skip

    def _write(self, report: Report) -> None:
        """Write both reports; the time it takes is in them, but for the last write."""
        with self.clock.phase("report"):
            write_report_html(
                replace(report, wall_s=self.clock.wall_s, time=self.clock.spent()), self.options.out / "report.html"
            )
        time_s = self.clock.finish()
        write_report_json(replace(report, wall_s=self.clock.wall_s, time=time_s), self.options.out / "report.json")


def _remove_empty(out: Path, database: Path) -> None:
    """Leave no folder behind that holds nothing but a database without records."""
    if database.parent == out and database.exists():
        with Database.open(database, create=False) as opened:
            if len(opened):
                return
        for path in out.glob(f"{database.name}*"):
            path.unlink(missing_ok=True)
    if out.exists() and not any(out.iterdir()):
        out.rmdir()


__all__ = ["TuneOptions", "TuneResult", "tune"]
