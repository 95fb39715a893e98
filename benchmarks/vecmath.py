"""Accuracy over float32 inputs and speed against numpy of `costmodel.toolchain.vecmath`; writes JSON.

Accuracy: every `--stride`-th of the 2^32 bit patterns of float32 (1: all of them, minutes a function), in chunks,
against float64. powf, of two operands, takes random pairs whose power is representable.
Speed: nanoseconds an element over arrays that fit the second-level cache, one thread, ours and numpy interleaved,
medians; each run is preceded by some of its own that are not counted, so that none pays for the caches and clocks that
the one before it left behind.

Run: `python benchmarks/vecmath.py --out vecmath.json [--stride 61] [--repeats 300] [--functions math.exp ...]`
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from costmodel.toolchain.lower import LoadedObject, compile_object
from costmodel.toolchain.vecmath import FUNCTIONS
from costmodel.toolchain.vecmath.accuracy import REFERENCES, exact, ulp_error
from costmodel.toolchain.vecmath.elementwise import ENTRY, elementwise_module

Float32 = NDArray[np.float32]
Kernel = Callable[..., None]

CHUNK = 1 << 15
SEED = 7
WARM_UPS = 5
_erf = np.vectorize(math.erf, otypes=[np.float32])

_BASELINES: dict[str, tuple[str, Callable[[Float32, Float32], object]]] = {
    "math.exp": ("numpy.exp", lambda x, out: np.exp(x, out=out)),
    "math.log": ("numpy.log", lambda x, out: np.log(x, out=out)),
    "math.sin": ("numpy.sin", lambda x, out: np.sin(x, out=out)),
    "math.tanh": ("numpy.tanh", lambda x, out: np.tanh(x, out=out)),
    "math.erf": ("numpy.vectorize(math.erf); numpy has no erf", lambda x, out: _erf(x)),
    "math.rsqrt": (
        "numpy.divide(1, numpy.sqrt)",
        lambda x, out: np.divide(np.float32(1), np.sqrt(x, out=out), out=out),
    ),
    "sigmoid": (
        "1 / (1 + numpy.exp(-x))",
        lambda x, out: np.divide(np.float32(1), np.float32(1) + np.exp(-x, out=out), out=out),
    ),
}


def compile_kernel(name: str, lanes: int) -> Kernel:
    """The function over `CHUNK` elements; arguments are float32 arrays of that length, the result last."""
    loaded = LoadedObject(compile_object(elementwise_module(name, lanes=lanes, count=CHUNK)).data, (ENTRY,))
    arity = FUNCTIONS[name].arity
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1))(loaded.address(ENTRY))

    def call(*arrays: Float32, keep: LoadedObject = loaded) -> None:
        function(*(a.ctypes.data for a in arrays))

    return call


def aligned(count: int) -> Float32:
    """Uninitialised float32 array on a 64-byte boundary."""
    raw = np.empty(4 * count + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + 4 * count].view(np.float32)


def bit_patterns(stride: int) -> Iterator[Float32]:
    """Chunks of every `stride`-th float32 by bit pattern; the last chunk is filled up with 1."""
    for start in range(0, 1 << 32, stride * CHUNK):
        codes = start + stride * np.arange(CHUNK, dtype=np.uint64)
        codes[codes >= 1 << 32] = 0x3F800000
        yield codes.astype(np.uint32).view(np.float32)


def random_powers(chunks: int) -> Iterator[tuple[Float32, Float32]]:
    """Pairs (x, y), x over all positive float32 or near 1, x^y from underflow to overflow."""
    rng = np.random.default_rng(SEED)
    for index in range(chunks):
        wide = np.exp(rng.uniform(-103.0, 88.7, CHUNK))
        x = (wide if index % 2 else rng.uniform(0.5, 2.0, CHUNK)).astype(np.float32)
        with np.errstate(divide="ignore"):
            yield x, (rng.uniform(-110.0, 95.0, CHUNK) / np.log(x.astype(np.float64))).astype(np.float32)


def accuracy(name: str, lanes: int, stride: int) -> dict[str, object]:
    """Largest and mean error in ULP inside the domain, with the argument of the largest."""
    kernel, out = compile_kernel(name, lanes), aligned(CHUNK)
    low, high = FUNCTIONS[name].domain
    largest, at, total, count = -1.0, [0.0], 0.0, 0
    chunks: Iterator[tuple[Float32, ...]] = ((x,) for x in bit_patterns(stride))
    if FUNCTIONS[name].arity == 2:
        chunks = iter(random_powers(max(1, (1 << 32) // (stride * CHUNK))))
    for arguments in chunks:
        kernel(*arguments, out)
        error = ulp_error(out, exact(name, *arguments))
        inside = ((arguments[0] >= low) & (arguments[0] <= high)) | ~np.isfinite(arguments[0])
        error = error[inside]
        if error.size == 0:
            continue
        worst = int(np.argmax(error))
        if error[worst] > largest:
            largest, at = float(error[worst]), [float(a[inside][worst]) for a in arguments]
        total, count = total + float(error.sum()), count + error.size
    bound = FUNCTIONS[name].max_ulp
    if not largest <= bound:
        print(f"FAILED {name}: {largest} ULP at {at}, stated {bound}")
    return {"max_ulp": largest, "at": at, "mean_ulp": total / count, "inputs": count, "stated_ulp": bound}


def speed(name: str, lanes: int, repeats: int) -> dict[str, object]:
    """Median nanoseconds an element of ours (vector and scalar) and of the baseline, interleaved."""
    rng = np.random.default_rng(SEED)
    x, out = aligned(CHUNK), aligned(CHUNK)
    x[:] = (
        np.abs(rng.standard_normal(CHUNK)) + 0.01 if name in ("math.rsqrt", "math.log") else rng.standard_normal(CHUNK)
    )
    label, baseline = _BASELINES[name]
    vector, scalar = compile_kernel(name, lanes), compile_kernel(name, 0)
    contenders: dict[str, Callable[[], object]] = {
        "vector": lambda: vector(x, out),
        "scalar": lambda: scalar(x, out),
        "baseline": lambda: baseline(x, out),
    }
    samples: dict[str, list[float]] = {key: [] for key in contenders}
    for _ in range(repeats):
        for key, run in contenders.items():
            for _ in range(WARM_UPS):
                run()
            start = time.perf_counter_ns()
            run()
            samples[key].append((time.perf_counter_ns() - start) / CHUNK)
    medians = {f"{key}_ns_per_element": float(np.median(values)) for key, values in samples.items()}
    ratio = medians["baseline_ns_per_element"] / medians["vector_ns_per_element"]
    return {**medians, "baseline": label, "speedup": ratio, "elements": CHUNK, "repeats": repeats}


def environment() -> dict[str, str]:
    """Hardware, commit and versions that the figures belong to."""
    root = Path(__file__).resolve().parent.parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    models = [row for row in Path("/proc/cpuinfo").read_text().splitlines() if row.startswith("model name")]

    return {
        "cpu": models[0].split(":", 1)[1].strip() if models else platform.processor(),
        "llvm_cpu": str(llvm.get_host_cpu_name()),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "llvmlite": llvmlite.__version__,
    }


def main() -> None:
    """Measure and write one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stride", type=int, default=61)
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--lanes", type=int, default=16)
    parser.add_argument("--functions", nargs="*", choices=sorted(REFERENCES), default=sorted(REFERENCES))
    options = parser.parse_args()
    speeds = {n: speed(n, options.lanes, options.repeats) for n in options.functions if n in _BASELINES}
    errors = {}
    for name in options.functions:
        if name != "math.copysign":
            errors[name] = accuracy(name, options.lanes, options.stride)
            print(name, json.dumps(errors[name]), flush=True)
    for name, row in speeds.items():
        print(name, json.dumps(row))
    result = {"environment": environment(), "seed": SEED, "stride": options.stride, "lanes": options.lanes}
    options.out.write_text(json.dumps({**result, "accuracy": errors, "speed": speeds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
