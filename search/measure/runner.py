"""The measuring worker's tasks: prepare references, check and time one candidate, compare several.

Runs inside workers only: whatever a candidate does to its process happens here. A candidate is loaded, checked on every
set of inputs, timed on the random one, and freed before the answer goes out.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from costmodel.search.backends.mlir.kernel import Argument
from costmodel.search.backends.protocol import Built
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.reference import Array
from costmodel.search.measure import cases as case_files
from costmodel.search.measure.cases import Case, CaseStore
from costmodel.search.measure.check import Verdict, check_outputs
from costmodel.search.measure.jit import Call
from costmodel.search.measure.memory import PATTERNS, GuardedBuffer
from costmodel.search.measure.timing import Repeat, batch_size, once, sample
from costmodel.search.measure.trial import Measured, MeasureSpec
from costmodel.search.measure.vendor import vendor_call
from costmodel.toolchain.lower import LoadedObject

_STORE = CaseStore()
_SELDOM, _FAR = 5, 5.0
_REFRESH_BELOW_S = 0.01


def prepare(kernel: Kernel, key: str, seed: int, folder: str | None) -> float:
    """Have the references of `kernel` at hand under `key`; returns the seconds it took.

    Raises:
        UnsupportedError: The kernel has elements that cannot be checked.
    """
    start_s = time.perf_counter()
    if _STORE.get(key) is not None:
        return 0.0
    path = None if folder is None else Path(folder, f"{key}.npz")
    if path is not None and path.exists():
        _STORE.put(key, case_files.load(path, kernel, seed))
    else:
        found = case_files.make_cases(kernel, seed)
        _STORE.put(key, found)
        if path is not None:
            with contextlib.suppress(OSError):  # a full disk costs the next worker a computation, nothing else
                case_files.spill(path, found)
    return time.perf_counter() - start_s


def measure(built: Built, key: str, spec: MeasureSpec) -> Measured:
    """Check one candidate on every case of the workload `key`, then time it."""
    cases = _STORE.get(key)
    if cases is None:
        return Measured(status="unprepared")
    start_s = time.perf_counter()
    candidate = Candidate(built)
    seconds = {"load": time.perf_counter() - start_s}
    try:
        return _judged(candidate, cases, spec, seconds)
    finally:
        candidate.free()
        gc.collect(0)


def compare(
    candidates: Sequence[Built], vendor: Kernel | None, key: str, rounds: int, spec: MeasureSpec, limit_s: float
) -> list[tuple[float, ...]] | None:
    """Samples of several candidates of one workload, taken in turn, one a round; None where it is not prepared.

    With a kernel as `vendor`, numpy's own call takes part as the last one; no samples where numpy has none.
    After `limit_s` no further round begins. Nothing is checked: only candidates found right by `measure` belong here.
    """
    cases = _STORE.get(key)
    if cases is None:
        return None
    loaded = [Candidate(built) for built in candidates]
    try:
        for candidate in loaded:
            candidate.place(cases[0], PATTERNS[0])
        calls: list[Repeat] = [candidate.run for candidate in loaded]
        theirs = None if vendor is None else vendor_call(vendor, cases[0].inputs)
        samples = _in_turn([*calls, *([theirs] if theirs else [])], rounds, spec, limit_s)
        return samples if theirs or vendor is None else [*samples, ()]
    finally:
        for candidate in loaded:
            candidate.free()
        gc.collect(0)


def _in_turn(calls: Sequence[Repeat], rounds: int, spec: MeasureSpec, limit_s: float) -> list[tuple[float, ...]]:
    """One sample of each a round; what is far slower than the fastest takes part in every `_SELDOM`th only."""
    deadline_s = time.perf_counter() + limit_s
    sizes = [batch_size(call, spec.sample_s) for call in calls]
    fastest_s = min((run_s for _, run_s in sizes), default=0.0)
    samples: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds):
        if turn and time.perf_counter() > deadline_s:
            break
        for call, (count, run_s), taken in zip(calls, sizes, samples, strict=True):
            if turn % _SELDOM and run_s > _FAR * fastest_s:
                continue
            if run_s < _REFRESH_BELOW_S:
                call(1)  # its data comes back into the cache
            taken.append(once(call, count))
    return [tuple(taken) for taken in samples]


def _judged(candidate: Candidate, cases: tuple[Case, ...], spec: MeasureSpec, seconds: dict[str, float]) -> Measured:
    start_s = time.perf_counter()
    first, ratio = None, 0.0
    for i, case in enumerate(cases):
        verdict = candidate.verdict(case, PATTERNS[i % len(PATTERNS)])
        first = first or verdict
        if verdict.status != "ok":
            seconds["check"] = time.perf_counter() - start_s
            return Measured(
                status=verdict.status, cause=verdict.cause, max_abs_error=verdict.max_abs_error, seconds=seconds
            )
        ratio = max(ratio, verdict.error_ratio or 0.0)
    assert first is not None
    checked_s = time.perf_counter()
    seconds["check"] = checked_s - start_s
    if len(cases) > 1:
        candidate.place(cases[0], PATTERNS[0])
    samples_s = sample(candidate.run, spec)
    again = candidate.verdict_of_last(cases[0])
    seconds["time"] = time.perf_counter() - checked_s
    done = Measured(
        status="ok", samples_s=samples_s, max_abs_error=first.max_abs_error, error_ratio=ratio, seconds=seconds
    )
    if again.status == "ok":
        return done
    return replace(done, status=again.status, cause=f"after many runs: {again.cause}", samples_s=())


class Candidate:
    """A loaded object with buffers of its own. Call `free` before the next one is loaded."""

    def __init__(self, built: Built) -> None:
        exports = (built.entry, *([built.prepack] if built.prepack_arguments else []))
        self._library = LoadedObject(built.data, exports)
        self._built = built
        self._buffers = {a.name: GuardedBuffer(a.name, a.elements, a.dtype) for a in built.arguments}
        for argument in built.prepack_arguments:
            if argument.name not in self._buffers:
                self._buffers[argument.name] = GuardedBuffer(argument.name, argument.elements, argument.dtype)
        self.run = self._bind(built.entry, built.arguments)
        self._prepack = self._bind(built.prepack, built.prepack_arguments) if built.prepack_arguments else None

    def _bind(self, name: str, arguments: tuple[Argument, ...]) -> Call:
        return Call(self._library.address(name), [self._buffers[a.name].address for a in arguments])

    def place(self, case: Case, pattern: int) -> None:
        """Fill inputs, spoil everything else, renew the guards, pack constants."""
        for name, buffer in self._buffers.items():
            buffer.guard(pattern)
            if name in case.inputs:
                buffer.data[...] = case.inputs[name].reshape(-1)
            else:
                buffer.spoil()
        if self._prepack is not None:
            self._prepack(1)

    def verdict(self, case: Case, pattern: int) -> Verdict:
        """Run once on `case` and judge everything it touched."""
        self.place(case, pattern)
        self.run(1)
        return self.verdict_of_last(case)

    def verdict_of_last(self, case: Case) -> Verdict:
        """Judge what the last run on `case` left."""
        for name, buffer in self._buffers.items():
            if not buffer.intact():
                return Verdict(status="wrong", cause=f"wrote outside its buffers: around {name}", max_abs_error=None)
            if name in case.inputs and not _same(buffer.data, case.inputs[name]):
                return Verdict(status="wrong", cause=f"changed its input {name}", max_abs_error=None)
        return check_outputs(case, self._buffers)

    def free(self) -> None:
        """Let go of the code and the buffers."""
        self._buffers.clear()
        del self._library, self.run, self._prepack


def _same(found: Array, given: Array) -> bool:
    return bool(np.array_equal(found.view(np.uint8), given.reshape(-1).view(np.uint8)))


def resident_bytes() -> int:
    """Resident memory of this worker."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
