"""Why a run must come to its end: the time is up, or somebody pressed Ctrl-C.

Owns the SIGINT handler while a run has something to save. Invariant: nothing is raised at an interrupt; whoever loops
or waits asks `due`. So what is being written is finished, and a second Ctrl-C changes nothing.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
_POLL_S = 0.1


class Stop:
    """Asked by the search whether to go on. A context manager; outside the main thread it sees the time only."""

    def __init__(self, search_until_s: float | None = None, run_until_s: float | None = None) -> None:
        """Both are readings of `time.monotonic`; None is no limit.

        Args:
            search_until_s: when the search must end, so that the rest of the run fits.
            run_until_s: when the run should be over.
        """
        self.search_until_s, self.run_until_s = search_until_s, run_until_s
        self.interrupted = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    @property
    def due(self) -> bool:
        """Whether the search must end now."""
        return self.interrupted or self.search_left_s() == 0.0

    def search_left_s(self) -> float | None:
        """Seconds until the search must end; None without a limit."""
        return None if self.search_until_s is None else max(0.0, self.search_until_s - time.monotonic())

    def left_s(self) -> float | None:
        """Seconds until the run should be over, 0 after an interrupt; None without a limit."""
        if self.interrupted:
            return 0.0
        return None if self.run_until_s is None else max(0.0, self.run_until_s - time.monotonic())

    def wait(self, handle: Future[T], tick: Callable[[], None] = lambda: None) -> T | None:
        """The handle's result; None, and the handle cancelled, if the end is due before it is there."""
        while not handle.done():
            if self.due:
                handle.cancel()
                return None
            wait_for([handle], self._pause_s())
            tick()
        return None if handle.cancelled() else handle.result()

    def _pause_s(self) -> float:
        left_s = self.search_left_s()
        return _POLL_S if left_s is None else min(_POLL_S, left_s)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.interrupted = True
