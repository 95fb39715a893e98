"""What torch needs for the same operation: convolution and softmax.

Owns which kernels have such a counterpart. Invariant: a kernel matches only if torch computes the very same numbers
from operands in the same layout; where in doubt there is no counterpart. Runs in one worker with one thread. Does not
do numpy's matmul, which the finals time in turns with the candidates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from costmodel.core.workers import WorkerPool
from costmodel.search.kernel.form import Access, Const, Kernel, Ref, Stage
from costmodel.search.kernel.reference import evaluate

ROUNDS = 30
BUDGET_S = 0.5
TIMEOUT_S = 60.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
Term = tuple[tuple[int, int], ...]
"""A sum of loop dimensions: (dimension, coefficient), by dimension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operation of torch. `shapes` are of the operands as they lie in memory; `axes` bring them to torch's order."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    axes: tuple[tuple[int, ...], ...]
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()


def vendor_call(kernel: Kernel) -> Call | None:
    """The counterpart, or None where torch does not offer exactly this kernel."""
    if any(b.dtype != "f32" for b in kernel.buffers):
        return None
    if kernel.family == "softmax":
        return _softmax(kernel)
    return _convolution(kernel, kernel.stages[0]) if len(kernel.stages) == 1 else None


def vendor_seconds(kernels: Mapping[str, Kernel], budget_s: float | None = None) -> dict[str, tuple[float, str]]:
    """Median seconds and the operation's name, by the key of each kernel that has a counterpart.

    Empty where torch is not installed. All run in one worker; after `budget_s` no further one begins.
    """
    calls = {key: call for key, kernel in kernels.items() if (call := vendor_call(kernel)) is not None}
    if not calls or find_spec("torch") is None:
        return {}
    found: dict[str, tuple[float, str]] = {}
    end_s = None if budget_s is None else time.monotonic() + budget_s
    with WorkerPool("vendor", 1, env=_ONE_THREAD) as pool:
        for key, call in calls.items():
            left_s = TIMEOUT_S if end_s is None else min(TIMEOUT_S, end_s - time.monotonic())
            if left_s <= 0:
                break
            outcome = pool.call(f"{__name__}:time_call", call, kernels[key], timeout_s=left_s)
            if outcome.ok and outcome.value is not None:
                found[key] = outcome.value, call.name
    return found


# -- matching ------------------------------------------------------------------------------------------------------


def _softmax(kernel: Kernel) -> Call | None:
    if len(kernel.inputs) != 1 or len(kernel.outputs) != 1:
        return None
    shape = kernel.by_name[kernel.inputs[0]].shape
    reductions = [s for s in kernel.stages if s.is_reduction]
    if kernel.by_name[kernel.outputs[0]].shape != shape or len(reductions) != 2:
        return None
    for stage in reductions:
        access = next((a for a in stage.reads if len(a.maps) == len(shape)), None)
        summed = {i for i, d in enumerate(stage.dims) if d.reduction}
        if access is None or [i for i, t in enumerate(_terms(access)) if {d for d, _ in t} & summed] != [
            len(shape) - 1
        ]:
            return None
    return Call(name="torch.softmax", shapes=(shape,), axes=(tuple(range(len(shape))),))


def _terms(access: Access) -> list[Term]:
    """The index of each axis; an offset counts as a dimension of its own, so that it never matches."""
    return [
        tuple((d, c) for d, c in enumerate(linear.coeffs) if c) + (((-1, linear.const),) if linear.const else ())
        for linear in access.maps
    ]


