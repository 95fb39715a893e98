"""From what the workers answered to a trial. Owns the choice of its status."""

from __future__ import annotations

from typing import cast

from costmodel.core.record import Status
from costmodel.core.workers import Outcome
from costmodel.search.measure.trial import Measured, Trial

_BUILD_STATUS: dict[str, Status] = {"timeout": "compile_timeout", "oom": "oom"}
_RUN_STATUS: dict[str, Status] = {"timeout": "run_timeout", "oom": "oom"}


def build_failed(text: str, built: Outcome) -> Trial:
    """The schedule was refused, or the compiler failed, died, or was killed."""
    words = {"crash": "the compiler died: ", "timeout": "compiling: ", "oom": "compiling: "}
    return Trial(
        schedule=text,
        status=_BUILD_STATUS.get(built.status, "compile_error"),
        cause=words.get(built.status, "") + built.cause,
        compile_s=built.wall_s,
        seconds={"compile.wall": built.wall_s},
    )


def run_failed(text: str, built: Outcome, outcome: Outcome) -> Trial:
    """The candidate's process died or was killed; `error` is a failure to measure, told as a crash with its cause."""
    return Trial(
        schedule=text,
        status=_RUN_STATUS.get(outcome.status, "crash"),
        cause=outcome.cause if outcome.status != "error" else f"measuring failed: {outcome.cause}",
        compile_s=built.wall_s,
        seconds={**_build_seconds(built), "measure.wall": outcome.wall_s},
    )


def finished(text: str, built: Outcome, outcome: Outcome) -> Trial:
    """The worker came back with a verdict."""
    measured: Measured = outcome.value
    seconds = {f"measure.{name}": value for name, value in measured.seconds.items()}
    return Trial(
        schedule=text,
        status=cast(Status, measured.status),
        cause=measured.cause,
        samples_s=measured.samples_s,
        compile_s=built.wall_s,
        max_abs_error=measured.max_abs_error,
        error_ratio=measured.error_ratio,
        seconds={**_build_seconds(built), **seconds, "measure.wall": outcome.wall_s},
    )


def _build_seconds(built: Outcome) -> dict[str, float]:
    steps = {f"compile.{name}": value for name, value in built.value.seconds.items()}
    return {**steps, "compile.wall": built.wall_s}
