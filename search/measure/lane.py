"""One worker at a time that is replaced before what it leaks adds up.

Owns a pool of one process and its renewal. Thread-safe; callers take turns.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from costmodel.core.workers import Outcome, WorkerPool


class Lane:
    """Calls tasks in turn; after `recycle` tasks the process is replaced by a fresh one."""

    def __init__(self, make_pool: Callable[[], WorkerPool], recycle: int) -> None:
        self._make_pool = make_pool
        self._recycle = recycle
        self._done = 0
        self._closed = False
        self._turn = Lock()
        self._pool = make_pool()
        self._pool.warm_up()

    def call(self, task: str, *args: object, timeout_s: float) -> Outcome:
        """Run one task and wait for it."""
        with self._turn:
            if self._done >= self._recycle:
                self._renew()
            self._done += 1
            outcome = self._pool.call(task, *args, timeout_s=timeout_s)
            if outcome.status in ("timeout", "crash", "oom") and not self._closed:
                self._done = 0
                self._pool.submit("builtins:len", (), timeout_s=timeout_s)  # starts a fresh process now, not when asked
            return outcome

    def close(self) -> None:
        """Kill the process; a call under way comes back with an outcome that says so."""
        self._closed = True
        self._pool.close()

    def _renew(self) -> None:
        if self._closed:
            return
        old, self._pool = self._pool, self._make_pool()
        self._pool.warm_up()
        old.close()
        self._done = 0
