"""Collecting pools: uniform legal schedules, built once, measured in two passes, the best few ten times more.

Owns the protocol of measuring and the workloads. No model takes part. Goes on after the last whole workload.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ranker import kernel_of

from costmodel.core.errors import UsageError
from costmodel.core.target import Target
from costmodel.datasets.linalg import FAMILIES
from costmodel.search.backends import BACKENDS
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.printing import workload_id
from costmodel.search.measure.trial import MeasureSpec
from costmodel.search.space import SearchSpace, build_space
from costmodel.search.space.heuristic import heuristic_schedule
from model_value.building import BlockMeasurer
from model_value.pool import Pool, PoolFile, read_pools, refuse_overlap, write_pools

WORKLOADS: tuple[tuple[str, dict[str, int]], ...] = (
    ("matmul", {"m": 256, "n": 384, "k": 192}),
    ("matmul", {"m": 197, "n": 253, "k": 301}),
    ("matmul_bias_relu", {"m": 128, "n": 512, "k": 256}),
    ("batch_matmul", {"b": 6, "m": 128, "n": 128, "k": 64}),
    ("conv2d_nchw", {"o": 28, "c": 32, "f": 64, "w": 3, "stride": 1}),
    ("conv2d_nchw", {"o": 14, "c": 48, "f": 96, "w": 3, "stride": 2}),
    ("conv2d_nhwc", {"o": 28, "c": 64, "f": 32, "w": 3, "stride": 1}),
    ("depthwise_nchw", {"o": 56, "c": 96, "w": 3, "stride": 1}),
    ("conv1d", {"o": 512, "c": 32, "f": 64, "w": 5, "stride": 1}),
    ("matvec", {"m": 1024, "k": 768}),
    ("pooling_max", {"o": 56, "c": 64, "w": 3, "stride": 2}),
    ("softmax", {"m": 512, "n": 384}),
    ("layer_norm", {"m": 384, "n": 768}),
)
SPEC = MeasureSpec(budget_s=0.02, min_samples=5, max_samples=40, sample_s=5e-4)
BLOCK = 128
GROUP = 32
ROUNDS_B, ROUNDS_TOP = 7, 3
TOP, TOP_PASSES = 20, 10
_TRIES = 40


def name_of(generator: str, sizes: Mapping[str, int]) -> str:
    """Short name of a workload."""
    return f"{generator} " + " ".join(f"{k}={v}" for k, v in sizes.items())


def selected(names: Sequence[str] | None) -> list[tuple[str, dict[str, int]]]:
    """Workloads of the given generators or full names, all without names."""
    chosen = [w for w in WORKLOADS if names is None or w[0] in names or name_of(*w) in names]
    if not chosen:
        raise UsageError(f"no workload named {names}; known: {', '.join(name_of(*w) for w in WORKLOADS)}")
    return chosen


def uniform_schedules(space: SearchSpace, count: int, rng: np.random.Generator, without: str) -> list[str]:
    """Up to `count` distinct schedules, each drawn knob by knob; fewer where the space holds fewer."""
    found: dict[str, None] = {}
    for _ in range(_TRIES * count):
        if len(found) == count:
            break
        text = str(space.schedule(space.sample(rng)))
        if text != without:
            found[text] = None
    return list(found)


def collect(
    out: Path, *, names: Sequence[str] | None, size: int, seed: int, training_ids: frozenset[str], meta: dict[str, Any]
) -> None:
    """Measure every workload that `out` does not hold yet, writing `out` after each."""
    target = Target.parse("native")
    chosen = [(w, kernel_of(FAMILIES[w[0]].text(w[1]))) for w in selected(names)]
    refuse_overlap([workload_id(k) for _, k in chosen], training_ids)
    pools = list(_resumable(out, meta))
    done = {p.workload_id for p in pools}
    with BlockMeasurer(BACKENDS.get("mlir")(), target, seed=seed, spec=SPEC, overlap=False) as measurer:
        for (generator, sizes), kernel in chosen:
            if workload_id(kernel) in done:
                continue
            start_s = time.monotonic()
            number = [name_of(*w) for w in WORKLOADS].index(name_of(generator, sizes))
            pool = measured_pool(measurer, kernel, generator, sizes, size, np.random.default_rng([seed, number]))
            pools.append(pool)
            write_pools(out, PoolFile(meta=meta, pools=tuple(pools)))
            ok = sum(s == "ok" for s in pool.status)
            wall_s = time.monotonic() - start_s
            _say(f"{pool.name}: {ok} of {len(pool.status)} ok, noise {pool.noise():.3f}, {wall_s:.0f} s")


def _resumable(out: Path, meta: Mapping[str, Any]) -> tuple[Pool, ...]:
    if not out.exists():
        return ()
    file = read_pools(out)
    differing = [k for k in ("target", "device", "toolchain", "seed", "pool") if file.meta.get(k) != meta.get(k)]
    if differing:
        raise UsageError(f"{out} was collected with another {', '.join(differing)}; give another --out")
    return file.pools


def measured_pool(
    measurer: BlockMeasurer, kernel: Kernel, generator: str, sizes: dict[str, int], size: int, rng: np.random.Generator
) -> Pool:
    """Both passes in blocks (all of a block first, then all of it again in another order), then the best few."""
    space = build_space(kernel, measurer.target)
    heuristic = str(heuristic_schedule(space))
    schedules = uniform_schedules(space, size, rng, heuristic)
    texts = [heuristic, *schedules]
    status: dict[str, str] = {}
    a_s: dict[str, float] = {}
    b_s: dict[str, float] = {}
    spent_s = 0.0
    for begin in range(0, len(texts), BLOCK):
        block = texts[begin : begin + BLOCK]
        for trial in measurer.measure(kernel, block):
            spent_s += max(trial.seconds.get("compile.wall", 0.0), trial.seconds.get("measure.wall", 0.0))
            status[trial.schedule] = trial.status
            if trial.ok and trial.runtime_s is not None:
                a_s[trial.schedule] = trial.runtime_s
        b_s |= _second(measurer, kernel, [t for t in block if t in a_s], rng)
        best_s = min(a_s.values(), default=0.0)
        _say(f"  {name_of(generator, sizes)}: {begin + len(block)} of {len(texts)}, best {best_s:.3g} s")
    best = sorted((t for t in schedules if t in a_s), key=lambda t: (min(a_s[t], b_s.get(t, a_s[t])), t))[:TOP]
    top = _again(measurer, kernel, [*best, *([heuristic] if heuristic in a_s else [])], rng)
    return Pool(
        name=name_of(generator, sizes), generator=generator, sizes=sizes, workload_id=workload_id(kernel),
        family=kernel.family, heuristic=heuristic, heuristic_a_s=_short(a_s.get(heuristic)),
        heuristic_b_s=_short(b_s.get(heuristic)), schedules=schedules, status=[status[t] for t in schedules],
        a_s=[_short(a_s.get(t)) for t in schedules], b_s=[_short(b_s.get(t)) for t in schedules],
        top={t: [float(f"{x:.5g}") for x in s] for t, s in top.items()}, cost_s=spent_s / len(texts),
    )  # fmt: skip


def _second(measurer: BlockMeasurer, kernel: Kernel, texts: list[str], rng: np.random.Generator) -> dict[str, float]:
    """The second measurement of what was built for the first, in groups taken in turn, in another order."""
    order = [texts[int(i)] for i in rng.permutation(len(texts))]
    found: dict[str, float] = {}
    for begin in range(0, len(order), GROUP):
        for text, samples in measurer.compare(kernel, order[begin : begin + GROUP], rounds=ROUNDS_B).items():
            if samples:
                found[text] = median(samples)
    for text in texts:
        if text not in found and (trial := measurer.measure(kernel, [text])[0]).ok:
            found[text] = float(trial.runtime_s or 0.0)
    return found


def _again(
    measurer: BlockMeasurer, kernel: Kernel, texts: list[str], rng: np.random.Generator
) -> dict[str, list[float]]:
    """Ten measurements each, every pass in another order with freshly loaded code and buffers."""
    taken: dict[str, list[float]] = {t: [] for t in texts}
    for _ in range(TOP_PASSES):
        order = [texts[int(i)] for i in rng.permutation(len(texts))]
        for text, samples in measurer.compare(kernel, order, rounds=ROUNDS_TOP).items():
            if samples:
                taken[text].append(median(samples))
    return {t: s for t, s in taken.items() if s}


def _short(seconds: float | None) -> float | None:
    return None if seconds is None else float(f"{seconds:.5g}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
