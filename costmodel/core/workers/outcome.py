"""What came of a task in a worker. Invariant: failure is a value; a task never raises into the coordinator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

OutcomeStatus = Literal["ok", "error", "timeout", "crash", "oom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one task.

    `ok`: the function returned `value`. `error`: it raised. `timeout`: it was killed at its limit. `crash`: its process
    ended by a signal or an exit. `oom`: it ran out of the memory it was given.
    """

    status: OutcomeStatus
    value: Any = None
    cause: str = ""
    """Empty when ok; else one line that says what happened, then both ends of what the task wrote to standard error."""
    wall_s: float = 0.0
    """From handing the task to a ready worker until its end, on the coordinator's clock; start-up is not in it."""

    @property
    def ok(self) -> bool:
        """Whether `value` is the function's result."""
        return self.status == "ok"

    @property
    def headline(self) -> str:
        """The first line of `cause`."""
        return self.cause.partition("\n")[0]
