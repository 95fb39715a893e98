"""What a vendor's library needs for the same operation: numpy's matmul, torch's convolution and softmax.

Owns which kernels have such a counterpart. Runs in a worker with one thread and without variables that slow OpenBLAS.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from costmodel.core.workers import WorkerPool
from costmodel.search.kernel.form import Kernel, Stage
from costmodel.search.kernel.naming import factors, windowed_dims

ROUNDS = 30
BUDGET_S = 0.5
_SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
Call = tuple[str, tuple[tuple[int, ...], ...], dict[str, int]]


def vendor_call(kernel: Kernel) -> Call | None:
    """Operation, operand shapes and options, or None where no library offers exactly this kernel."""
    if len(kernel.stages) == 1 and factors(kernel.stages[0]) is not None and len(kernel.stages[0].body) == 2:
        stage = kernel.stages[0]
        if any(kernel.by_name[a.buffer].alias_of for a in (*stage.reads, *stage.writes)) or len(kernel.inputs) != 2:
            return None
        return _matmul(kernel, stage) or _convolution(kernel, stage)
    if kernel.family == "softmax" and len(kernel.inputs) == len(kernel.outputs) == 1:
        shape = kernel.by_name[kernel.inputs[0]].shape
        last = [s for s in kernel.stages if s.is_reduction][0].dims[-1]
        rows_only = kernel.by_name[kernel.outputs[0]].shape == shape and last.reduction and last.extent == shape[-1]
        return ("torch.softmax", (shape,), {}) if rows_only else None
    return None


def _dims_of(stage: Stage, access: int) -> tuple[int, ...] | None:
    found = []
    for linear in stage.reads[access].maps if access >= 0 else stage.writes[0].maps:
        used = [d for d, c in enumerate(linear.coeffs) if c]
        if len(used) != 1 or linear.coeffs[used[0]] != 1 or linear.const:
            return None
        found.append(used[0])
    return tuple(found)


def _matmul(kernel: Kernel, stage: Stage) -> Call | None:
    a, b, c = (_dims_of(stage, i) for i in (0, 1, -1))
    if a is None or b is None or c is None or not len(a) == len(b) == len(c) >= 2 or windowed_dims(stage):
        return None
    lead = c[:-2]
    m, n, k = c[-2], c[-1], a[-1]
    if a != (*lead, m, k) or b != (*lead, k, n):
        return None
    return "numpy.matmul", tuple(kernel.by_name[r.buffer].shape for r in stage.reads[:2]), {}


def _convolution(kernel: Kernel, stage: Stage) -> Call | None:
    image, weight, out = (kernel.by_name[a.buffer].shape for a in (*stage.reads[:2], stage.writes[0]))
    if len(image) not in (3, 4) or len(weight) != 4 or len(out) != len(image) or len(windowed_dims(stage)) != 4:
        return None
    strides = {max(linear.coeffs) for linear in stage.reads[0].maps if sum(map(bool, linear.coeffs)) == 2}
    side = image[-2:], weight[-2:], out[-2:]
    if len(strides) != 1 or image[-3] != weight[1] or out[-3] != weight[0]:
        return None
    stride = strides.pop()
    if any((i - w) // stride + 1 != o for i, w, o in zip(*side, strict=True)):
        return None
    return "torch.conv2d", (image, weight), {"stride": stride}


def vendor_seconds(kernel: Kernel) -> tuple[float | None, str | None]:
    """Median seconds and the operation's name; (None, None) where there is no counterpart or its library is absent."""
    call = vendor_call(kernel)
    if call is None:
        return None, None
    env = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with WorkerPool("vendor", 1, env=env) as pool:
        outcome = pool.call("costmodel.search.tuner.vendor:time_call", call, timeout_s=60.0)
    return (outcome.value, call[0]) if outcome.ok and outcome.value is not None else (None, None)


def time_call(call: Call) -> float | None:
    """Worker side: median seconds of a call, or None where its library is not installed."""
    for name in _SLOWING:
        os.environ.pop(name, None)
    name, shapes, options = call
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s, dtype=np.float32) for s in shapes]
    run = _numpy_call(arrays) if name.startswith("numpy") else _torch_call(name, arrays, options)
    if run is None:
        return None
    run()
    samples, end = [], time.perf_counter() + BUDGET_S
    while len(samples) < 3 or (len(samples) < ROUNDS and time.perf_counter() < end):
        start = time.perf_counter()
        run()
        samples.append(time.perf_counter() - start)
    return float(np.median(samples))


def _numpy_call(arrays: list[Any]) -> Callable[[], object]:
    out = np.matmul(*arrays)
    return lambda: np.matmul(*arrays, out=out)


def _torch_call(name: str, arrays: list[Any], options: dict[str, int]) -> Callable[[], object] | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    tensors = [torch.from_numpy(a) for a in arrays]
    if name == "torch.softmax":
        return lambda: torch.softmax(tensors[0], -1)
    return lambda: torch.nn.functional.conv2d(*tensors, **options)
