"""Which workload gets the next batch: `count × best_s × expected gain`.

Source: the gradient-based task scheduler of Ansor (Zheng et al. 2020), with the gain estimated from how long a workload
has gone without improving and from how far it is above its roofline. Deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from costmodel.search.tuner.session import WorkloadSession

PATIENCE = 24.0
FLOOR = 0.02


def expected_gain(session: WorkloadSession) -> float:
    """Share of the run time that more trials may still save, 0 to 1."""
    if session.exhausted:
        return 0.0
    if session.best_s is None:
        return 1.0 / (1 + session.trials)
    headroom = 1.0 - min(1.0, session.scorer.bound_s / session.best_s)
    return max(FLOOR, headroom * exp(-session.stale / PATIENCE)) / (1.0 + session.trials / PATIENCE)


def weight(session: WorkloadSession) -> float:
    """Seconds of the model that more trials may save."""
    cost = session.best_s if session.best_s is not None else session.default_s
    if cost is None:
        cost = session.scorer.bound_s * 10
    return session.count * cost * expected_gain(session)


def next_session(sessions: Sequence[WorkloadSession]) -> WorkloadSession | None:
    """The workload to go on with; None when every space is exhausted."""
    open_sessions = [s for s in sessions if not s.exhausted]
    if not open_sessions:
        return None
    return max(open_sessions, key=lambda s: (weight(s), s.workload_id))
