"""Why a worker process ended. Owns the reading of exit statuses; touches no process."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from typing import Literal

from costmodel.core.workers.child import OUT_OF_MEMORY_EXIT

HEAD_BYTES, TAIL_BYTES = 2048, 4096
"""How much of the beginning and the end of a task's standard error is kept: a stack dump has its reason on top."""

_MEMORY_WORDS = (
    "bad_alloc",
    "memoryerror",
    "out of memory",
    "cannot allocate memory",
    "memory allocation",
    "allocation failed",
)
_NEAR_LIMIT = 0.8
_COMPLAINT = re.compile(r"error|assert|terminate called|abort", re.IGNORECASE)
_WORDS_LIMIT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a process ended."""

    exit_code: int
    """Negative: the signal's number."""
    by_itself: bool
    """False if it had to be killed."""
    peak_bytes: int
    """Its largest resident set; 0 where that is not known."""


def explain(
    end: End, tail: bytes | bytearray, memory_bytes: int | None, *, note: str = ""
) -> tuple[Literal["crash", "oom"], str]:
    """Status and cause of a process that went away during a task."""
    what = ": ".join(filter(None, (_describe(end, note), last_words(tail))))
    if _out_of_memory(end, tail, memory_bytes):
        limit = "" if memory_bytes is None else f" (limit {memory_bytes / 2**20:.0f} MiB beyond start-up)"
        return "oom", with_stderr(f"out of memory{limit}: {what}", tail)
    return "crash", with_stderr(what, tail)


def with_stderr(headline: str, tail: bytes | bytearray) -> str:
    """The headline, and below it what was kept of the task's standard error if it wrote any."""
    text = bytes(tail).decode(errors="replace").strip()
    return f"{headline}\n{text}" if text else headline


def last_words(tail: bytes | bytearray) -> str:
    """The line of standard error that most likely says why: the first complaint, else the last line; bounded."""
    text = bytes(tail).decode(errors="replace").partition("Fatal Python error:")[0]
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    complaints = [line for line in lines if _COMPLAINT.search(line)]
    return next(iter(complaints or lines[-1:]), "")[:_WORDS_LIMIT]


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
