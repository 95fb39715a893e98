"""What every policy is.

Lifetime: made once for a server, used by one thread for one compiler after another; `begin` before the questions of
each context, `decide` for each question. A policy need not check its answer: `costmodel.serve.advisors` does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from costmodel.serve.messages import Observation


class Policy(ABC):
    """Answers one advisor's questions."""

    name: ClassVar[str]
    needs: tuple[str, ...] = ()
    """Features that the compiler must send."""

    def begin(self, context: str) -> None:  # noqa: B027 - most policies do not care
        """The compiler turned to the function `context`."""

    @abstractmethod
    def decide(self, observation: Observation) -> float:
        """The answer: inline (1) or not (0), the index to evict, or the priority."""
