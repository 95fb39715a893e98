"""A server at a Unix socket that only its owner can open: one thread for each connection.

Owns the socket file, the connections and their limits. Invariant: whatever a client sends or leaves out, the server
goes on for the others. Does not know what is asked: `costmodel.serve.requests` does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from costmodel.core.errors import CostModelError, UsageError
from costmodel.core.schema import CONTRACTS_VERSION
from costmodel.serve.framing import Closed, TooSlow, receive, send
from costmodel.serve.interrupts import Interrupt
from costmodel.serve.requests import as_error

MODE = 0o600
MAX_PATH_BYTES = 107
_GRACE_S = 1.0


class Answers(Protocol):
    """What the server asks; called from many threads."""

    def answer(self, message: object) -> dict[str, object]:
        """The reply; raises `CostModelError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketOptions:
    """Where to listen, and the limits of a connection; seconds are wall-clock."""

    path: Path
    max_request_bytes: int = 1 << 24
    max_connections: int = 16
    idle_s: float = 30.0
    """For a whole message to come, and for a reply to be taken."""


class LocalServer:
    """Made and run once, in one thread; `Interrupt.request` ends it from another."""

    def __init__(self, answerer: Answers, options: SocketOptions, interrupt: Interrupt) -> None:
        self._answerer, self._options, self._interrupt = answerer, options, interrupt
        self._lock = threading.Lock()
        self._counts = {"connections": 0, "messages": 0, "errors": 0, "timeouts": 0, "refused": 0}
        self._threads: set[threading.Thread] = set()

    def summary(self) -> dict[str, object]:
        """What came until now."""
        with self._lock:
            return {"schema_version": CONTRACTS_VERSION, "socket": str(self._options.path), **self._counts}

    def run(self) -> None:
        """Serve until the interrupt; raises `UsageError` where the socket cannot be made."""
        with contextlib.closing(_listen(self._options.path)) as listener:
            identity = os.stat(self._options.path)
            try:
                print(f"costmodel: serving at {self._options.path}", file=sys.stderr, flush=True)
                self._accept(listener)
            finally:
                _remove(self._options.path, identity)
        deadline = time.monotonic() + _GRACE_S
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self, listener: socket.socket) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._interrupt.fileno(), select.POLLIN)
        while True:
            poll.poll()
            if self._interrupt.requested:
                return
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED):
                    raise
                time.sleep(0.05)  # out of descriptors: others will close theirs
                continue
            self._start(connection)

    def _start(self, connection: socket.socket) -> None:
        with self._lock:
            busy = len(self._threads) >= self._options.max_connections
            self._counts["refused" if busy else "connections"] += 1
            if not busy:
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.add(thread)
        if busy:
            error = UsageError(
                f"{self._options.max_connections} connections are open, no more are taken; try again later"
            )
            with connection, contextlib.suppress(OSError, TooSlow):
                send(connection, _error_reply(error), 0.1)
        else:
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(Closed, OSError):
                while not self._interrupt.requested and self._exchange(connection):
                    pass
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _exchange(self, connection: socket.socket) -> bool:
        """One message and its reply; whether the connection can go on."""
        options = self._options
        try:
            message = receive(connection, options.max_request_bytes, options.idle_s)
            self._count("messages")
        except TooSlow as slow:
            self._count("timeouts")
            if slow.received_bytes:
                error = UsageError(
                    f"the message was not complete within {options.idle_s:g} s; the connection is closed"
                )
                self._reply(connection, _error_reply(error))
                _part(connection)
            return False
        except CostModelError as error:
            self._count("errors")
            self._reply(connection, _error_reply(error))
            _part(connection)  # where the next message begins is not known
            return False
        try:
            reply = self._answerer.answer(message)
        except CostModelError as error:
            self._count("errors")
            reply = _error_reply(error)
        return self._reply(connection, reply)

    def _reply(self, connection: socket.socket, reply: dict[str, object]) -> bool:
        try:
            send(connection, reply, self._options.idle_s)
        except TooSlow:
            self._count("timeouts")
            return False
        return True

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1


def _part(connection: socket.socket) -> None:
    """Take what is still on its way for a moment: closing over it would lose the reply."""
    connection.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + _GRACE_S
    with contextlib.suppress(TimeoutError):
        while (left_s := deadline - time.monotonic()) > 0:
            connection.settimeout(left_s)
            if not connection.recv(1 << 16):
                return


def _error_reply(error: CostModelError) -> dict[str, object]:
    return {"schema_version": CONTRACTS_VERSION, "error": as_error(error)}


def _listen(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise UsageError(f"the socket's path has {len(os.fsencode(path))} bytes, at most {MAX_PATH_BYTES} are possible")
    _clear(path)
    unfinished = path.with_name(path.name[:-1] + ("#" if path.name.endswith("~") else "~"))  # no longer than `path`
    _clear(unfinished)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o777 & ~MODE)
    try:
        listener.bind(str(unfinished))
        listener.listen(64)
        unfinished.rename(path)  # whoever sees the socket can connect
    except OSError as error:
        listener.close()
        unfinished.unlink(missing_ok=True)
        raise UsageError(f"cannot make the socket {str(path)!r}: {error.strerror}; choose another --socket") from None
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


def _clear(path: Path) -> None:
    """Remove a socket that nobody serves; raises `UsageError` for one that somebody does, and for any other file."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot make the socket {str(path)!r}: {error.strerror}; choose another --socket") from None
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"{str(path)!r} exists and is no socket; choose another --socket (it is left as it is)")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass
    raise UsageError(f"another server answers at {str(path)!r}; choose another --socket")


def _remove(path: Path, identity: os.stat_result) -> None:
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.stat(path), identity):
            path.unlink()
