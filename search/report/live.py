"""Live progress on standard error, with the time left; at most one line a second where that is no terminal.

Invariant: it writes nothing on standard output, starts no thread, and an output that cannot be written (a closed
pipe, a full disk) ends the display, never the run.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.errors import ConsoleError, LiveError
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from costmodel.search.report.units import duration, seconds

_REDRAW_S = 0.1
_LINE_S = 1.0
_RATE_WINDOW = 20
_ROWS = 8
_DISPLAY_ERRORS = (OSError, ValueError, ConsoleError, LiveError)


@dataclass(slots=True, kw_only=True)
class _Row:
    trials: int = 0
    best_s: float | None = None
    status: str = ""


class _QuietConsole(Console):
    def on_broken_pipe(self) -> None:
        """Fall silent; rich's own way is to redirect standard output and to exit."""
        self.quiet = True


class LiveProgress:
    """Shows trials done, the best of each workload, failures, elapsed time and time left. One thread uses it.

    A context manager; `update` once for each finished trial, `tick` now and then while waiting, `message` for the rest.
    """

    def __init__(
        self,
        total_trials: int,
        deadline_s: float | None = None,
        *,
        done: int = 0,
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is shown until `with`.

        Args:
            total_trials: Over all workloads, those of a resumed run included.
            deadline_s: How many seconds from now the run may take; None for no limit.
            done: Trials that a resumed run has already.
            stream: Where to write instead of standard error.
            now: Reads seconds from any origin.
        """
        self._now = now
        self._start_s = now()
        self._total = max(0, total_trials)
        self._deadline_s = deadline_s
        self._done = max(0, done)
        self._failures = 0
        self._rows: dict[str, _Row] = {}
        self._finished_s: deque[float] = deque([self._start_s], maxlen=_RATE_WINDOW + 1)
        self._drawn_s = -math.inf
        self._stream = sys.stderr if stream is None else stream
        self._live: Live | None = None
        self._is_usable = True

    def __enter__(self) -> Self:
        self._guarded(self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guarded(self._stop)

    def update(self, *, workload: str, trial: int, best_s: float | None, status: str) -> None:
        """A trial is finished: the workload's name, its number within the workload, the workload's best so far."""
        self._done += 1
        self._failures += status != "ok"
        row = self._rows.pop(workload, None) or _Row()
        self._rows[workload] = row  # the last is the latest
        row.trials, row.best_s, row.status = trial + 1, best_s, status
        self._finished_s.append(self._now())
        if self._live is None:
            if self._now() - self._drawn_s >= _LINE_S:
                self._drawn_s = self._now()
                self._guarded(lambda: self._print(self._event(workload, row)))
        else:
            self.tick()

    def message(self, text: str) -> None:
        """Say something in one line, above the display."""
        self._guarded(lambda: self._print(" ".join(text.split())))

    def tick(self) -> None:
        """Redraw if the display is older than a tenth of a second."""
        if self._live is not None and self._now() - self._drawn_s >= _REDRAW_S:
            self._guarded(self._redraw)

    def left_s(self) -> float | None:
        """Estimated seconds left: the remaining trials at the recent rate, or the time limit if that comes first."""
        now_s = self._now()
        bounds = []
        if len(self._finished_s) > 1:
            per_trial_s = (self._finished_s[-1] - self._finished_s[0]) / (len(self._finished_s) - 1)
            since_s = now_s - self._finished_s[-1]
            bounds.append(max(0.0, per_trial_s * max(0, self._total - self._done) - since_s))
        if self._deadline_s is not None:
            bounds.append(max(0.0, self._start_s + self._deadline_s - now_s))
        return min(bounds, default=None)

    def _guarded(self, act: Callable[[], None]) -> None:
        if not self._is_usable:
            return
        try:
            act()
        except _DISPLAY_ERRORS:
            self._is_usable = False

    def _start(self) -> None:
        if not self._stream.isatty():
            return
        console = _QuietConsole(file=self._stream)
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._live.start()
        self._redraw()

    def _stop(self) -> None:
        if self._live is None:
            self._print(self._status_line())
            return
        live, self._live = self._live, None
        live.update(self._picture())
        live.stop()

    def _redraw(self) -> None:
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
            self._drawn_s = self._now()

    def _print(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(Text(text))
            return
        self._stream.write(_encodable(text, self._stream) + "\n")
        self._stream.flush()

    def _event(self, workload: str, row: _Row) -> str:
        best = "" if row.best_s is None else f", best {seconds(row.best_s)}"
        outcome = f"{_plain(workload)} #{row.trials} {row.status}{best}"
        return f"trial {self._done}/{self._total}: {outcome}; {self._clock_text()}"

    def _status_line(self) -> str:
        return f"{self._done}/{self._total} trials, {self._failures} failed; {self._clock_text()}"

    def _clock_text(self) -> str:
        left_s = self.left_s()
        left = "" if left_s is None else f", about {duration(left_s)} left"
        return f"{duration(self._now() - self._start_s)} elapsed{left}"

    def _picture(self) -> Group:
        bar = Table.grid(padding=(0, 1))
        status = Text(self._status_line(), no_wrap=True, overflow="ellipsis")
        bar.add_row(ProgressBar(total=max(1, self._total), completed=self._done, width=16), status)
        table = Table.grid(padding=(0, 2))
        for name, row in list(self._rows.items())[-_ROWS:]:
            table.add_row(
                Text(_plain(name), no_wrap=True, overflow="ellipsis"),
                Text(f"{row.trials} trials"),
                Text(f"best {seconds(row.best_s)}"),
                Text(row.status, style="" if row.status == "ok" else "red"),
            )
        hidden = len(self._rows) - _ROWS
        rest = [Text(f"and {hidden} more workloads")] if hidden > 0 else []
        return Group(bar, table, *rest)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
