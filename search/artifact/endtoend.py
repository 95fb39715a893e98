"""A tuned function against onnxruntime and against default lowering: numbers and latency, in one run.

Owns the comparison. Invariant: what is compared is timed in turns in one process of its own with one thread each, and
the judge of the numbers shares no generated code with what it judges.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from costmodel.core.errors import MissingDependencyError, UsageError
from costmodel.runtime.artifact import ArtifactFunction, load
from costmodel.search.artifact.form import Array

RELATIVE_TOLERANCE = 1e-3
"""Of the largest magnitude in an output: room for other orders of summation in deep models."""
ABSOLUTE_TOLERANCE = 1e-5
"""onnxruntime approximates sigmoid, tanh and others by absolute accuracy: two of its own optimisation levels differ by
0.25 % of the largest output where a detector finds nothing and all outputs are below 1e-4."""

_DRAWS = 3
_SLICE_S = 0.02
_MAX_CALLS = 16
_INTEGER_BOUNDS = (256, 16, 2)
_TIMEOUT_S = 300.0
Outputs = tuple[Array, ...]
Runner = Callable[[Sequence[Array]], Outputs]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndToEnd:
    """Median latencies, and the largest errors over all outputs and draws of inputs.

    `max_rel_error` is relative to the largest magnitude of the output it is in.
    """

    default_s: float | None
    tuned_s: float
    onnxruntime_s: float | None
    max_abs_error: float
    max_rel_error: float
    equal: bool
    """Whether each output is within the tolerances' sum, NaN and infinity agree, and integers are the same."""
    reference: str
    """Who the judge was: `onnxruntime` or `default lowering`."""
    rounds: int


def compare_end_to_end(
    tuned: Path,
    *,
    default: Path | None = None,
    onnx: Path | None = None,
    function: str | None = None,
    seed: int = 0,
    budget_s: float = 10.0,
) -> EndToEnd:
    """Compare one function of the artifact in `tuned`, in a worker process.

    Args:
        tuned: an artifact's folder.
        default: the artifact of the same functions by default lowering.
        onnx: the model that the function came from; then onnxruntime judges, else `default` does.
        function: its name; None where there is only one.
        seed: of the inputs.
        budget_s: for the timing.

    Raises:
        UsageError: neither `default` nor `onnx`, or the function does not exist.
        MissingDependencyError: `onnx` without onnxruntime.
        ToolchainError: the worker crashed.
    """
    from costmodel.toolchain.isolation import call_isolated

    if default is None and onnx is None:
        raise UsageError("an end-to-end comparison needs the default artifact or the ONNX model to compare with")
    result = call_isolated(
        "costmodel.search.artifact.endtoend:compare_here",
        str(tuned), str(default) if default else None, str(onnx) if onnx else None, function, seed, budget_s,
        timeout_s=_TIMEOUT_S + budget_s,
    )  # fmt: skip
    assert isinstance(result, EndToEnd)
    return result


def compare_here(
    tuned: str, default: str | None, onnx: str | None, function: str | None, seed: int, budget_s: float
) -> EndToEnd:
    """`compare_end_to_end` in this process."""
    mine = _function(tuned, function)
    run: dict[str, Runner] = {}
    if onnx is not None:
        run["onnxruntime"] = _onnx_runner(onnx, mine)
    if default is not None:
        run["default"] = _artifact_runner(_function(default, function))
    judge = next(iter(run))
    draws = _draws(mine, run[judge] if judge == "onnxruntime" else None, seed)
    run["tuned"] = _artifact_runner(mine)
    errors = [error for draw in draws for error in _errors(run["tuned"](draw), run[judge](draw))]
    seconds, rounds = time_interleaved({k: partial(f, draws[0]) for k, f in run.items()}, budget_s)
    worst = max(errors, key=lambda e: e.relative)
    return EndToEnd(
        default_s=seconds.get("default"),
        tuned_s=seconds["tuned"],
        onnxruntime_s=seconds.get("onnxruntime"),
        max_abs_error=max(e.absolute for e in errors),
        max_rel_error=worst.relative,
        equal=all(e.agree for e in errors),
        reference="default lowering" if judge == "default" else judge,
        rounds=rounds,
    )


