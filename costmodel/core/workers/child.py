"""The worker's side: receive a task, run it, send what came of it, until the coordinator is gone.

Runs in a process of its own session with standard input and output on the null device and standard error in a pipe.
Invariant: whatever a task raises becomes an answer; only native faults, exits and kills end this process.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Any

from costmodel.core.workers import protocol

OUT_OF_MEMORY_EXIT = 86
"""Exit status where there was not even enough memory to report that there is none."""

_PR_SET_PDEATHSIG = 1
_TEXT_LIMIT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a worker does once, before its first task."""

    preload: tuple[str, ...]
    memory_bytes: int | None
    """What tasks may take beyond what the process holds after preloading."""
    cpu: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A task's end as the worker saw it: status `ok`, `error` or `oom`."""

    status: str
    value: Any = None
    cause: str = ""


def main(descriptor: int, parent_pid: int) -> None:
    """Serve the coordinator at the other end of `descriptor` until it hangs up."""
    _die_with_parent(parent_pid)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable(file=2)
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    sys.argv[:] = ["costmodel-worker"]
    try:
        setup = protocol.decode(protocol.finish(protocol.receive(connection)))
        assert isinstance(setup, Setup)
        _answer(connection, _guarded(_prepare, (setup,)))
        while True:
            _answer(connection, _serve_one(connection))
    except (EOFError, ConnectionError):
        os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT)


def resolve(path: str) -> Callable[..., object]:
    """Import `"module:function"`; a dotted function name reaches into a class."""
    module, _, name = path.partition(":")
    target: Any = import_module(module)
    for part in name.split("."):
        target = getattr(target, part)
    function: Callable[..., object] = target
    return function


def _serve_one(connection: socket.socket) -> Reply:
    frame = protocol.finish(protocol.receive(connection))
    return _guarded(_run, (frame,))


def _run(frame: protocol.Frame) -> object:
    task: Any = protocol.decode(frame)
    path, args = task
    return resolve(path)(*args)


def _prepare(setup: Setup) -> None:
    if setup.cpu is not None:
        os.sched_setaffinity(0, {setup.cpu})
    for name in setup.preload:
        import_module(name)
    if setup.memory_bytes is not None:
        limit = _data_bytes() + setup.memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _data_bytes() -> int:
    """Private writable memory of this process, which is what RLIMIT_DATA counts."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[5]) * resource.getpagesize()


def _guarded(function: Callable[..., object], args: tuple[object, ...]) -> Reply:
    """Call and turn whatever is raised, exits and interrupts included, into a reply: this is the isolation boundary."""
    try:
        return Reply(status="ok", value=function(*args))
    except MemoryError as error:
        return Reply(status="oom", cause=describe(error))
    except BaseException as error:  # noqa: BLE001 - see above
        return Reply(status="error", cause=describe(error))


def _answer(connection: socket.socket, reply: Reply) -> None:
    _flush()
    encoded = _guarded(protocol.encode, (reply,))
    frame = encoded.value
    if not isinstance(frame, protocol.Frame):
        cause = f"the result cannot be sent back: {encoded.cause}"
        frame = protocol.encode(Reply(status=encoded.status, cause=cause))
    del reply
    protocol.finish(protocol.send(connection, frame))


def _flush() -> None:
    """Push out what Python still buffers, so that it counts for the task that wrote it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue  # the task closed or replaced it


def describe(error: BaseException) -> str:
    """`Type: text (file:line)` in one line of bounded length, whatever the exception's own `__str__` does."""
    try:
        text = " ".join(str(error).split())[:_TEXT_LIMIT]
    except Exception as failure:  # noqa: BLE001 - a foreign __str__ may raise anything
        text = f"<its text raised {type(failure).__name__}>"
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    place = _innermost(error.__traceback__)
    return (f"{name}: {text}" if text else name) + (f" ({place})" if place else "")


def _innermost(traceback: TracebackType | None) -> str:
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback.tb_frame.f_code.co_filename == __file__:
        return ""  # a builtin, called from here
    return f"{os.path.basename(traceback.tb_frame.f_code.co_filename)}:{traceback.tb_lineno}"


def _die_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGKILL when the coordinator's thread ends; elsewhere the closed channel has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)
