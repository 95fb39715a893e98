"""The last word on each workload: the best few, the heuristic and the default, timed in turns.

Owns the choice of what ships. Invariant: nothing ships that was not measured in this run's finals beside the default and
found no slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.ties import tie_break
from costmodel.search.measure.trial import DEFAULT_SCHEDULE
from costmodel.search.tuner.session import WorkloadSession

FINALISTS = 3
ROUNDS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What ships for a workload: a schedule text, or None for default lowering."""

    schedule: str | None
    best_s: float | None
    default_s: float | None
    heuristic_s: float | None


def decide(session: WorkloadSession, measurer: Measurer) -> Verdict:
    """Time the finalists in turns; a tie goes to the shortest text, the default to nobody unless it is faster."""
    heuristic = session.heuristic
    texts = list(dict.fromkeys([DEFAULT_SCHEDULE, heuristic, *session.finalists(FINALISTS)]))
    wrong = [t for t in texts if t == heuristic and session.measured and t not in session.measured and session.trials]
    samples = measurer.compare(session.space.kernel, [t for t in texts if t not in wrong], rounds=ROUNDS)
    medians = {text: median(s) for text, s in samples.items() if s}
    candidates = {t: s for t, s in samples.items() if s and t != DEFAULT_SCHEDULE}
    best = tie_break(candidates)
    default_s = medians.get(DEFAULT_SCHEDULE, session.default_s)
    if best is None or (default_s is not None and medians[best] > default_s):
        return Verdict(schedule=None, best_s=default_s, default_s=default_s, heuristic_s=medians.get(heuristic))
    return Verdict(schedule=best, best_s=medians[best], default_s=default_s, heuristic_s=medians.get(heuristic))
