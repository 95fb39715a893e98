"""Many workers behind one queue. Owns the threads that watch them, and the promise of one outcome for each task."""

from __future__ import annotations

import atexit
import concurrent.futures
import queue
import threading
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from costmodel.core.errors import UsageError
from costmodel.core.workers import protocol
from costmodel.core.workers.child import Setup
from costmodel.core.workers.outcome import Outcome
from costmodel.core.workers.process import Launch, WorkerProcess

Handle = concurrent.futures.Future[Outcome]
"""A task's handle: `result()` blocks and returns its `Outcome`, `done()` asks, `cancel()` works until it starts."""

_CLOSED = "the pool was closed before the task was done"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """What a pool's workers did so far, summed over them."""

    tasks: int = 0
    starts: int = 0
    start_s: float = 0.0
    busy_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    frame: protocol.Frame
    timeout_s: float
    handle: Handle


class WorkerPool:
    """`size` isolated processes that run `"module:function"` tasks under limits of time and memory.

    Processes start with the first tasks (or `warm_up`), live on across tasks, and are replaced when they were killed.
    All methods are thread-safe. Close the pool, or use it as a context manager; an exit of the interpreter closes it
    too, and should this process be killed, the kernel kills the workers.
    """

    def __init__(
        self,
        name: str,
        size: int,
        *,
        preload: Sequence[str] = (),
        memory_bytes: int | None = None,
        env: Mapping[str, str] | None = None,
        cpu: int | None = None,
        start_timeout_s: float = 120.0,
    ) -> None:
        """Describe the workers; none is started.

        Args:
            name: What the workers are for, used in messages and thread names.
            size: Number of processes.
            preload: Modules each worker imports when it starts, outside any task's time.
            memory_bytes: What a worker may allocate beyond what it holds after preloading, arguments included.
            env: Environment variables set for the workers over those of this process.
            cpu: Logical CPU every worker is pinned to.
            start_timeout_s: Limit for a start, preloading included.
        """
        if size < 1:
            raise UsageError(f"worker pool {name!r}: size must be at least 1, not {size}")
        if memory_bytes is not None and memory_bytes < 1:
            raise UsageError(f"worker pool {name!r}: memory_bytes must be positive, not {memory_bytes}")
        self.name = name
        self.size = size
        setup = Setup(preload=tuple(preload), memory_bytes=memory_bytes, cpu=cpu)
        self._launch = Launch(setup=setup, env=dict(env or {}), start_timeout_s=start_timeout_s)
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._workers: list[WorkerProcess] = []
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._statistics = PoolStatistics()
        _open_pools.add(self)

    def submit(self, task: str, *args: object, timeout_s: float) -> Handle:
        """Queue `task` and return its handle, which always ends in an `Outcome`.

        The time limit counts from when a ready worker takes the task. Large arrays in `args` are not copied before they
        are sent: leave them alone until then.

        Raises:
            UsageError: A bad task name or limit, an argument that does not pickle, or a closed pool.
        """
        job = _make_job(task, args, timeout_s)
        with self._lock:
            if self._closed:
                raise UsageError(f"worker pool {self.name!r} is closed")
            self._unfinished += 1
            if self._unfinished > len(self._threads) and len(self._threads) < self.size:
                self._add_worker(eager=False)
            self._queue.put(job)
        return job.handle

    def call(self, task: str, *args: object, timeout_s: float) -> Outcome:
        """Run `task` and wait for its end."""
        return self.submit(task, *args, timeout_s=timeout_s).result()

    def map(self, task: str, calls: Iterable[tuple[object, ...]], *, timeout_s: float) -> list[Outcome]:
        """Run `task` once for each tuple of arguments; outcomes come in the order of `calls`."""
        handles = [self.submit(task, *args, timeout_s=timeout_s) for args in calls]
        return [handle.result() for handle in handles]

    def warm_up(self) -> None:
        """Begin starting all workers, and return at once; one that cannot start says so in its first task's outcome."""
        with self._lock:
            while not self._closed and len(self._threads) < self.size:
                self._add_worker(eager=True)

    def statistics(self) -> PoolStatistics:
        """A snapshot."""
        with self._lock:
            return self._statistics

    def close(self) -> None:
        """Kill what runs, resolve what waits, leave no process behind. A second call does nothing."""
        with self._lock:
            self._closed = True
            workers, threads = list(self._workers), list(self._threads)
        self._refuse_waiting()
        for _ in threads:
            self._queue.put(None)
        for worker in workers:
            worker.shut()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _refuse_waiting(self) -> None:
        while True:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return
            if job is not None and job.handle.set_running_or_notify_cancel():
                job.handle.set_result(Outcome(status="error", cause=_CLOSED))

    def _add_worker(self, *, eager: bool) -> None:
        worker = WorkerProcess(self._launch)
        name = f"{self.name}-{len(self._threads)}"
        thread = threading.Thread(target=self._serve, args=(worker, eager), name=name, daemon=True)
        self._workers.append(worker)
        self._threads.append(thread)
        thread.start()

    def _serve(self, worker: WorkerProcess, eager: bool) -> None:
        try:
            if eager:
                self._start(worker)
            while (job := self._queue.get()) is not None:
                self._finish(worker, job)
        finally:
            worker.close()

    def _finish(self, worker: WorkerProcess, job: _Job) -> None:
        try:
            if not job.handle.set_running_or_notify_cancel():
                return
            outcome = self._run(worker, job)
        except Exception as error:  # noqa: BLE001 - a bug of ours: whoever waits must see it
            job.handle.set_exception(error)
            return
        finally:
            with self._lock:
                self._unfinished -= 1
        job.handle.set_result(Outcome(status="error", cause=_CLOSED) if self._closed and not outcome.ok else outcome)

    def _run(self, worker: WorkerProcess, job: _Job) -> Outcome:
        if not worker.ready():
            started = self._start(worker)
            if not started.ok:
                return replace(started, wall_s=0.0)
        outcome = worker.run(job.frame, job.timeout_s)
        self._count(tasks=1, busy_s=outcome.wall_s)
        return outcome

    def _start(self, worker: WorkerProcess) -> Outcome:
        begin_s = time.monotonic()
        started = worker.start()
        self._count(starts=1, start_s=time.monotonic() - begin_s)
        return started

    def _count(self, *, tasks: int = 0, starts: int = 0, start_s: float = 0.0, busy_s: float = 0.0) -> None:
        with self._lock:
            old = self._statistics
            self._statistics = PoolStatistics(
                tasks=old.tasks + tasks,
                starts=old.starts + starts,
                start_s=old.start_s + start_s,
                busy_s=old.busy_s + busy_s,
            )