def _convolution(kernel: Kernel, stage: Stage) -> Call | None:
    """Two spatial dimensions, no padding, no groups, in any order of axes, with or without a batch."""
    if not _sum_of_products(stage):
        return None
    image, weight, out = (_terms(a) for a in (*stage.reads, stage.writes[0]))
    if not all(len(t) == 1 and t[0][1] == 1 for t in (*weight, *out)) or len(weight) != 4:
        return None
    spatial = [i for i, t in enumerate(image) if len(t) == 2]
    outputs, kernels = [t[0][0] for t in out], [t[0][0] for t in weight]
    windows = [_window(image[i], outputs, kernels) for i in spatial]
    single = {t[0][0]: i for i, t in enumerate(image) if len(t) == 1 and t[0][1] == 1}
    if len(spatial) != 2 or len(single) + 2 != len(image) or None in windows:
        return None
    (oh, sh, kh, dh), (ow, sw, kw, dw) = (w for w in windows if w is not None)
    channels = [d for d in single if d in kernels and d not in outputs]
    filters = [d for d in kernels if d in outputs and d not in single]
    batch = [d for d in single if d in outputs and d not in kernels]
    if len(channels) != 1 or len(filters) != 1 or len(batch) != len(single) - 1 or len(batch) > 1:
        return None
    if set(outputs) != {*batch, *filters, oh, ow} or set(kernels) != {*filters, *channels, kh, kw}:
        return None
    axes = (
        (*(single[d] for d in batch), single[channels[0]], *spatial),
        tuple(kernels.index(d) for d in (filters[0], channels[0], kh, kw)),
    )
    shapes = tuple(kernel.by_name[a.buffer].shape for a in stage.reads)
    return Call(name="torch.conv2d", shapes=shapes, axes=axes, stride=(sh, sw), dilation=(dh, dw))


def _sum_of_products(stage: Stage) -> bool:
    zero = isinstance(stage.init, Const) and stage.init.value == 0
    if [op.name for op in stage.body] != ["arith.mulf", "arith.addf"] or stage.prefill is not None or not zero:
        return False
    return stage.body[0].operands in ((Ref("read", 0), Ref("read", 1)), (Ref("read", 1), Ref("read", 0)))


def _window(term: Term, outputs: Sequence[int], kernels: Sequence[int]) -> tuple[int, int, int, int] | None:
    """(output dimension, stride, kernel dimension, dilation) of `stride * o + dilation * k`."""
    for (o, stride), (k, dilation) in (term, term[::-1]):
        if o in outputs and k in kernels and k not in outputs and min(stride, dilation) > 0:
            return o, stride, k, dilation
    return None


# -- in the worker -------------------------------------------------------------------------------------------------


def time_call(call: Call, kernel: Kernel) -> float | None:
    """Median seconds of a call; None where it does not compute what the kernel does."""
    arrays = operands(call)
    run = torch_call(call, arrays)
    if call.name == "torch.softmax" and not _same(run(), kernel, arrays):
        return None
    run()
    samples: list[float] = []
    end = time.perf_counter() + BUDGET_S
    while len(samples) < 3 or (len(samples) < ROUNDS and time.perf_counter() < end):
        start = time.perf_counter()
        run()
        samples.append(time.perf_counter() - start)
    return float(np.median(samples))


def _same(result: Any, kernel: Kernel, arrays: Sequence[Any]) -> bool:
    """A softmax is a family of many bodies (scaled, masked, of logarithms): only the numbers tell."""
    expected = evaluate(kernel, dict(zip(kernel.inputs, arrays, strict=True)))[kernel.outputs[0]]
    return bool(np.allclose(result.numpy(), expected, rtol=1e-4, atol=1e-6))


def operands(call: Call) -> list[Any]:
    """Standard normal arrays, as they lie in memory."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s, dtype=np.float32) for s in call.shapes]


def torch_call(call: Call, arrays: Sequence[Any]) -> Callable[[], Any]:
    """The operation on those arrays, which are not copied."""
    import torch

    torch.set_num_threads(1)
    tensors = [torch.from_numpy(a).permute(axes) for a, axes in zip(arrays, call.axes, strict=True)]
    if call.name == "torch.softmax":
        return lambda: torch.softmax(tensors[0], -1)
    image = tensors[0] if tensors[0].dim() == 4 else tensors[0][None]
    return lambda: torch.nn.functional.conv2d(image, tensors[1], stride=call.stride, dilation=call.dilation)
