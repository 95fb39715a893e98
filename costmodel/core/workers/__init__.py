"""The one pool of isolated worker processes, for everything that runs foreign code.

Compilers abort, candidates segfault, spin or take all memory: whatever they do happens in a process that may be killed,
and comes back as an `Outcome`, a value. Owns processes, limits and the kill; does not know what a task computes.

Example:
    >>> from costmodel.core.workers import WorkerPool
    >>> with WorkerPool("demo", 1) as pool:
    ...     pool.call("math:sqrt", 9.0, timeout_s=10.0).value
    3.0
"""

from __future__ import annotations

from costmodel.core.workers.outcome import Outcome, OutcomeStatus
from costmodel.core.workers.pool import Handle, PoolStatistics, WorkerPool, wait
from costmodel.core.workers.shared import run_isolated

__all__ = [
    "Handle",
    "Outcome",
    "OutcomeStatus",
    "PoolStatistics",
    "WorkerPool",
    "run_isolated",
    "wait",
]
