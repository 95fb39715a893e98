"""`measured`: how long a kernel runs on this machine, and what share of the machine's measured peaks that is.

Owns the way from a row to the search's measurer and back. Kernels are linalg with a schedule text, or by default
lowering; they are built, checked against a reference and timed in workers that may be killed, so that what is wrong,
crashes or runs on has a cause and no time. Times are of warm caches and one thread: the median of all samples.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from costmodel.core.errors import MissingDependencyError, ToolchainError
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.core.workers import WorkerPool
from costmodel.datasets.labellers import Answer, Value
from costmodel.search.backends import BACKENDS

if TYPE_CHECKING:
    from costmodel.search.backends.protocol import Backend
    from costmodel.search.kernel.form import Kernel
    from costmodel.search.measure.peaks import Peaks
    from costmodel.search.measure.trial import MeasureSpec, Trial

METRICS = ("latency_s", "flop_utilisation", "bandwidth_utilisation")
DEFAULT_PIPELINE = "linalg-default-v1"
KERNEL_LEVELS = ("linalg", "tensor")
READ_TIMEOUT_S = 60.0
READ_MEMORY_BYTES = 4 << 30

_KERNEL = "costmodel.datasets.labelling_kernels:kernel_of"
_NOT_A_KERNEL = (
    "unsupported: measuring needs a kernel of linalg on tensors with a schedule, or by the default lowering; "
    "this row is {row.format} at level {row.level}"
)


class MeasuredLabeller:
    """Latency through the `mlir` backend. `label` takes rows, not compiled functions: see `MeasuringLabeller`."""

    needs = "this very machine as the target: --target native"
    default = False
    measures = True
    gives: ClassVar[Mapping[str, tuple[str, ...]]] = {"x86-64": METRICS, "aarch64": METRICS, "riscv64": METRICS}

    def __init__(
        self, backend: Backend | None = None, *, spec: MeasureSpec | None = None, timeout_s: float = 10.0
    ) -> None:
        """Made without arguments by the registry.

        Args:
            backend: builds the kernels; by default the search's `mlir`.
            spec: how carefully to measure.
            timeout_s: limit for building, and for checking and running, one kernel.
        """
        self._backend: Backend = backend or BACKENDS.get("mlir")()
        self._spec = spec
        self._timeout_s = timeout_s

    def version(self, target: Target) -> str | None:
        """Versions of what makes the code, where `target` is this machine."""
        if not target.is_native:
            return None
        try:
            return f"{self._backend.name} backend {self._backend.toolchain()}"
        except MissingDependencyError:
            return None

    def measure(self, rows: Sequence[FunctionRow], pipelines: Sequence[str], target: Target) -> list[Answer]:
        """See `MeasuringLabeller.measure`."""
        chosen = [_is_kernel(row, pipeline) for row, pipeline in zip(rows, pipelines, strict=True)]
        read = _read([row for row, is_kernel in zip(rows, chosen, strict=True) if is_kernel])
        kernels = [
            read[row.ir, row.entry] if is_kernel else _NOT_A_KERNEL.format(row=row)
            for row, is_kernel in zip(rows, chosen, strict=True)
        ]
        trials = self._trials(rows, kernels, target)
        peaks = _peaks() if any(trial.ok for trial in trials.values()) else ""
        return [
            dict.fromkeys(METRICS, Value(cause=kernel))
            if isinstance(kernel, str)
            else _answer(trials[index], kernel, peaks, target)
            for index, kernel in enumerate(kernels)
        ]

    def _trials(self, rows: Sequence[FunctionRow], kernels: Sequence[Kernel | str], target: Target) -> dict[int, Trial]:
        """Index of the row to its trial, where there is a kernel."""
        from costmodel.search.measure.measurer import Measurer

        found = {index: kernel for index, kernel in enumerate(kernels) if not isinstance(kernel, str)}
        if not found:
            return {}
        limit_s = self._timeout_s
        with Measurer(
            self._backend, target, compile_timeout_s=limit_s, run_timeout_s=limit_s, spec=self._spec, overlap=False
        ) as measurer:
            for index, kernel in found.items():
                measurer.submit(kernel, rows[index].schedule)
            return dict(zip(found, measurer.results(), strict=True))


def _is_kernel(row: FunctionRow, pipeline: str) -> bool:
    lowered_so = row.schedule is not None or pipeline == DEFAULT_PIPELINE
    return row.format == "mlir" and row.level in KERNEL_LEVELS and lowered_so


def _read(rows: Sequence[FunctionRow]) -> dict[tuple[str, str], Kernel | str]:
    """Kernel, or cause, by text and entry; each read once, in a worker."""
    keys = list(dict.fromkeys((row.ir, row.entry) for row in rows))
    if not keys:
        return {}
    found: dict[tuple[str, str], Kernel | str] = {}
    with WorkerPool("kernels", 1, preload=(_KERNEL.partition(":")[0],), memory_bytes=READ_MEMORY_BYTES) as pool:
        for key in keys:
            outcome = pool.call(_KERNEL, *key, timeout_s=READ_TIMEOUT_S)
            status = "unsupported" if outcome.status == "error" else outcome.status
            found[key] = outcome.value if outcome.ok else f"{status}: {outcome.headline}"[:400]
    return found


def _peaks() -> Peaks | str:
    """This machine's, or the cause why they are not known."""
    from costmodel.search.measure.peaks import measured_peaks

    try:
        return measured_peaks()
    except ToolchainError as error:
        return f"crash: {error}"


def _answer(trial: Trial, kernel: Kernel, peaks: Peaks | str, target: Target) -> Answer:
    if not trial.ok or trial.runtime_s is None:
        words = " ".join(f"{trial.status}: {trial.cause.partition(chr(10))[0]}".split())
        return dict.fromkeys(METRICS, Value(cause=words[:400]))
    latency = Value(value=trial.runtime_s, samples=trial.samples_s)
    if isinstance(peaks, str):
        return {"latency_s": latency, **dict.fromkeys(METRICS[1:], Value(cause=peaks))}
    bandwidth = bandwidth_for(kernel.bytes, peaks, target)
    flops = _share(trial, kernel.flops / peaks.flop_per_s)
    return {
        "latency_s": latency,
        "flop_utilisation": flops if kernel.flops else Value(cause="unsupported: the kernel has no float operation"),
        "bandwidth_utilisation": _share(trial, kernel.bytes / bandwidth),
    }


def bandwidth_for(size_bytes: int, peaks: Peaks, target: Target) -> float:
    """Measured bytes/s of the nearest level that holds `size_bytes`: first or second cache level, else memory."""
    if size_bytes <= target.l1d_bytes:
        return peaks.l1_bytes_per_s
    return peaks.l2_bytes_per_s if size_bytes <= target.l2_bytes else peaks.memory_bytes_per_s


def _share(trial: Trial, least_s: float) -> Value:
    """`least_s` over each sample, at most 1 (a peak is measured too and may be beaten), and their median."""
    shares = tuple(min(1.0, least_s / seconds) for seconds in trial.samples_s)
    return Value(value=statistics.median(shares), samples=shares)
