"""Ctrl-C as a flag that a waiting server sees at a place where it can stop.

Owns the handlers of SIGINT and SIGTERM while it is entered. Invariant: the first signal only asks; the second raises
`KeyboardInterrupt` wherever the program is. Outside the main thread it installs nothing and is never asked.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """A context manager; `requested` says whether somebody wants the server to end."""

    def __init__(self) -> None:
        self.requested = False
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous: dict[int, Any] = {}

    def fileno(self) -> int:
        """Becomes readable when the end is requested; for `poll`."""
        return self._reader

    def request(self) -> None:
        """Ask for the end, from any thread."""
        self.requested = True
        os.write(self._writer, b"x")

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.request()