def wait(
    handles: Sequence[Handle], timeout_s: float | None = None, *, for_all: bool = False
) -> tuple[list[Handle], list[Handle]]:
    """Wait until one handle (or all) is done, or for `timeout_s`; handles of several pools may be mixed.

    Returns:
        The handles that are done and those that are not, each in the order given.
    """
    when = concurrent.futures.ALL_COMPLETED if for_all else concurrent.futures.FIRST_COMPLETED
    done, _ = concurrent.futures.wait(handles, timeout_s, return_when=when)
    return [handle for handle in handles if handle in done], [handle for handle in handles if handle not in done]


def _make_job(task: str, args: tuple[object, ...], timeout_s: float) -> _Job:
    module, colon, function = task.partition(":")
    if not (module and colon and function) or ":" in function:
        raise UsageError(f"task {task!r} is not of the form 'module:function'")
    if not 0 < timeout_s < float("inf"):
        raise UsageError(f"task {task!r}: timeout_s must be positive and finite, not {timeout_s}")
    try:
        frame = protocol.encode((task, args))
    except Exception as error:
        raise UsageError(f"task {task!r}: its arguments cannot be pickled: {type(error).__name__}: {error}") from error
    return _Job(frame=frame, timeout_s=timeout_s, handle=concurrent.futures.Future())


_open_pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for pool in list(_open_pools):
        pool.close()
