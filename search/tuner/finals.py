"""The last word on each workload: the best few, the heuristic and the default, timed in turns.

Owns the choice of what ships. Invariants: a schedule ships only if it was checked and found right, by this run or,
where the time is up, by the record it comes from; and where the default's time is known, nothing slower ships.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from statistics import median

from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.ties import tie_break
from costmodel.search.measure.trial import DEFAULT_SCHEDULE, Trial
from costmodel.search.measure.vendor import VENDOR
from costmodel.search.tuner.session import WorkloadSession

FINALISTS = 3
MIN_ROUNDS, MAX_ROUNDS = 7, 41
FINALS_S = 0.4
"""What the samples of one workload's finals may take in all, where the fewest rounds do not take longer."""
_SAMPLE_S = 2e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What ships for a workload: a schedule text, or None for default lowering."""

    schedule: str | None
    best_s: float | None
    default_s: float | None
    heuristic_s: float | None
    vendor_s: float | None = None
    """numpy's own call, timed in turns with the others."""
    samples: dict[str, tuple[float, ...]] = field(default_factory=dict, hash=False)


def decide(
    session: WorkloadSession,
    measurer: Measurer,
    checked: Collection[str] = (),
    note: Callable[[Trial], None] = lambda trial: None,
) -> Verdict:
    """Time the finalists in turns; among tied ones the shortest text, and the default where none is as fast.

    Those not among `checked`, the schedules that this run found right, come from records and are checked first; `note`
    is told of each such trial. A default that failed takes no part.
    """
    confirm(session, measurer, set(checked), note)
    texts = finalists(session)
    samples = dict(measurer.compare(session.space.kernel, texts, rounds=rounds(session, texts), vendor=True))
    vendor = samples.pop(VENDOR, ())
    medians = {text: median(s) for text, s in samples.items() if s}
    default_s = medians.get(DEFAULT_SCHEDULE, session.default_s)
    heuristic_s = medians.get(session.heuristic)
    best = tie_break({t: s for t, s in samples.items() if s and t != DEFAULT_SCHEDULE})
    if best is not None and default_s is not None and medians[best] > default_s:
        best = None
    return Verdict(
        schedule=best, best_s=default_s if best is None else medians[best], default_s=default_s,
        heuristic_s=heuristic_s, vendor_s=median(vendor) if vendor else None, samples=samples,
    )  # fmt: skip


def decide_at_once(session: WorkloadSession) -> Verdict:
    """Without measuring again, where the time is up: the fastest of the search, if it beats the default's time.

    Where the default was not measured, a measured schedule ships: the only alternative has no time at all.
    """
    best = next(iter(session.finalists(1)), None)
    best_s = session.measured[best] if best is not None else None
    default_s = session.default_s
    if best_s is None or (default_s is not None and best_s > default_s):
        best, best_s = None, default_s
    return Verdict(
        schedule=best, best_s=best_s, default_s=default_s, heuristic_s=session.measured.get(session.heuristic)
    )


def confirm(session: WorkloadSession, measurer: Measurer, checked: set[str], note: Callable[[Trial], None]) -> None:
    """Measure again what earlier runs measured; what fails now is no finalist; who takes its place is checked too."""
    while doubtful := [t for t in finalists(session) if t != DEFAULT_SCHEDULE and t not in checked]:
        for trial in measurer.measure(session.space.kernel, doubtful):
            note(trial)
            checked.add(trial.schedule)
            del session.measured[trial.schedule]
            if trial.ok and trial.runtime_s is not None:
                session.measured[trial.schedule] = trial.runtime_s


def finalists(session: WorkloadSession) -> list[str]:
    """The default, the heuristic unless it was tried and failed, and the fastest measured schedules.

    `measurer.compare` times what it is given without checking it, so everything here but the default must have been
    found right before. The heuristic is the first candidate of every search; where it was not tried, it does not ship.
    """
    tried = [session.heuristic] if session.heuristic in session.measured else []
    default = [] if session.default_failed else [DEFAULT_SCHEDULE]
    return list(dict.fromkeys([*default, *tried, *session.finalists(FINALISTS)]))


def rounds(session: WorkloadSession, texts: list[str]) -> int:
    """As many as fit into `FINALS_S`: short kernels need many to be told apart, long ones take long enough."""
    known = [session.default_s if t == DEFAULT_SCHEDULE else session.measured.get(t) for t in texts]
    round_s = sum(max(_SAMPLE_S, s) for s in known if s is not None)
    return max(MIN_ROUNDS, min(MAX_ROUNDS, int(FINALS_S / max(round_s, _SAMPLE_S))))
