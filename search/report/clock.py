"""Where the coordinator's time went: nested phases, each counted once, from process start to the report.

Owns the accounting. Invariant: every instant belongs to exactly one category, the innermost open phase, else `other`;
so the categories sum to the wall time. It does not see what overlaps in workers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

STARTUP = "startup"
OTHER = "other"
_STARTTIME = 19  # field 22 of /proc/self/stat, counted from the state, which follows the command's name


def process_age_s() -> float:
    """Seconds since this process was started, interpreter and imports included; 0 where the system does not say."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        started_s = int(stat.rpartition(")")[2].split()[_STARTTIME]) / os.sysconf("SC_CLK_TCK")
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    return max(0.0, age_s)


class PhaseClock:
    """The coordinator's exclusive clock. One thread uses it.

    What passed before it was made counts as `startup`. Entering a phase within another stops the outer one.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic, age_s: float | None = None) -> None:
        """`now` reads seconds from any origin; `age_s` is how long the process has run (default: asks the system)."""
        self._now = now
        self._spent: dict[str, float] = {STARTUP: process_age_s() if age_s is None else age_s, OTHER: 0.0}
        self._open: list[str] = []
        self._is_finished = False
        self._since = now()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time in the block, less that of phases within it, under `name`."""
        self._settle()
        self._open.append(name)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    @property
    def wall_s(self) -> float:
        """Seconds since the process was started, or until `finish`."""
        return sum(self._spent.values()) + (0.0 if self._is_finished else self._now() - self._since)

    def spent(self) -> dict[str, float]:
        """Category → seconds so far."""
        self._settle()
        return dict(self._spent)

    def finish(self) -> dict[str, float]:
        """Stop, also within open phases; category → seconds, which sum to `wall_s`."""
        self._settle()
        self._is_finished = True
        return dict(self._spent)

    def _settle(self) -> None:
        if self._is_finished:
            return
        now_s = self._now()
        name = self._open[-1] if self._open else OTHER
        self._spent[name] = self._spent.get(name, 0.0) + now_s - self._since
        self._since = now_s
