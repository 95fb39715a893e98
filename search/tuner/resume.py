"""What earlier measurements give to a session: knowledge from every matching record, trials from those of the same run.

Owns which records count. Invariant: only records of this workload, target, device, backend and toolchain are read; a
schedule whose output was ever wrong stays wrong.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from costmodel.core.errors import ParseError
from costmodel.core.record import Record
from costmodel.search.report.data import TrialPoint
from costmodel.search.schedule.text import parse_schedule
from costmodel.search.tuner.session import WorkloadSession

MOST = 1024
"""Records of other runs that a session learns from; realising each of them takes milliseconds."""
_STICKY = ("wrong", "nan")


def restore(session: WorkloadSession, records: Iterable[Record], run: str) -> list[TrialPoint]:
    """Tell `session` what is known; returns the trials of the run called `run`, which count as its own."""
    readable = [r for r in records if _is_schedule(r.schedule)]
    own = [r for r in readable if r.session == run]
    session.strategy.skip([r.schedule for r in readable])
    session.restore([(r.schedule, r.status, r.runtime_s) for r in _verdicts(readable, run)])
    session.trials = len(own)
    session.failures = dict(Counter(r.status for r in own if r.status != "ok"))
    return [_point(i, r) for i, r in enumerate(own)]


def _verdicts(records: list[Record], run: str) -> list[Record]:
    """One record for each schedule, the newest, unless an earlier one found it wrong; at most `MOST` of other runs."""
    newest: dict[str, Record] = {}
    for record in records:
        if record.schedule in newest and newest[record.schedule].status in _STICKY:
            continue
        newest[record.schedule] = record
    own = [r for r in newest.values() if r.session == run]
    others = sorted(
        (r for r in newest.values() if r.session != run), key=lambda r: (r.runtime_s or math.inf, r.schedule)
    )
    return own + others[:MOST]


def _is_schedule(text: str) -> bool:
    try:
        parse_schedule(text)
    except ParseError:  # of another version of the syntax
        return False
    return True


def _point(number: int, record: Record) -> TrialPoint:
    """When it was measured is not known, only in which order."""
    return TrialPoint(
        trial=number, elapsed_s=math.nan, status=record.status, runtime_s=record.runtime_s,
        predicted_mean_s=record.predicted_mean_s, predicted_std_s=record.predicted_std_s, schedule=record.schedule,
    )  # fmt: skip
