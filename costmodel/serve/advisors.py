"""The three advisors of LLVM 22 that ask over a channel: what they send, and which answers they take.

Owns the check of every answer before it reaches a compiler, and the answer given when there is none: a masked index
makes `llc` crash. Sources: LLVM's `MLInlineAdvisor.cpp`, `MLRegAllocEvictAdvisor.cpp`, `MLRegAllocPriorityAdvisor.cpp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from costmodel.core.errors import ParseError, UnknownNameError, UsageError
from costmodel.serve.messages import Observation
from costmodel.serve.tensors import Header

Number = int | float
MAX_PRIORITY = float(np.nextafter(np.float32(2**32), np.float32(0)))
"""LLVM turns the answer into 32 unsigned bits."""


class BadAnswer(Exception):  # noqa: N818 - never leaves the session
    """A policy's answer that must not be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisor:
    """One of LLVM's advisors."""

    name: str
    features: tuple[str, ...]
    """Those that checking and falling back need."""
    advice: str
    dtype: str
    options: str
    """What the compiler is started with; `{base}` stands for the channel."""
    check: Callable[[Number, Observation], Number]
    """The answer as it may be given; raises `BadAnswer`."""
    fallback: Callable[[Observation], Number]
    """LLVM's own choice, or the nearest to it that the channel's features allow."""

    def accept(self, header: Header, what: str) -> None:
        """Raises `UsageError`: the header is another advisor's, or lacks a feature."""
        advice = header.advice
        if advice.name != self.advice:
            others = [other for other in ADVISORS.values() if other.advice == advice.name]
            whose = f"that is {others[0].name}'s: serve that one there" if others else "no advisor that we know"
            raise UsageError(f"{what}: the compiler asks for {advice.name!r} ({whose}), expected {self.advice!r}")
        if advice.dtype != self.dtype or advice.count != 1:
            raise UsageError(
                f"{what}: {advice.name!r} is {advice.count} × {np.dtype(advice.dtype)}, "
                f"expected one {np.dtype(self.dtype)} as in LLVM 22"
            )
        self.require(header, self.features, what, "this advisor")

    def require(self, header: Header, names: tuple[str, ...], what: str, who: str) -> None:
        """Raises `UsageError` with the features of `names` that the compiler does not send."""
        missing = header.missing(names)
        if missing:
            hint = (
                " (start the compiler with -inliner-interactive-include-default)"
                if "inlining_default" in missing
                else ""
            )
            raise UsageError(f"{what}: {who} needs {', '.join(missing)}, which the compiler does not send{hint}")

    def encode(self, answer: Number) -> bytes:
        """As the compiler reads it."""
        return np.array(answer, self.dtype).tobytes()


def _check_decision(answer: Number, observation: Observation) -> Number:
    if answer not in (0, 1):
        raise BadAnswer(f"{answer!r} is neither 0 (leave the call) nor 1 (inline it)")
    return int(answer)


def _own_decision(observation: Observation) -> Number:
    names = observation.dtype.names or ()
    if "inlining_default" in names:
        return int(observation["inlining_default"][0] != 0)
    return int(observation["cost_estimate"][0] < max(int(observation["threshold"][0]), 1))


def _check_index(answer: Number, observation: Observation) -> Number:
    mask = observation["mask"].ravel()
    if answer != int(answer) or not 0 <= answer < len(mask):
        raise BadAnswer(f"{answer!r} is no index into {len(mask)} registers")
    if not mask[int(answer)]:
        raise BadAnswer(f"index {answer!r} is masked")
    return int(answer)


def _own_index(observation: Observation) -> Number:
    """Evict nothing where that is allowed (the last place is the new range itself), else the first that may go."""
    allowed = np.flatnonzero(observation["mask"].ravel())
    if not len(allowed):
        raise ParseError("every index of the observation is masked, no answer is allowed; is this LLVM's own channel?")
    last = observation["mask"].size - 1
    return last if allowed[-1] == last else int(allowed[0])


def _check_priority(answer: Number, observation: Observation) -> Number:
    if not math.isfinite(answer) or not 0 <= answer <= MAX_PRIORITY:
        raise BadAnswer(f"priority {answer!r} is not within 0 … {MAX_PRIORITY:.0f}")
    return float(answer)


def _own_priority(observation: Observation) -> Number:
    return min(max(float(observation["li_size"][0]), 0.0), MAX_PRIORITY)


ADVISORS = {
    advisor.name: advisor
    for advisor in (
        Advisor(
            name="inliner", features=("cost_estimate", "threshold"), advice="inlining_decision", dtype="<i8",
            options="-enable-ml-inliner=release -inliner-interactive-channel-base={base} "
            "-inliner-interactive-include-default",
            check=_check_decision, fallback=_own_decision,
        ),
        Advisor(
            name="regalloc-evict", features=("mask",), advice="index_to_evict", dtype="<i8",
            options="-regalloc-enable-advisor=release -regalloc-evict-interactive-channel-base={base}",
            check=_check_index, fallback=_own_index,
        ),
        Advisor(
            name="regalloc-priority", features=("li_size",), advice="priority", dtype="<f4",
            options="-regalloc-enable-priority-advisor=release -regalloc-priority-interactive-channel-base={base}",
            check=_check_priority, fallback=_own_priority,
        ),
    )
}  # fmt: skip


def get_advisor(name: str) -> Advisor:
    """Raises `UnknownNameError` with the names there are."""
    if name not in ADVISORS:
        raise UnknownNameError(f"unknown advisor {name!r}; known: {', '.join(ADVISORS)}")
    return ADVISORS[name]
