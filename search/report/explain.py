"""What set a winner apart: which of its steps the faster trials share.

Owns the wording. Invariant: a step is named only if trials with it were faster than trials without it by more than
chance (rank sum) and by more than `LEAST_EFFECT`. Trials are not a designed experiment: steps that come together are
named together, what an earlier step explains is allowed for, and none of this proves a cause.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costmodel.core.errors import ParseError
from costmodel.search.report.data import usable
from costmodel.search.report.stats import rank_sum_z
from costmodel.search.schedule.text import Schedule, Step, parse_schedule

LEAST_TRIALS = 8
LEAST_GROUP = 3
LEAST_EFFECT = 1.05
LEAST_Z = 1.645
"""One-sided 5 %."""
Knobs = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Trials that share some of the winner's choices against those that do not."""

    choices: tuple[str, ...]
    faster: float
    """Median without ÷ median with."""
    z: float
    """Standard deviations of the rank sum."""
    shared: int
    others: int
    is_further: bool
    """Whether larger effects were allowed for."""

    def __str__(self) -> str:
        counts = f"median of {self.shared} against {self.others} without"
        allowed = ", the above allowed for" if self.is_further else ""
        return f"{' with '.join(self.choices)}: trials with it {self.faster:.2f}× faster ({counts}{allowed})"


def winner_notes(
    winner_schedule_text: str, trials: Sequence[tuple[str, float | None]], *, max_notes: int = 3
) -> list[str]:
    """Sentences, the largest effect first.

    Args:
        winner_schedule_text: The schedule that won.
        trials: Schedule text and median runtime in seconds of each trial of the workload; None for one that failed.
        max_notes: How many effects to name at most.
    """
    try:
        winner = knobs(parse_schedule(winner_schedule_text))
    except ParseError as error:
        return [f"the winner's schedule cannot be read: {error}"]
    measured = _measured(trials)
    if len(measured) < LEAST_TRIALS:
        return [f"too few trials to tell ({len(measured)} measured, {LEAST_TRIALS} needed)"]
    found = effects(winner, measured)
    if not found:
        return [f"no single step sets it apart from the other {len(measured) - 1} measured trials"]
    return [str(effect) for effect in found[:max_notes]]


def effects(winner: Knobs, measured: Sequence[tuple[Knobs, float]]) -> list[Effect]:
    """The winner's choices that matter, the largest effect first.

    Each is looked for in what those before it leave unexplained (forward stagewise): trials without an earlier choice
    are sped up by its effect. Else a choice that happened to be drawn together with a good one would look good too.
    """
    splits = _splits(winner, [k for k, _ in measured])
    runtimes_s = [s for _, s in measured]
    found: list[Effect] = []
    while splits:
        trying = [_effect(split, choices, runtimes_s, bool(found)) for split, choices in splits.items()]
        good = [e for e in trying if e.faster >= LEAST_EFFECT and e.z >= LEAST_Z]
        if not good:
            break
        best = min(good, key=lambda e: (-e.faster, e.choices))
        found.append(best)
        split = next(split for split, choices in splits.items() if tuple(choices) == best.choices)
        del splits[split]
        runtimes_s = [s if has else s / best.faster for s, has in zip(runtimes_s, split, strict=True)]
    return found


def _splits(winner: Knobs, trials: Sequence[Knobs]) -> dict[tuple[bool, ...], list[str]]:
    """Which trials share a choice of the winner → the choices shared by just these; too small groups are left out."""
    splits: dict[tuple[bool, ...], list[str]] = {}
    for name in dict.fromkeys(name for knob in (winner, *trials) for name in knob):
        split = tuple(k.get(name) == winner.get(name) for k in trials)
        if LEAST_GROUP <= sum(split) <= len(split) - LEAST_GROUP:
            splits.setdefault(split, []).append(winner.get(name) or f"no {name}")
    return splits


def knobs(schedule: Schedule) -> dict[str, str]:
    """A schedule as knob → what it says there; a knob that the schedule does not set is absent."""
    found: dict[str, str] = {}
    for step in schedule.steps:
        found |= _step_knobs(step)
    return found


def _step_knobs(step: Step) -> dict[str, str]:
    if step.name == "tile":
        level = step.get("level")
        return {f"{level} tile of {dim}": f"{level} tile {dim}={size}" for dim, size in step.sizes().items()}
    if step.name in ("unroll", "fuse"):
        return {f"{step.name}({key})": f"{step.name}({key}={value})" for key, value in step.kwargs}
    if step.name == "pack":
        return {f"pack({operand})": f"pack({operand})" for operand in step.args}
    if step.name == "vectorize":
        lanes = {"vectorize": f"vectorize({step.args[0]})"}
        dim = step.get("dim")
        return lanes if dim is None else lanes | {"vectorize(dim)": f"vectorize(dim={dim})"}
    return {step.name: str(step)}


def _measured(trials: Sequence[tuple[str, float | None]]) -> list[tuple[Knobs, float]]:
    found: list[tuple[Knobs, float]] = []
    for text, runtime_s in trials:
        good_s = usable(runtime_s)
        if good_s is None:
            continue
        try:
            found.append((knobs(parse_schedule(text)), good_s))
        except ParseError:  # a record of another version of the syntax says nothing about steps
            continue
    return found


def _effect(split: tuple[bool, ...], choices: list[str], runtimes_s: list[float], is_further: bool) -> Effect:
    with_s = [s for s, shares in zip(runtimes_s, split, strict=True) if shares]
    without_s = [s for s, shares in zip(runtimes_s, split, strict=True) if not shares]
    return Effect(
        choices=tuple(choices),
        faster=statistics.median(without_s) / statistics.median(with_s),
        z=rank_sum_z(with_s, without_s),
        shared=len(with_s),
        others=len(without_s),
        is_further=is_further,
    )
