"""Why a worker process ended. Owns the reading of exit statuses; touches no process."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Literal

from costmodel.core.workers.child import OUT_OF_MEMORY_EXIT

TAIL_BYTES = 4096
"""How much of the end of a task's standard error is kept."""

_MEMORY_WORDS = (
    "bad_alloc",
    "memoryerror",
    "out of memory",
    "cannot allocate memory",
    "memory allocation",
    "allocation failed",
)
_NEAR_LIMIT = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a process ended."""

    exit_code: int
    """Negative: the signal's number."""
    by_itself: bool
    """False if it had to be killed."""
    peak_bytes: int
    """Its largest resident set."""


def explain(
    end: End, tail: bytes | bytearray, memory_bytes: int | None, *, note: str = ""
) -> tuple[Literal["crash", "oom"], str]:
    """Status and cause of a process that went away during a task."""
    what = _describe(end, note)
    if _out_of_memory(end, tail, memory_bytes):
        limit = "" if memory_bytes is None else f" (limit {memory_bytes / 2**20:.0f} MiB beyond start-up)"
        return "oom", with_stderr(f"out of memory{limit}: {what}", tail)
    return "crash", with_stderr(what, tail)


def with_stderr(headline: str, tail: bytes | bytearray) -> str:
    """The headline, and below it the end of the task's standard error if it wrote any."""
    text = bytes(tail).decode(errors="replace").strip()
    return f"{headline}\n{text}" if text else headline


def _describe(end: End, note: str) -> str:
    if not end.by_itself:
        return f"the worker stopped answering properly and was killed{f': {note}' if note else ''}"
    if end.exit_code >= 0:
        return f"the process exited with status {end.exit_code}"
    try:
        name = signal.Signals(-end.exit_code).name
    except ValueError:
        name = f"signal {-end.exit_code}"
    return f"killed by {name}"


def _out_of_memory(end: End, tail: bytes | bytearray, memory_bytes: int | None) -> bool:
    if end.exit_code == OUT_OF_MEMORY_EXIT:
        return True
    if end.exit_code == -signal.SIGKILL:  # not ours: most likely the kernel's, when the machine itself was full
        return end.peak_bytes > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    if end.exit_code == 0:
        return False
    words = bytes(tail).decode(errors="replace").lower()
    if any(word in words for word in _MEMORY_WORDS):
        return True
    return memory_bytes is not None and end.exit_code < 0 and end.peak_bytes > _NEAR_LIMIT * memory_bytes
