"""Calling this package's worker functions so that their errors keep their class.

Owns the step between an `Outcome`, which is text, and the exceptions of `costmodel.core.errors`. Invariant: whatever
the foreign code does, the caller gets the function's value or a `CostModelError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from costmodel.core.errors import CostModelError, ToolchainError
from costmodel.core.workers import run_isolated

TIMEOUT_S = 300.0


def call_isolated(task: str, *args: object, timeout_s: float = TIMEOUT_S, memory_bytes: int | None = None) -> Any:
    """Run `"module:function"` in a worker process and return its value.

    Raises:
        CostModelError: what the function raised.
        ToolchainError: the worker crashed, ran out of time or memory, or the function raised something else.
    """
    outcome = run_isolated(
        "costmodel.toolchain.isolation:guarded", task, *args, timeout_s=timeout_s, memory_bytes=memory_bytes
    )
    if not outcome.ok:
        name = task.partition(":")[2]
        raise ToolchainError(f"{name} failed in its worker: {outcome.status}: {outcome.headline}")
    if isinstance(outcome.value, CostModelError):
        raise outcome.value
    return outcome.value


def guarded(task: str, *args: object) -> Any:
    """Runs in the worker: the function's value, or the `CostModelError` it raised, as a value."""
    module, _, name = task.partition(":")
    try:
        return getattr(import_module(module), name)(*args)
    except CostModelError as error:
        return error
