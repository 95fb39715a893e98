"""A measurer that builds a whole block on every processor first and then measures with nothing beside it.

Owns the second building worker. Pools of hundreds of candidates are known beforehand, unlike a search's, so building
need not overlap with measuring.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from costmodel.core.workers import Outcome
from costmodel.search.kernel.form import Kernel
from costmodel.search.measure.lane import Lane
from costmodel.search.measure.measurer import Candidate as Schedule
from costmodel.search.measure.measurer import Measurer, text_of, workload_key
from costmodel.search.measure.trial import Trial


class BlockMeasurer(Measurer):
    """`measure` builds all of its schedules before it runs the first."""

    def __enter__(self) -> Self:
        self._ready: dict[tuple[str, str], Outcome] = {}
        cpus = sorted(os.sched_getaffinity(0))
        self._lanes: list[Lane] = []
        super().__enter__()
        extra = [Lane(lambda cpu=cpu: self._pool("build", self.backend.preload, cpu), 500) for cpu in cpus[1:]]
        self._lanes = [self._compile, *extra]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for lane in self._lanes[1:]:
            lane.close()
        super().__exit__(kind, error, at)

    def measure(self, kernel: Kernel, schedules: Sequence[Schedule]) -> list[Trial]:
        """See `Measurer.measure`."""
        key, left = workload_key(kernel), iter([text_of(s) for s in schedules])

        def build(lane: Lane) -> None:
            for text in left:  # list iterators hand out each element once
                self._ready[key, text] = lane.call(
                    self.backend.build_task, kernel, text, timeout_s=self._compile_timeout_s
                )

        with ThreadPoolExecutor(len(self._lanes)) as threads:
            for done in [threads.submit(build, lane) for lane in self._lanes]:
                done.result()
        return super().measure(kernel, schedules)

    def _build(self, kernel: Kernel, text: str) -> Outcome:
        found = self._ready.pop((workload_key(kernel), text), None)
        return found if found is not None else super()._build(kernel, text)
