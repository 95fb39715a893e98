"""Sampling a function's run time until the samples agree or the budget is gone.

Owns the stopping rule. Caches are warm: the function has run on the same buffers just before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from costmodel.search.measure.trial import MeasureSpec

Repeat = Callable[[int], None]
"""Runs a kernel that many times in a row."""

_LEAST_SAMPLES = 3
_WARM_UP_S = 2e-3


def once(call: Repeat, count: int = 1) -> float:
    """Seconds a run, averaged over `count` runs in a row."""
    start_ns = time.perf_counter_ns()
    call(count)
    return max(1, time.perf_counter_ns() - start_ns) * 1e-9 / count


def batch_size(call: Repeat, sample_s: float) -> tuple[int, float]:
    """Warm up; how many runs make a sample of at least `sample_s`, and about how many seconds one run takes."""
    begin_s = time.perf_counter()
    count = 1
    while True:
        run_s = once(call, count)
        if run_s * count >= sample_s or count >= 1 << 20:
            break
        count = min(1 << 20, max(2 * count, math.ceil(sample_s / run_s)))
    while time.perf_counter() - begin_s < _WARM_UP_S:
        run_s = min(run_s, once(call, count))
    return max(1, math.ceil(sample_s / run_s)), run_s


def sample(call: Repeat, spec: MeasureSpec) -> tuple[float, ...]:
    """Seconds a run, one number for each sample."""
    count, _ = batch_size(call, spec.sample_s)
    deadline_s = time.perf_counter() + spec.budget_s
    samples_s: list[float] = []
    while len(samples_s) < spec.max_samples:
        samples_s.append(once(call, count))
        if len(samples_s) < _LEAST_SAMPLES:
            continue
        if time.perf_counter() > deadline_s:
            break
        if len(samples_s) >= spec.min_samples and len(samples_s) % 5 == 0 and _settled(samples_s, spec):
            break
    return tuple(samples_s)


def _settled(samples_s: list[float], spec: MeasureSpec) -> bool:
    """Whether the samples agree, or are so many that their median no longer moves.

    The standard error of a normal sample's median is 1.25 standard deviations over sqrt(n), a deviation 0.74 of the
    interquartile range.
    """
    spread_now = spread(samples_s)
    return spread_now <= spec.spread or 1.96 * 1.25 * 0.74 * spread_now / math.sqrt(len(samples_s)) <= spec.median_error


def spread(samples_s: list[float]) -> float:
    """Interquartile range over median."""
    low, middle, high = np.percentile(samples_s, (25, 50, 75))
    return float((high - low) / middle)
