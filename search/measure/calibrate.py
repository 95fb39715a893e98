"""Whether building beside a measurement disturbs it on this machine.

Owns the probe: loops whose times depend on the core's arithmetic and on its share of the caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from costmodel.search.kernel.form import Access, Buffer, Const, Dim, Kernel, Linear, Ref, ScalarOp, Stage
from costmodel.search.measure.peaks import probes
from costmodel.search.measure.timing import once

LIMIT = 1.02
"""Ratio of medians above which measuring is left alone."""
ROUNDS = 5
PROBE_S = 0.06


def probe(seconds: float) -> dict[str, float]:
    """Median seconds of each probe loop, sampled in turn for that long. Runs in the measuring worker."""
    loops = probes()
    samples: dict[str, list[float]] = {name: [] for name in loops}
    deadline_s = time.perf_counter() + seconds
    while time.perf_counter() < deadline_s:
        for name, loop in loops.items():
            samples[name].append(once(loop))
    return {name: float(np.median(taken)) for name, taken in samples.items()}


def disturbance(
    quiet: Callable[[], dict[str, float]], busy: Callable[[], dict[str, float]], rounds: int = ROUNDS
) -> float:
    """Median slow-down of the most disturbed probe, quiet and busy rounds in turn; infinite where a probe failed."""
    quiet()
    pairs = [(quiet(), busy()) for _ in range(rounds)]
    if not all(q and b for q, b in pairs):
        return float("inf")
    return max(float(np.median([b[name] / q[name] for q, b in pairs])) for name in pairs[0][0])


def sample_kernel(extent: int = 64) -> Kernel:
    """A matrix product to keep a compiler busy with."""

    def access(buffer: str, *dims: int) -> Access:
        return Access(buffer, tuple(Linear(tuple(int(i == d) for i in range(3))) for d in dims))

    shape = (extent, extent)
    body = (
        ScalarOp("arith.mulf", (Ref("read", 0), Ref("read", 1)), "f32", "f32"),
        ScalarOp("arith.addf", (Ref("acc", 0), Ref("op", 0)), "f32", "f32"),
    )
    stage = Stage(
        name="matmul",
        dims=tuple(Dim(name=n, extent=extent, reduction=n == "k") for n in "mnk"),
        reads=(access("in0", 0, 2), access("in1", 2, 1)),
        writes=(access("out0", 0, 1),),
        body=body,
        yields=(Ref("op", 1),),
        init=Const(0.0, "f32"),
    )
    buffers = tuple(Buffer(name=n, shape=shape, dtype="f32") for n in ("in0", "in1", "out0"))
    return Kernel(
        name="probe", buffers=buffers, inputs=("in0", "in1"), outputs=("out0",), stages=(stage,), family="matmul"
    )
