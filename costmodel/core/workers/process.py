"""One worker process, seen from the coordinator: start it, give it a task, watch the clock, kill and reap it.

Invariant: after `run` or `start` returned a failure that ended the process, nothing of its process group is left.
A task that puts itself into another session escapes the kill; nothing here tries to prevent that.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from costmodel.core.workers import protocol
from costmodel.core.workers.child import Reply, Setup
from costmodel.core.workers.outcome import Outcome
from costmodel.core.workers.postmortem import HEAD_BYTES, TAIL_BYTES, End, explain, with_stderr

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[3]); "
    "from costmodel.core.workers.child import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)
_SAMPLE_MS = 5
_EXIT_GRACE_S = 0.5


class _TimeUpError(Exception):
    """The deadline passed before the steps were done."""


class _GoneError(Exception):
    """The process ended or hung up before the steps were done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a worker."""

    setup: Setup
    env: Mapping[str, str]
    """Variables set over those of this process."""
    start_timeout_s: float


class WorkerProcess:
    """A process that runs one task at a time and is started anew after it ended.

    Used by one thread, which must outlive the process (the kernel ties the process to the thread that started it);
    `shut` alone may be called from another thread.
    """

    def __init__(self, launch: Launch) -> None:
        """Start nothing yet."""
        self._launch = launch
        self._lock = threading.Lock()
        self._shut = False
        self._process: subprocess.Popen[bytes] | None = None
        self._inherited_bytes = self._sampled_bytes = 0
        self._tail = bytearray()

    def ready(self) -> bool:
        """Whether a process is up and waiting for a task; reaps one that died while idle."""
        if self._process is None:
            return False
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return True
        self._bury()
        return False

    def start(self) -> Outcome:
        """Start the process and preload; an outcome that is not ok says why it is not up."""
        with self._lock:
            if self._shut:
                return Outcome(status="error", cause="the pool was closed")
            try:
                self._spawn()
            except OSError as error:
                return Outcome(status="error", cause=f"worker did not start: {error}")
        outcome = self._exchange(protocol.encode(self._launch.setup), self._launch.start_timeout_s)
        if outcome.ok:
            return outcome
        if self._process is not None:
            self._bury()
        return Outcome(status=outcome.status, cause=f"worker did not start: {outcome.cause}", wall_s=outcome.wall_s)

    def run(self, frame: protocol.Frame, timeout_s: float) -> Outcome:
        """Run the task in `frame`. The process is gone afterwards unless the outcome is `ok` or `error`."""
        self._drain()
        self._tail.clear()
        outcome = self._exchange(frame, timeout_s)
        if outcome.status == "oom" and self._process is not None:
            self._bury()  # its heap is in pieces: the next task deserves a fresh one
        return outcome

    def shut(self) -> None:
        """Kill the process and refuse to start another. Thread-safe."""
        with self._lock:
            self._shut = True
            self._kill()

    def close(self) -> None:
        """Kill and reap; the owner's last call."""
        self.shut()
        if self._process is not None:
            self._bury()

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        errors, errors_end = os.pipe()
        path = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
        self._inherited_bytes, self._sampled_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, 0
        command = [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()), str(os.getpid()), path]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors_end,
                env={**os.environ, **self._launch.env},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            os.close(errors)
            raise
        finally:
            theirs.close()
            os.close(errors_end)
        ours.setblocking(False)
        os.set_blocking(errors, False)
        self._connection, self._errors = ours, errors
        self._errors_open = True
        self._exit_descriptor = _open_exit_descriptor(self._process.pid)
        self._tail.clear()

    def _exchange(self, frame: protocol.Frame, timeout_s: float) -> Outcome:
        begin_s = time.monotonic()
        deadline_s = begin_s + timeout_s
        try:
            self._drive(protocol.send(self._connection, frame), select.POLLOUT, deadline_s)
            answer = self._drive(protocol.receive(self._connection), select.POLLIN, deadline_s)
        except _TimeUpError:
            self._bury()
            cause = with_stderr(f"no answer within {timeout_s:g} s, killed", self._tail)
            return Outcome(status="timeout", cause=cause, wall_s=time.monotonic() - begin_s)
        except (_GoneError, EOFError, OSError, MemoryError) as error:
            end = self._bury(grace_s=_EXIT_GRACE_S)
            status, cause = explain(end, self._tail, self._launch.setup.memory_bytes, note=str(error))
            return Outcome(status=status, cause=cause, wall_s=time.monotonic() - begin_s)
        self._drain()
        return self._read(answer, begin_s)

    def _read(self, answer: protocol.Frame, begin_s: float) -> Outcome:
        try:
            reply = protocol.decode(answer)
        except Exception as error:  # noqa: BLE001 - unpickling a foreign value may raise anything
            cause = f"the result cannot be read back: {type(error).__name__}: {error}"
            return Outcome(status="error", cause=cause, wall_s=time.monotonic() - begin_s)
        wall_s = time.monotonic() - begin_s
        assert isinstance(reply, Reply)
        if reply.status == "ok":
            return Outcome(status="ok", value=reply.value, wall_s=wall_s)
        status = "oom" if reply.status == "oom" else "error"
        return Outcome(status=status, cause=with_stderr(reply.cause, self._tail), wall_s=wall_s)  # type: ignore[arg-type]

    def _drive(self, steps: protocol.Steps[protocol.R], events: int, deadline_s: float) -> protocol.R:
        """Step until done, draining standard error meanwhile; raises `_TimeUpError` or `_GoneError`."""
        poller = select.poll()
        poller.register(self._connection, events)
        if self._errors_open:
            poller.register(self._errors, select.POLLIN)
        if self._exit_descriptor is not None:
            poller.register(self._exit_descriptor, select.POLLIN)
        ended = False
        while True:
            try:
                progress = next(steps)
            except StopIteration as stop:
                result: protocol.R = stop.value
                return result
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise _TimeUpError
            if progress:
                continue
            if ended:
                raise _GoneError
            wait_ms = remaining_s * 1000 + 1
            if self._is_ambiguous:
                self._sample_memory()
                wait_ms = min(wait_ms, _SAMPLE_MS)
            for descriptor, _ in poller.poll(wait_ms):
                ended = ended or descriptor == self._exit_descriptor
                if descriptor == self._errors and not self._drain():
                    poller.unregister(self._errors)

    @property
    def _is_ambiguous(self) -> bool:
        """Whether the system's figure of the worker's memory may be ours: a process starts with its parent's peak."""
        limit = self._launch.setup.memory_bytes
        return limit is not None and self._inherited_bytes > limit // 2

    def _sample_memory(self) -> None:
        """Note how much the living worker holds at most, for when it is gone."""
        assert self._process is not None
        with contextlib.suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
            peak = next(line for line in lines if line.startswith("VmHWM:"))
            self._sampled_bytes = max(self._sampled_bytes, int(peak.split()[1]) * 1024)

    def _drain(self) -> bool:
        """Take what is in the standard error pipe, keep both ends of it; False once it is closed."""
        while self._errors_open:
            try:
                data = os.read(self._errors, 1 << 16)
            except BlockingIOError:
                return True
            self._errors_open = bool(data)
            self._tail += data
            del self._tail[HEAD_BYTES:-TAIL_BYTES]
            if len(data) < 1 << 12:
                break
        return self._errors_open

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _bury(self, grace_s: float = 0.0) -> End:
        """Wait up to `grace_s` for an end of its own accord, kill the whole group, reap, close."""
        assert self._process is not None
        pid = self._process.pid
        limit_s = time.monotonic() + grace_s
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and time.monotonic() < limit_s:
            self._drain()
            time.sleep(0.001)
        exited = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        with self._lock:
            self._kill()  # before reaping: until then the group's number cannot belong to anyone else
            _, status, usage = os.wait4(pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._process = None
        self._drain()
        self._connection.close()
        os.close(self._errors)
        self._errors_open = False
        if self._exit_descriptor is not None:
            os.close(self._exit_descriptor)
        peak_bytes = usage.ru_maxrss * 1024
        if peak_bytes <= self._inherited_bytes:  # what we held when it was started, not its own
            peak_bytes = self._sampled_bytes
        return End(exit_code=os.waitstatus_to_exitcode(status), by_itself=exited, peak_bytes=peak_bytes)


def _open_exit_descriptor(pid: int) -> int | None:
    """A descriptor that becomes readable when `pid` ends; None where the kernel has none (the channel's end tells)."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
