"""One compiler at the other end of a channel: opening in the order that does not deadlock, reading, writing.

Owns descriptors, waiting and time limits. Invariant: nothing here blocks without a limit, and nothing is taken from the
buffer before it is complete, so reading may be interrupted and resumed. Does not know what the bytes mean.
"""

from __future__ import annotations

import errno
import os
import select
import time
from typing import Self

from costmodel.core.errors import UsageError
from costmodel.serve.fifos import Fifos
from costmodel.serve.interrupts import Interrupt

_CHUNK_BYTES = 1 << 16
_RETRY_S = 0.005


class Interrupted(Exception):  # noqa: N818 - no error: somebody asked for the end
    """The end was requested while nothing was being answered."""


class Silent(Exception):  # noqa: N818 - what it means is the caller's matter
    """The other end sent nothing for as long as was allowed."""


class Connection:
    """A compiler's two FIFOs, open. Used by one thread."""

    def __init__(self, inbound: int, outbound: int, interrupt: Interrupt, idle_s: float) -> None:
        """Takes ownership of two non-blocking descriptors: the compiler's input and its output."""
        self.buffer = bytearray()
        self.idle_s = idle_s
        self.closed = False
        self.draining = False
        self._in, self._out, self._interrupt = inbound, outbound, interrupt

    @classmethod
    def open(cls, fifos: Fifos, interrupt: Interrupt, *, wait_s: float, idle_s: float) -> Self | None:
        """Wait for a compiler, which opens its input first; None where none came within `wait_s`.

        Raises:
            Interrupted: the end was requested meanwhile.
            UsageError: the FIFOs cannot be opened.
        """
        deadline = time.monotonic() + wait_s
        outbound = os.open(fifos.outbound, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        inbound = None
        try:
            inbound = _open_writer(fifos, interrupt, deadline)
        finally:
            if inbound is None:
                os.close(outbound)
        return None if inbound is None else cls(inbound, outbound, interrupt, idle_s)

    def fill(self) -> bool:
        """Read more into `buffer`; False where the compiler has closed its end.

        Raises:
            Interrupted: the end was requested (not while `draining`).
            Silent: nothing came for `idle_s`.
        """
        while True:
            if self._interrupt.requested and not self.draining:
                raise Interrupted
            try:
                chunk = os.read(self._out, _CHUNK_BYTES)
            except BlockingIOError:
                chunk = b""
            if chunk:
                self.buffer += chunk
                return True
            if not self._wait():
                return False

    def _wait(self) -> bool:
        """Until there is something to read: True; or until nothing will come: False."""
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        poll.register(self._in, 0)  # reports an error once the compiler has closed its input
        if not self.draining:
            poll.register(self._interrupt.fileno(), select.POLLIN)
        events = dict(poll.poll(self.idle_s * 1000))
        if not events:
            raise Silent
        here = events.get(self._out, 0)
        if here & select.POLLIN or self._interrupt.fileno() in events:
            return True
        return not (here or self._in in events)

    def write(self, answer: bytes) -> bool:
        """Send an answer; False where the compiler has gone. Answers are far below a FIFO's atomic size."""
        try:
            os.write(self._in, answer)
        except BrokenPipeError:
            return False
        return True

    def close(self) -> None:
        """Close both ends; a compiler that still writes gets a broken pipe."""
        if not self.closed:
            self.closed = True
            os.close(self._out)
            os.close(self._in)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_writer(fifos: Fifos, interrupt: Interrupt, deadline: float) -> int | None:
    poll = select.poll()
    poll.register(interrupt.fileno(), select.POLLIN)
    while True:
        try:
            return os.open(fifos.inbound, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise UsageError(
                    f"cannot open {str(fifos.inbound)!r}: {error.strerror}; choose another --channel"
                ) from None
        if interrupt.requested:
            raise Interrupted
        if time.monotonic() > deadline:
            return None
        poll.poll(_RETRY_S * 1000)
