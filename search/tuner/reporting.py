"""From what a run knows at its end to its report.

Owns the mapping of sessions, verdicts and baselines to the report's fields, and writing both files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from costmodel.search.report.clock import PhaseClock
from costmodel.search.report.data import EndToEnd, Report, TrialPoint, WorkloadReport
from costmodel.search.report.document import write_report_json
from costmodel.search.report.explain import winner_notes
from costmodel.search.report.html import write_report_html
from costmodel.search.tuner.finals import Verdict
from costmodel.search.tuner.options import TuneOptions
from costmodel.search.tuner.search import RunKey
from costmodel.search.tuner.session import WorkloadSession

NUMPY = "numpy.matmul"


def make_report(
    options: TuneOptions,
    key: RunKey,
    workloads: Sequence[WorkloadReport],
    *,
    end_to_end: EndToEnd | None,
    worker_s: Mapping[str, float],
    warnings: Sequence[str],
) -> Report:
    """The report but for its times, which are known when it is written."""
    return Report(
        target=key.target.name, device=key.device, toolchain=key.toolchain, seed=options.seed,
        strategy=options.strategy, threads=options.threads, input=options.source.name, wall_s=0.0, time={},
        worker_s=dict(worker_s), workloads=tuple(workloads), end_to_end=end_to_end, warnings=tuple(warnings),
    )  # fmt: skip


def workload_report(
    session: WorkloadSession, verdict: Verdict, history: Sequence[TrialPoint], vendor: tuple[float, str] | None
) -> WorkloadReport:
    """One workload. `vendor` is what torch takes; numpy's time is in the verdict."""
    kernel = session.space.kernel
    if vendor is None and verdict.vendor_s is not None:
        vendor = verdict.vendor_s, NUMPY
    vendor_s, name = vendor or (None, None)
    return WorkloadReport(
        workload_id=session.workload_id, name=session.name, family=kernel.family, count=session.count,
        flops=kernel.flops, bytes=kernel.bytes, dims=dict(session.space.planner.program(0, 0).extents),
        default_s=verdict.default_s, heuristic_s=verdict.heuristic_s, best_s=verdict.best_s,
        best_schedule=verdict.schedule, trials=session.trials, failures=dict(session.failures), vendor_s=vendor_s,
        vendor=name, history=tuple(history), notes=_notes(session, verdict),
    )  # fmt: skip


def _notes(session: WorkloadSession, verdict: Verdict) -> tuple[str, ...]:
    if verdict.schedule is not None:
        return tuple(winner_notes(verdict.schedule, list(session.measured.items())))
    if session.measured:
        return ("default lowering ships: nothing measured was faster",)
    return ("default lowering ships: nothing else was measured",)


def write_reports(report: Report, clock: PhaseClock, out: Path) -> Report:
    """Write `report.html` and `report.json`; the times in them end where the last file is written."""
    with clock.phase("report"):
        write_report_html(replace(report, wall_s=clock.wall_s, time=clock.spent()), out / "report.html")
    time_s = clock.finish()
    final = replace(report, wall_s=clock.wall_s, time=time_s)
    write_report_json(final, out / "report.json")
    return final
