"""Answering one compiler from its first question to its last, or several one after another.

Owns the loop and the summary. Invariant: a compiler that waits for an answer gets one, whatever happens here: LLVM
spins for ever on a channel that closes before its answer. So a policy that fails, a header that does not fit and Ctrl-C
all end in LLVM's own choice for the rest of that compilation.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from costmodel.core.errors import CostModelError, ParseError, UsageError
from costmodel.serve.advisors import ADVISORS, Advisor, BadAnswer
from costmodel.serve.connection import Connection, Interrupted, Silent
from costmodel.serve.fifos import Fifos
from costmodel.serve.interrupts import Interrupt
from costmodel.serve.messages import Context, MessageReader, Observation, Outcome, Question, Truncated
from costmodel.serve.policies import Policy
from costmodel.serve.tensors import Header

DRAIN_IDLE_S = 1.0
DRAIN_S = 30.0
"""After an interruption a compiler is answered on for so long at most, and left when it is silent for the other."""


@dataclass(slots=True, kw_only=True)
class Summary:
    """What one compiler asked and got. `complete` is false where it went away in the middle of a message."""

    queries: int = 0
    answers: int = 0
    fallbacks: int = 0
    contexts: int = 0
    outcomes: int = 0
    complete: bool = True
    seconds: float = 0.0
    messages: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """As JSON takes it."""
        return {
            "queries": self.queries,
            "answers": self.answers,
            "fallbacks": self.fallbacks,
            "contexts": self.contexts,
            "outcomes": self.outcomes,
            "complete": self.complete,
            "seconds": round(self.seconds, 6),
            "messages": self.messages,
        }


def _say(message: str) -> None:
    print(f"costmodel: {message}", file=sys.stderr, flush=True)


class Session:
    """One compiler. Used by one thread, once."""

    def __init__(self, connection: Connection, advisor: Advisor, policy: Policy, name: str) -> None:
        """`name` is the channel's, for messages."""
        self.summary = Summary()
        self._connection, self._advisor, self._policy, self._name = connection, advisor, policy, name
        self._reader = MessageReader(connection, name)
        self._deadline_s = math.inf

    def run(self, opened: Callable[[], None]) -> None:
        """Answer until the compiler closes the channel; `opened` is called when its header has come or never will.

        Raises:
            Interrupted: the end was requested; the compiler has been answered to its end, or is silent.
            ParseError: what came is no such channel's.
            UsageError: another advisor's channel, a feature is missing, or the compiler fell silent.
        """
        begin_s = time.monotonic()
        try:
            header = self._header(opened)
            if header is None:
                self._incomplete("the channel was closed before a header came")
                return
            self._begin(header)
            self._loop(self._ask)
        except Truncated:
            where = f"question {self.summary.queries + 1}" if self.summary.queries else "the first question"
            self._incomplete(f"the channel was closed in the middle of a message, near {where}: the compiler has ended")
        except Silent:
            raise UsageError(
                f"{self._name}: the compiler sent nothing for {self._connection.idle_s:g} s after "
                f"{self.summary.queries} questions; end it, or give a longer --idle-s"
            ) from None
        except Interrupted:
            self._deadline_s = time.monotonic() + DRAIN_S
            self._drain(DRAIN_IDLE_S, "interrupted: the rest of this compilation gets LLVM's own choice")
            raise
        finally:
            self.summary.seconds = time.monotonic() - begin_s

    def refuse(self, opened: Callable[[], None]) -> None:
        """Give a compiler that came too many LLVM's own choice; raises as `run` does."""
        with contextlib.suppress(Truncated, Silent):
            header = self._header(opened)
            if header is not None:
                self._advisor.accept(header, self._name)
                self._drain(
                    self._connection.idle_s,
                    f"another compiler asks at {self._name}, which is taken: it gets LLVM's own choice; "
                    "give each a channel and a server of its own, or --compilers 0",
                )

    def _header(self, opened: Callable[[], None]) -> Header | None:
        try:
            return self._reader.header()
        finally:
            opened()

    def _begin(self, header: Header) -> None:
        """Refuse what the policy cannot answer, but only after the compiler has had other answers."""
        try:
            self._advisor.accept(header, self._name)
            self._advisor.require(header, self._policy.needs, self._name, f"policy {self._policy.name!r}")
        except UsageError:
            theirs = next((a for a in ADVISORS.values() if a.advice == header.advice.name), None)
            if theirs is not None and not header.missing(theirs.features) and header.advice.dtype == theirs.dtype:
                self._advisor = theirs
                self._drain(self._connection.idle_s, "refused: this compilation gets LLVM's own choice")
            raise

    def _loop(self, answer: Callable[[Observation], float]) -> None:
        while (message := self._reader.next()) is not None:
            if isinstance(message, Question):
                self.summary.queries += 1
                if not self._connection.write(self._advisor.encode(answer(message.observation))):
                    self._incomplete("the compiler ended before it read an answer")
                    return
                self.summary.answers += 1
                if time.monotonic() > self._deadline_s:
                    raise Silent
            elif isinstance(message, Context):
                self.summary.contexts += 1
                self._policy.begin(message.name)
            elif isinstance(message, Outcome):
                self.summary.outcomes += 1

    def _ask(self, observation: Observation) -> float:
        try:
            return self._advisor.check(self._policy.decide(observation), observation)
        except (BadAnswer, CostModelError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            return self._fall_back(observation, error)

    def _fall_back(self, observation: Observation, error: Exception) -> float:
        answer = self._advisor.fallback(observation)
        self.summary.fallbacks += 1
        if self.summary.fallbacks == 1:
            cause = f"{type(error).__name__}: {error}"
            text = f"policy {self._policy.name!r} failed ({cause}): LLVM's own choice is given instead"
            self.summary.messages.append(text)
            _say(text)
        return answer

    def _drain(self, idle_s: float, why: str) -> None:
        """Give the compiler its own choice until it ends or is silent, so that it is not left waiting for ever."""
        _say(why)
        self.summary.messages.append(why)
        self._connection.draining, self._connection.idle_s = True, idle_s
        before = self.summary.queries
        try:
            self._loop(self._advisor.fallback)
        except (Silent, Truncated, ParseError):
            self.summary.complete = False
        self.summary.fallbacks += self.summary.queries - before

    def _incomplete(self, message: str) -> None:
        self.summary.complete = False
        self.summary.messages.append(message)
        _say(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """How a channel is served; seconds are wall-clock."""

    base: Path
    compilers: int = 1
    """Served one after another; 0 stands for any number."""
    wait_s: float = 300.0
    idle_s: float = 300.0


@dataclass(slots=True, kw_only=True)
class Served:
    """What came of a channel: those that were answered, and those that came while it was taken."""

    summaries: list[Summary] = field(default_factory=list)
    refused: list[Summary] = field(default_factory=list)


def serve_channel(
    advisor: Advisor, policy: Policy, options: ChannelOptions, interrupt: Interrupt, served: Served
) -> None:
    """Serve compilers one after another, writing into `served` what came of each, also where this raises.

    A compiler that comes while another is served waits; after the last one that was asked for, those that still wait
    are given LLVM's own choice, for without an answer they would wait for ever.

    Raises:
        Interrupted: the end was requested.
        UsageError: no compiler came in time; see also `Fifos` and `Session.run`.
        ParseError: see `Session.run`.
    """
    with Fifos(options.base) as fifos:
        _say(f"{advisor.name} at {options.base}: start the compiler with {advisor.options.format(base=options.base)}")
        try:
            while len(served.summaries) < options.compilers or not options.compilers:
                connection = Connection.open(fifos, interrupt, wait_s=options.wait_s, idle_s=options.idle_s)
                if connection is None:
                    raise UsageError(
                        f"no compiler opened the channel {str(options.base)!r} within {options.wait_s:g} s; "
                        "start one, or give a longer --wait-s"
                    )
                with connection:
                    session = Session(connection, advisor, policy, str(options.base))
                    served.summaries.append(session.summary)
                    session.run(opened=fifos.renew)
        finally:
            while (connection := Connection.open(fifos, interrupt, wait_s=0, idle_s=options.idle_s)) is not None:
                with connection:
                    session = Session(connection, advisor, policy, str(options.base))
                    served.refused.append(session.summary)
                    session.refuse(opened=fifos.renew)