def time_interleaved(calls: Mapping[str, Callable[[], object]], budget_s: float) -> tuple[dict[str, float], int]:
    """Median seconds of each call: rounds run each in turn, once untimed, and begin with another each time."""
    estimates = {name: _timed(call) for name, call in calls.items()}
    names = list(calls)
    samples: dict[str, list[float]] = {name: [] for name in names}
    rounds, start = 0, time.perf_counter()
    while rounds < 3 or time.perf_counter() - start < budget_s:
        for i in range(len(names)):
            name = names[(i + rounds) % len(names)]
            calls[name]()
            count = max(1, min(_MAX_CALLS, int(_SLICE_S / max(estimates[name], 1e-9))))
            samples[name] += [_timed(calls[name]) for _ in range(count)]
        rounds += 1
    return {name: float(np.median(values)) for name, values in samples.items()}, rounds


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _function(path: str, name: str | None) -> ArtifactFunction:
    artifact = load(path)
    if name is not None:
        return artifact[name]
    if len(artifact.functions) != 1:
        raise UsageError(f"{path} has several functions: name one of {', '.join(artifact.functions)}")
    return next(iter(artifact.functions.values()))


def _artifact_runner(function: ArtifactFunction) -> Runner:
    def run(inputs: Sequence[Array]) -> Outputs:
        result = function(*inputs)
        return result if isinstance(result, tuple) else (result,)

    return run


def _onnx_runner(path: str, function: ArtifactFunction) -> Runner:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError("comparing needs onnxruntime; pip install 'costmodel-ir[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [t.name for t in function.description.inputs]
    outputs = [t.name for t in function.description.outputs]

    def run(inputs: Sequence[Array]) -> Outputs:
        return tuple(np.asarray(a) for a in session.run(outputs, dict(zip(names, inputs, strict=True))))

    return run


def _draws(function: ArtifactFunction, checker: Runner | None, seed: int) -> list[list[Array]]:
    """Inputs that `checker` accepts: integers may be indices, so their range shrinks until it does.

    Generated code checks no index, so without a checker only the smallest range is safe.
    """
    described = [(t.shape, t.dtype) for t in function.description.inputs]
    for bound in _INTEGER_BOUNDS:
        rng = np.random.default_rng(seed)
        draws = [[_random(rng, shape, dtype, bound) for shape, dtype in described] for _ in range(_DRAWS)]
        if checker is not None and _accepts(checker, draws):
            break
    return draws


def _accepts(checker: Runner, draws: list[list[Array]]) -> bool:
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

    try:
        for draw in draws:
            checker(draw)
    except (Fail, InvalidArgument, RuntimeException):
        return False
    return True


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, bound: int) -> Array:
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype == "bfloat16":
        return (rng.standard_normal(shape).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.standard_normal(shape).astype(kind)
    return rng.integers(0, min(bound, np.iinfo(kind).max), shape).astype(kind)


@dataclass(frozen=True, slots=True)
class _Error:
    absolute: float
    relative: float
    agree: bool


def _errors(results: Outputs, expected: Outputs) -> list[_Error]:
    return [_error(r, e) for r, e in zip(results, expected, strict=True)]


def _error(result: Array, expected: Array) -> _Error:
    a, b = np.asarray(result), np.asarray(expected)
    if a.shape != b.shape:
        raise UsageError(f"an output has shape {a.shape}, the reference says {b.shape}")
    if a.dtype.kind != "f":
        same = bool((a == b).all())
        difference = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))
        return _Error(difference, difference / max(1.0, float(np.abs(b.astype(np.float64)).max(initial=0.0))), same)
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    odd_agree = bool(np.array_equal(a[~finite], b[~finite], equal_nan=True))
    absolute = float(np.abs(a[finite] - b[finite]).max(initial=0.0)) if odd_agree else float("inf")
    scale = float(np.abs(b[finite]).max(initial=0.0))
    relative = absolute / scale if scale else (0.0 if absolute == 0.0 else float("inf"))
    return _Error(absolute, relative, odd_agree and absolute <= ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * scale)


__all__ = ["EndToEnd", "compare_end_to_end", "compare_here", "time_interleaved"]
