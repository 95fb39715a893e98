"""Whether what a candidate wrote is what it had to write.

Owns the verdict and its words. Compares values only; whether it wrote elsewhere is the runner's question.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.search.kernel.reference import Array
from costmodel.search.measure.cases import Case, Expected
from costmodel.search.measure.memory import GuardedBuffer


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`status` is ok, wrong or nan. Errors are over all outputs; None where not finite."""

    status: str
    cause: str = ""
    max_abs_error: float | None = 0.0
    error_ratio: float | None = 0.0


def check_outputs(case: Case, buffers: dict[str, GuardedBuffer]) -> Verdict:
    """Compare every output of `case` with what lies in `buffers`; the first output that is not right decides."""
    worst, ratio = 0.0, 0.0
    for name, expected in case.outputs.items():
        verdict = _check(f"{name} on {case.name} inputs", expected, buffers[name])
        if verdict.status != "ok":
            return verdict
        worst = max(worst, verdict.max_abs_error or 0.0)
        ratio = max(ratio, verdict.error_ratio or 0.0)
    return Verdict(status="ok", max_abs_error=worst, error_ratio=ratio)


def _check(where: str, expected: Expected, buffer: GuardedBuffer) -> Verdict:
    found = buffer.data.reshape(expected.value.shape)
    compared = _compared(expected)
    with np.errstate(all="ignore"):
        error = (
            np.abs(found.astype("f8") - expected.value) if found.dtype.kind == "f" else _distance(found, expected.value)
        )
        slack = 0.0 if expected.tolerance is None else expected.tolerance
        good = error <= slack
        ratio = np.where(error > 0, error / np.maximum(slack, 1e-300), 0.0)
    bad = compared & ~good
    if not bad.any():
        lanes = np.where(compared, error, 0.0), np.where(compared, ratio, 0.0)
        worst, most = (float(lane.max()) if lane.size else 0.0 for lane in lanes)
        return Verdict(status="ok", max_abs_error=worst, error_ratio=most)
    return _refused(where, expected, found, bad, buffer.unwritten().reshape(bad.shape))


def _compared(expected: Expected) -> Array:
    if expected.tolerance is None:
        return np.ones(expected.value.shape, bool)
    compared: Array = np.isfinite(expected.tolerance) & np.isfinite(expected.value)
    return compared


def _distance(found: Array, value: Array) -> Array:
    return np.asarray(np.abs(found.astype("f8") - value.astype("f8")) + (found != value))


def _refused(where: str, expected: Expected, found: Array, bad: Array, unwritten: Array) -> Verdict:
    count = f"{int(bad.sum())} of {bad.size} elements"
    if bool((bad & unwritten).any()):
        return _verdict("wrong", f"{where}{_index(bad & unwritten)} was never written ({count} differ)")
    if found.dtype.kind == "f" and bool((bad & np.isnan(found)).any()):
        return _verdict("nan", f"{where}{_index(bad & np.isnan(found))} is NaN ({count} differ)")
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    slack = 0.0 if expected.tolerance is None else float(expected.tolerance[at])
    cause = f"{where}{_index(bad)} is {found[at]!s}, expected {expected.value[at]!s} ± {slack:.2g} ({count} differ)"
    with np.errstate(all="ignore"):
        worst = float(np.max(np.abs(found.astype("f8") - expected.value.astype("f8"))[bad]))
    return _verdict("wrong", cause, worst if np.isfinite(worst) else None)


def _verdict(status: str, cause: str, error: float | None = None) -> Verdict:
    return Verdict(status=status, cause=cause, max_abs_error=error, error_ratio=None)


def _index(mask: Array) -> str:
    return str([int(i) for i in np.argwhere(mask)[0]])
