"""How much of `--seconds` is kept for what follows the search: finals, artifact, comparison, baselines.

Owns the estimates, in seconds on a slow machine. Does not measure anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.search.tuner.session import WorkloadSession
from costmodel.search.tuner.source import Source
from costmodel.search.tuner.vendor import BUDGET_S, vendor_call

MOST_SHARE = 0.6
"""Of the time that is left: a search that gets nothing cannot find anything."""
COMPARE_S = 5.0
_COMPARE_SHARE = 0.08
_FINAL_S, _SLOW_SAMPLES = 0.5, 3
_BUILD_S, _UNIT_S = 0.8, 0.1
_COMPARE_START_S, _SLOW_CALLS = 1.5, 8
_VENDOR_START_S = 1.5


def final_s(session: WorkloadSession) -> float:
    """The finals of one workload: a default that is far slower takes part seldom."""
    return _FINAL_S + _SLOW_SAMPLES * (session.default_s or 0.0)


def compare_budget_s(seconds: float | None) -> float:
    """For timing the whole model in turns with its peers."""
    return COMPARE_S if seconds is None else min(COMPARE_S, _COMPARE_SHARE * seconds)


def closing_s(source: Source, sessions: Sequence[WorkloadSession], seconds: float) -> float:
    """Everything after the finals."""
    build_s = _BUILD_S + _UNIT_S * sum(len(f.partition.steps) for f in source.functions)
    default_s = sum(s.count * (s.default_s or 0.0) for s in sessions)
    matched = sum(vendor_call(s.space.kernel) is not None for s in sessions)
    vendor_s = _VENDOR_START_S + matched * BUDGET_S if matched else 0.0
    if not source.is_model:
        return build_s + vendor_s
    return 2 * build_s + vendor_s + _COMPARE_START_S + compare_budget_s(seconds) + _SLOW_CALLS * default_s


def reserve_s(source: Source, sessions: Sequence[WorkloadSession], seconds: float) -> float:
    """Finals and everything after them."""
    return sum(map(final_s, sessions)) + closing_s(source, sessions, seconds)
