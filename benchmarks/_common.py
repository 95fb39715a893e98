"""What the benchmark scripts share: the environment that figures belong to, paired timing, statistics, result files.

Owns the way things are compared. Invariant: whatever is compared is timed in turns in one process, and every ratio is a
median over rounds of the baseline's seconds over ours from the same round.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.core.target import Target
from costmodel.search.measure.jit import compile_llvm
from costmodel.search.report.document import write_whole
from costmodel.toolchain.lower import LoadedObject

SCHEMA_VERSION = 1
ROOT = Path(__file__).resolve().parent.parent
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
REUSE_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""glibc keeps what is freed: a library that allocates its result anew for each call pays no page faults for it."""
ALIGNMENT_BYTES = 64
NOISY = 0.1
"""Interquartile range over median from which a machine counts as disturbed."""
ATTEMPTS = 3

Json = dict[str, Any]
Call = Callable[[], object]
Array = np.ndarray[Any, Any]


def clean_environment() -> dict[str, str]:
    """This process's environment for a timing process: one thread, nothing that slows OpenBLAS, freed memory kept."""
    kept = {key: value for key, value in os.environ.items() if key not in SLOWING}
    return {**kept, **dict.fromkeys(ONE_THREAD, "1"), **REUSE_MEMORY}


def pin() -> int:
    """Keep this process on one processor, the last it may use; its number."""
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    return cpu


def hardware() -> Json:
    """The machine."""
    target = Target.parse("native")
    return {
        "cpu": target.device,
        "llvm_cpu": target.cpu,
        "cores": len(os.sched_getaffinity(0)),
        "vector_bits": target.vector_bits,
        "l1d_bytes": target.l1d_bytes,
        "l2_bytes": target.l2_bytes,
        "l3_bytes": target.l3_bytes,
        "features": list(target.features),
        "load_average_1_minute": os.getloadavg()[0],
    }


def versions(*names: str) -> dict[str, str | None]:
    """Installed versions by distribution; None for one that is absent."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def commit() -> Json:
    """The checkout's commit and whether tracked files differ from it; None outside a checkout."""

    def git(*args: str) -> str | None:
        done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    return {"commit": git("rev-parse", "HEAD"), "modified": bool(git("status", "--porcelain", "--untracked-files=no"))}


def header(benchmark: str, seeds: Sequence[int], *packages: str) -> Json:
    """The fields every result file begins with."""
    head = {"schema_version": SCHEMA_VERSION, "benchmark": benchmark, **commit(), "hardware": hardware()}
    return {**head, "versions": versions("numpy", *packages), "threads": 1, "seeds": list(seeds)}


def blas_kernel() -> Json:
    """Which BLAS numpy runs here and the kernel it chose for this CPU; `architecture` is None where nobody can say."""
    try:
        threadpoolctl = import_module("threadpoolctl")
    except ImportError:
        return {"library": None, "architecture": None, "remedy": "pip install threadpoolctl"}
    np.matmul(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))
    found = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"]
    found.sort(key=lambda i: "numpy" not in i["filepath"])  # scipy brings another one
    keys = {"internal_api": "library", "version": "version", "architecture": "architecture", "num_threads": "threads"}
    return {name: found[0].get(key) for key, name in keys.items()} if found else {"library": None, "architecture": None}


def write(path: Path, document: Json) -> None:
    """Replace the result file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def aligned(shape: Sequence[int], dtype: str = "float32") -> Array:
    """An uninitialised array on a 64-byte boundary, so that neither side is handed the worse memory."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT_BYTES, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT_BYTES
    view: Array = raw[start : start + size].view(dtype).reshape(tuple(shape))
    return view


def pointers(arrays: Sequence[Array]) -> list[ctypes.c_void_p]:
    """Addresses, converted once; the arrays must outlive them."""
    return [ctypes.c_void_p(a.ctypes.data) for a in arrays]


def empty_call(arity: int) -> tuple[Call, LoadedObject]:
    """A compiled function of so many pointers that does nothing, called as tuned kernels are; keep the object."""
    loaded = LoadedObject(
        compile_llvm(f"define void @empty({', '.join(['ptr'] * arity)}) {{\n  ret void\n}}\n"), ("empty",)
    )
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arity)(loaded.address("empty"))
    return partial(function, *[ctypes.c_void_p(0)] * arity), loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Samples of several calls, one of each in every round, in seconds a call."""

    samples_s: Mapping[str, Sequence[float]]
    calls_per_sample: Mapping[str, int]

    def median_s(self, name: str) -> float:
        """Median over the rounds."""
        return statistics.median(self.samples_s[name])

    @property
    def noise(self) -> float:
        """Interquartile range over median of the worst call."""
        found = [spread(samples) for samples in self.samples_s.values()]
        return max(float((s["quartile_3"] - s["quartile_1"]) / s["median"]) for s in found)

    def ratio(self, above: str, below: str) -> Json:
        """Seconds of `above` over seconds of `below`, round by round: median and quartiles."""
        return spread([a / b for a, b in zip(self.samples_s[above], self.samples_s[below], strict=True)])


def spread(values: Sequence[float]) -> Json:
    """Median, quartiles and how many values."""
    low, middle, high = np.percentile(np.asarray(values, float), (25, 50, 75))
    return {"median": float(middle), "quartile_1": float(low), "quartile_3": float(high), "count": len(values)}


def timed(call: Call, count: int = 1) -> float:
    """Seconds a call, over `count` in a row."""
    rounds = range(count)
    start_ns = time.perf_counter_ns()
    for _ in rounds:
        call()
    return (time.perf_counter_ns() - start_ns) * 1e-9 / count


def time_paired(calls: Mapping[str, Call], *, budget_s: float, sample_s: float = 2e-3, least: int = 5) -> Paired:
    """Time calls in turns: a sample of each a round, behind an untimed call, beginning with another each time."""
    names = list(calls)
    counts = {}
    for name, call in calls.items():
        call()
        counts[name] = max(1, int(sample_s / max(min(timed(call) for _ in range(3)), 1e-9)))
    samples: dict[str, list[float]] = {name: [] for name in names}
    begin_s, rounds = time.perf_counter(), 0
    while rounds < least or time.perf_counter() - begin_s < budget_s:
        for i in range(len(names)):
            name = names[(i + rounds) % len(names)]
            calls[name]()
            samples[name].append(timed(calls[name], counts[name]))
        rounds += 1
    return Paired(samples_s=samples, calls_per_sample=counts)


def time_quietly(calls: Mapping[str, Call], *, budget_s: float) -> tuple[Paired, int]:
    """`time_paired` up to `ATTEMPTS` times, until the noise is small; the least noisy attempt, and how many there were.

    Attempts are chosen by their spread, never by who won.
    """
    attempts: list[Paired] = []
    while len(attempts) < ATTEMPTS and (not attempts or attempts[-1].noise > NOISY):
        attempts.append(time_paired(calls, budget_s=budget_s))
    return min(attempts, key=lambda paired: paired.noise), len(attempts)


def overhead_s(call: Call) -> float:
    """Seconds that a call which computes next to nothing takes, the median of 50 samples."""
    call()
    return statistics.median(timed(call, 200) for _ in range(50))


def seed_list(text: str) -> list[int]:
    """`0,1,2`."""
    return [int(part) for part in text.split(",")]
