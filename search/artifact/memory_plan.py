"""Where in one arena each buffer lives.

Owns the planning of offsets. Invariant: two requests whose lifetimes meet never share a byte; offsets are aligned.
Method: greedy by size, each request into the smallest gap that holds it (Pisarchyk and Lee, Efficient Memory Management
for Deep Neural Net Inference, 2020).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from costmodel.search.artifact.form import ALIGNMENT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Memory needed from step `first` to step `last`, both included."""

    name: str
    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """Offsets in bytes by name, and the size that holds them all."""

    offsets: dict[str, int]
    size_bytes: int


def aligned(size_bytes: int) -> int:
    """The next multiple of the alignment."""
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def plan_arena(requests: Iterable[Request]) -> Arena:
    """Place every request; equal requests give equal plans."""
    placed: list[tuple[int, int, Request]] = []
    for request in sorted(requests, key=lambda r: (-r.size_bytes, r.first, r.name)):
        size = aligned(max(1, request.size_bytes))
        busy = sorted((o, e) for o, e, r in placed if r.first <= request.last and request.first <= r.last)
        offset = _best_gap(busy, size)
        placed.append((offset, offset + size, request))
    return Arena(offsets={r.name: o for o, _, r in placed}, size_bytes=max((e for _, e, _ in placed), default=0))


def _best_gap(busy: list[tuple[int, int]], size: int) -> int:
    best: tuple[int, int] | None = None
    end = 0
    for start, stop in busy:
        gap = start - end
        if gap >= size and (best is None or gap < best[0]):
            best = (gap, end)
        end = max(end, stop)
    return end if best is None else best[1]
