"""The measurer: candidates go in, trials come out in the same order, whatever the candidates do.

Owns two worker processes, one that builds and one that runs, pinned to different processors where there are two, and
the two threads that feed them. Decides nothing about which candidates are worth it.
"""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from threading import Event, Semaphore
from types import TracebackType
from typing import Literal, Self

from costmodel.core.errors import UsageError
from costmodel.core.target import Target
from costmodel.core.workers import Outcome, WorkerPool
from costmodel.search.backends.protocol import Backend, Built
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.printing import workload_id
from costmodel.search.measure import calibrate
from costmodel.search.measure.lane import Lane
from costmodel.search.measure.results import build_failed, finished, run_failed
from costmodel.search.measure.trial import DEFAULT_SCHEDULE, Measured, MeasureSpec, Trial
from costmodel.search.measure.vendor import VENDOR
from costmodel.search.schedule.text import Schedule

Handle = Future[Trial]
"""A submitted candidate: `result()` waits for its trial."""
Candidate = Schedule | str | None
"""A schedule, its text, or None (or `DEFAULT_SCHEDULE`) for default lowering."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_RUNNER = "costmodel.search.measure.runner"
_AHEAD = 3
"""Candidates between the start of building and the end of measuring where the two overlap."""
_KEPT_OBJECTS = 256


class Measurer:
    """Builds and measures candidates of one backend on this machine.

    Use as a context manager, from one thread. `submit` returns at once; `results` yields one trial for each submitted
    candidate, in the order of submission. Failures are trials with a status and a cause; nothing is raised for them.
    A handle that is cancelled is neither built nor measured, unless that has begun.
    """

    def __init__(
        self,
        backend: Backend,
        target: Target,
        *,
        compile_timeout_s: float = 10.0,
        run_timeout_s: float = 10.0,
        reference_timeout_s: float = 120.0,
        memory_bytes: int = 4 << 30,
        seed: int = 0,
        spec: MeasureSpec | None = None,
        overlap: bool | Literal["auto"] = "auto",
        recycle: int = 500,
    ) -> None:
        """Start nothing yet.

        Args:
            backend: Builds the candidates.
            target: Must be this machine.
            compile_timeout_s: For building one candidate.
            run_timeout_s: For checking and timing one candidate, all runs together.
            reference_timeout_s: For computing a workload's references, once.
            memory_bytes: What each worker may allocate beyond its start-up.
            seed: Of the inputs.
            spec: How carefully to measure; its seed is replaced by `seed`.
            overlap: Whether candidates are built while one is measured; "auto" finds out whether that disturbs.
            recycle: Candidates after which a worker is replaced.

        Raises:
            UsageError: The target is not this machine.
        """
        if not target.is_native:
            raise UsageError(
                f"cannot measure for {target.name} here: give a target that is this machine, such as native"
            )
        self.backend = backend
        self.target = target
        self.seed = seed
        self.spec = replace(spec or MeasureSpec(), seed=seed)
        self.overlap: bool | Literal["auto"] = overlap
        self.disturbance: float | None = None
        """Slow-down of measurements by building beside them, where it was measured."""
        self._compile_timeout_s, self._run_timeout_s = compile_timeout_s, run_timeout_s
        self._reference_timeout_s = reference_timeout_s
        self._memory_bytes, self._recycle = memory_bytes, recycle
        self._order: deque[Handle] = deque()
        self._open: set[Handle] = set()
        self._objects: OrderedDict[tuple[str, str], Built] = OrderedDict()
        self._entered = False
        self._closed = False

    # -- life --------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        cpus = sorted(os.sched_getaffinity(0))
        self._folder = tempfile.TemporaryDirectory(prefix="costmodel-references-")
        self._compile = Lane(lambda: self._pool("build", self.backend.preload, cpus[0]), self._recycle)
        self._run = Lane(lambda: self._pool("measure", (_RUNNER,), cpus[-1]), self._recycle)
        self._build_thread = ThreadPoolExecutor(1, "costmodel-build")
        self._measure_thread = ThreadPoolExecutor(1, "costmodel-measure")
        self._slots = Semaphore(1)
        self._entered = True
        try:
            if self.overlap == "auto":
                self.overlap = len(cpus) > 1 and self._undisturbed()
        except BaseException:
            self.close()
            raise
        self._slots = Semaphore(_AHEAD if self.overlap else 1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill both workers; candidates still under way are cancelled. A second call does nothing."""
        if not self._entered or self._closed:
            return
        self._closed = True
        for _ in range(_AHEAD + 1):
            self._slots.release()
        self._compile.close()
        self._run.close()
        self._build_thread.shutdown(cancel_futures=True)
        self._measure_thread.shutdown(cancel_futures=True)
        for handle in list(self._open):
            handle.cancel()
        self._folder.cleanup()

    # -- candidates --------------------------------------------------------------------------------------------

    def submit(self, kernel: Kernel, schedule: Candidate) -> Handle:
        """Queue one candidate; raises `UsageError` outside the context."""
        if not self._entered or self._closed:
            raise UsageError("the measurer is not open; use it in a with statement")
        handle: Handle = Future()
        self._order.append(handle)
        self._open.add(handle)
        handle.add_done_callback(self._open.discard)
        self._build_thread.submit(self._guarded, handle, self._build_one, kernel, text_of(schedule))
        return handle

    def results(self) -> Iterator[Trial]:
        """Trials of all candidates not yet yielded, in the order of submission, each as soon as it is there."""
        while self._order:
            yield self._order.popleft().result()

    def measure(self, kernel: Kernel, schedules: Sequence[Candidate]) -> list[Trial]:
        """Submit these and wait for them; other candidates under way are not touched."""
        handles = [self.submit(kernel, schedule) for schedule in schedules]
        for handle in handles:
            self._order.remove(handle)
        return [handle.result() for handle in handles]

    def default(self, kernel: Kernel) -> Trial:
        """The kernel by default lowering."""
        return self.measure(kernel, [None])[0]

    def compare(
        self, kernel: Kernel, schedules: Sequence[Candidate], rounds: int = 20, *, vendor: bool = False
    ) -> dict[str, tuple[float, ...]]:
        """Samples of several right candidates taken in turn, in one process: the final word on which is faster.

        With `vendor`, numpy's own call takes part under the name `VENDOR`.

        Returns:
            Samples in seconds by schedule text; none for a candidate that did not build or run, or that numpy has not.
        """
        texts = list(dict.fromkeys(text_of(s) for s in schedules))
        return self._measure_thread.submit(self._compare, kernel, texts, rounds, vendor).result()

    # -- on the threads ----------------------------------------------------------------------------------------

    def _guarded(self, handle: Handle, step: object, *args: object) -> None:
        """A bug of ours must reach whoever waits."""
        try:
            step(handle, *args)  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - see above
            if not handle.done():
                handle.set_exception(error)

    def _build_one(self, handle: Handle, kernel: Kernel, text: str) -> None:
        self._slots.acquire()
        if self._closed or handle.cancelled():
            self._slots.release()  # for the next one, which may be waiting to hear the same
            return
        try:
            outcome = self._build(kernel, text)
            self._measure_thread.submit(self._guarded, handle, self._measure_one, kernel, text, outcome)
        except BaseException:
            self._slots.release()
            raise

    def _build(self, kernel: Kernel, text: str) -> Outcome:
        schedule = None if text == DEFAULT_SCHEDULE else text
        return self._compile.call(self.backend.build_task, kernel, schedule, timeout_s=self._compile_timeout_s)

    def _measure_one(self, handle: Handle, kernel: Kernel, text: str, built: Outcome) -> None:
        if handle.cancelled():
            self._slots.release()
            return
        try:
            if built.ok:
                key = workload_key(kernel)
                outcome = self._run_prepared(kernel, self.backend.measure_task, built.value, key, self.spec)
                trial = finished(text, built, outcome) if outcome.ok else run_failed(text, built, outcome)
                if trial.ok:
                    self._keep(key, text, built.value)
            else:
                trial = build_failed(text, built)
        finally:
            self._slots.release()
        if not self._closed and not handle.cancelled():
            handle.set_result(trial)

    def _run_prepared(self, kernel: Kernel, task: str, *args: object, timeout_s: float | None = None) -> Outcome:
        """Run a task that needs the kernel's references; a new worker has none: prepare and run again."""
        timeout_s = timeout_s or self._run_timeout_s
        outcome = self._run.call(task, *args, timeout_s=timeout_s)
        if not outcome.ok or not _unprepared(outcome.value):
            return outcome
        key = workload_key(kernel)
        prepared = self._run.call(
            f"{_RUNNER}:prepare", kernel, key, self.seed, self._folder.name, timeout_s=self._reference_timeout_s
        )
        if not prepared.ok:
            return Outcome(
                status="error", cause=f"no reference for this kernel: {prepared.cause}", wall_s=prepared.wall_s
            )
        return self._run.call(task, *args, timeout_s=timeout_s)

    def _compare(self, kernel: Kernel, texts: list[str], rounds: int, vendor: bool) -> dict[str, tuple[float, ...]]:
        key = workload_key(kernel)
        built: dict[str, Built] = {}
        for text in texts:
            if (key, text) in self._objects:
                built[text] = self._objects[key, text]
            elif (outcome := self._build(kernel, text)).ok:
                built[text] = outcome.value
        names = [*texts, *([VENDOR] if vendor else [])]
        samples: dict[str, tuple[float, ...]] = dict.fromkeys(names, ())
        taken = self._samples(kernel, list(built.values()), rounds, vendor)
        if taken is None:  # one of them fails: which?
            for text, candidate in built.items():
                samples[text] = (self._samples(kernel, [candidate], rounds) or [()])[0]
            return samples
        return samples | dict(zip([*built, *([VENDOR] if vendor else [])], taken, strict=True))

    def _samples(
        self, kernel: Kernel, built: list[Built], rounds: int, vendor: bool = False
    ) -> list[tuple[float, ...]] | None:
        timeout_s = self._run_timeout_s * (len(built) + 1)
        args = (built, kernel if vendor else None, workload_key(kernel), rounds, self.spec, timeout_s / 2)
        outcome = self._run_prepared(kernel, f"{_RUNNER}:compare", *args, timeout_s=timeout_s)
        taken: list[tuple[float, ...]] | None = outcome.value if outcome.ok else None
        return taken

    def _keep(self, key: str, text: str, built: Built) -> None:
        self._objects[key, text] = built
        if len(self._objects) > _KEPT_OBJECTS:
            self._objects.popitem(last=False)

    # -- start -------------------------------------------------------------------------------------------------

    def _pool(self, name: str, preload: tuple[str, ...], cpu: int) -> WorkerPool:
        return WorkerPool(name, 1, preload=preload, memory_bytes=self._memory_bytes, env=ONE_THREAD, cpu=cpu)

    def _undisturbed(self) -> bool:
        kernel = calibrate.sample_kernel()

        def quiet() -> dict[str, float]:
            outcome = self._run.call(f"{calibrate.__name__}:probe", calibrate.PROBE_S, timeout_s=self._run_timeout_s)
            return dict(outcome.value) if outcome.ok else {}

        def busy() -> dict[str, float]:
            stop = Event()

            def compile_on() -> None:
                while not stop.is_set() and self._build(kernel, DEFAULT_SCHEDULE).ok:
                    continue

            load = self._build_thread.submit(compile_on)
            found = quiet()
            stop.set()
            load.result()
            return found

        self._build(kernel, DEFAULT_SCHEDULE)
        self.disturbance = calibrate.disturbance(quiet, busy)
        return self.disturbance <= calibrate.LIMIT


@lru_cache(maxsize=256)
def workload_key(kernel: Kernel) -> str:
    """`workload_id`, remembered."""
    return workload_id(kernel)


def text_of(schedule: Candidate) -> str:
    """The text that stands for a candidate in trials and records."""
    return DEFAULT_SCHEDULE if schedule is None else str(schedule)


def _unprepared(value: object) -> bool:
    return value is None or (isinstance(value, Measured) and value.status == "unprepared")
