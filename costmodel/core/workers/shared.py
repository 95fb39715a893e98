"""One-shot isolation: workers kept for the life of this process, by preloads, limit of memory and search path."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from costmodel.core.workers.outcome import Outcome
from costmodel.core.workers.pool import WorkerPool

_lock = threading.Lock()
_pools: dict[tuple[tuple[str, ...], int | None, tuple[str, ...]], WorkerPool] = {}


def run_isolated(
    task: str, *args: object, timeout_s: float = 60.0, memory_bytes: int | None = None, preload: Sequence[str] = ()
) -> Outcome:
    """Run `"module:function"` in a worker process and wait for its end.

    Calls with the same `preload` and `memory_bytes` share one worker and so wait for each other; the wait and the
    worker's start-up are not part of `timeout_s`. The workers end with this process.

    Raises:
        UsageError: The task's name, a limit or an argument is unusable.
    """
    key = (tuple(preload), memory_bytes, tuple(sys.path))
    with _lock:
        if key not in _pools:
            _pools[key] = WorkerPool("isolated", 1, preload=preload, memory_bytes=memory_bytes)
        pool = _pools[key]
    return pool.submit(task, *args, timeout_s=timeout_s).result()
