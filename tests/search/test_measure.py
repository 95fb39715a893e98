"""Timing, ties, peaks, the driver, and real candidates of the mlir backend through the measurer."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.core.errors import ToolchainError
from costmodel.core.target import Target
from costmodel.search.backends.mlir.backend import MlirBackend
from costmodel.search.kernel.reference import evaluate
from costmodel.search.measure.calibrate import disturbance, sample_kernel
from costmodel.search.measure.inputs import draw
from costmodel.search.measure.jit import Call, compile_llvm
from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.peaks import measured_peaks
from costmodel.search.measure.ties import median_interval, tie_break, tied
from costmodel.search.measure.timing import sample
from costmodel.search.measure.trial import DEFAULT_SCHEDULE, MeasureSpec
from costmodel.search.measure.vendor import VENDOR, vendor_call
from costmodel.search.schedule.text import parse_schedule
from costmodel.toolchain.lower import LoadedObject

sys.path.insert(0, str(Path(__file__).parent))
from measure_kernels import matmul, row_sum

sys.path.pop(0)

QUICK = MeasureSpec(budget_s=0.02, max_samples=10, min_samples=5)


# -- timing ------------------------------------------------------------------------------------------------------


class Clock:
    """Stands for the module `time`: it goes on by what calls take, and not otherwise."""

    def __init__(self):
        self.now_ns = 0

    def perf_counter_ns(self):
        return self.now_ns

    def perf_counter(self):
        return self.now_ns * 1e-9


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("costmodel.search.measure.timing.time", made)
    return made


def taking(run_s, clock, counts):
    def call(count):
        counts.append(count)
        clock.now_ns += round(run_s * count * 1e9)

    return call


def test_short_runs_share_a_sample(clock):
    counts = []
    samples = sample(taking(2e-4, clock, counts), MeasureSpec(sample_s=2e-3, budget_s=0.05, max_samples=6))
    assert counts[-6:] == [10] * 6
    assert samples == pytest.approx([2e-4] * 6)


def test_a_slow_run_has_three_samples_and_no_more(clock):
    assert len(sample(taking(0.02, clock, []), MeasureSpec(budget_s=0.001))) == 3


def test_sampling_ends_with_the_budget(clock):
    spec = MeasureSpec(sample_s=1e-3, budget_s=0.03, max_samples=10_000, min_samples=10_000)
    samples = sample(taking(1e-3, clock, []), spec)
    assert 0.03 <= clock.perf_counter() < 0.3
    assert len(samples) in (30, 31)


# -- ties --------------------------------------------------------------------------------------------------------


def test_within_noise_the_shorter_text_wins_and_beyond_it_the_faster():
    fast, near, far = np.full(20, 1.0), np.full(20, 1.015), np.full(20, 1.05)
    assert tie_break({"v1; unroll(k=4)": fast, "v1": near}) == "v1"
    assert tie_break({"v1; unroll(k=4)": fast, "v1": far}) == "v1; unroll(k=4)"
    assert tie_break({"b": fast, "a": fast, "c": near}) == "a"
    assert tie_break({"b": (), "c": far}) == "c"
    assert tie_break({"b": ()}) is None


def test_overlapping_intervals_are_tied():
    rng = np.random.default_rng(0)
    noisy, best = rng.uniform(0.9, 1.3, 15), rng.uniform(0.9, 1.2, 15)
    assert np.median(noisy) > 1.02 * np.median(best)
    assert tied(noisy, best)
    assert not tied(best * 2, best)


@given(
    st.dictionaries(
        st.text("ab", min_size=1, max_size=3), st.lists(st.floats(0.9, 1.1), min_size=1, max_size=9), min_size=1
    )
)
def test_the_winner_does_not_depend_on_the_order(candidates):
    backwards = {text: candidates[text][::-1] for text in reversed(candidates)}
    assert tie_break(candidates) == tie_break(backwards)


def test_the_interval_holds_the_median_nineteen_times_of_twenty():
    rng = np.random.default_rng(1)
    held = [low <= 0 <= high for low, high in (median_interval(rng.standard_normal(25)) for _ in range(1000))]
    assert 0.93 <= np.mean(held) <= 0.99


# -- calibration -------------------------------------------------------------------------------------------------


def test_disturbance_is_the_worst_probe():
    assert disturbance(lambda: {"a": 1.0, "b": 2.0}, lambda: {"a": 1.01, "b": 2.2}) == pytest.approx(1.1)
    times = iter(range(1, 100))
    drifting = lambda: {"a": float(next(times))}  # noqa: E731
    assert disturbance(drifting, drifting, rounds=20) < 1.1


# -- machine code ------------------------------------------------------------------------------------------------


def test_the_driver_runs_a_function_that_many_times():
    text = """define void @bump(ptr %n, ptr %m) {
  %a = load i64, ptr %n
  %b = load i64, ptr %m
  %c = add i64 %a, %b
  store i64 %c, ptr %n
  ret void
}"""
    library = LoadedObject(compile_llvm(text), ("bump",))
    total, step = ctypes.c_int64(0), ctypes.c_int64(3)
    call = Call(library.address("bump"), [ctypes.addressof(total), ctypes.addressof(step)])
    call()
    assert total.value == 3
    call(1000)
    assert total.value == 3003


def test_text_that_is_no_llvm_ir_is_an_error():
    with pytest.raises(ToolchainError, match="LLVM refused a module"):
        compile_llvm("define nonsense")


def test_peaks_are_plausible_and_ordered():
    peaks = measured_peaks()
    assert 1e9 < peaks.flop_per_s < 1e12
    assert peaks.memory_bytes_per_s < peaks.l1_bytes_per_s
    assert 1e9 < peaks.memory_bytes_per_s < 1e12
    assert measured_peaks() is peaks


# -- the mlir backend through the measurer -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def measurer():
    with Measurer(MlirBackend(), Target.parse("native"), spec=QUICK, overlap=True, seed=5) as opened:
        yield opened


def test_scheduled_and_default_candidates_are_right(measurer):
    kernel = matmul(33, 40, 17)
    schedules = [
        None,
        "v1",
        parse_schedule("v1; vectorize(16)"),
        "v1; tile(level=register, m=4, n=32); vectorize(16); unroll(k=2)",
    ]
    trials = measurer.measure(kernel, schedules)
    assert [t.status for t in trials] == ["ok"] * 4, [t.cause for t in trials]
    assert trials[0].schedule == DEFAULT_SCHEDULE
    assert all(t.error_ratio < 1 and t.max_abs_error < 1e-4 for t in trials)
    assert all(t.seconds["compile.wall"] == t.compile_s > 0 for t in trials)
    assert all(t.runtime_s > 0 for t in trials)


def test_packed_constants_are_packed_before_the_clock_runs(measurer):
    kernel = matmul(32, 64, 48, constant_b=True)
    text = "v1; tile(level=register, m=4, n=32); pack(b); vectorize(16)"
    roles = [a.role for a in measurer.backend.realise(kernel, parse_schedule(text)).arguments]
    assert "packed" in roles
    (trial,) = measurer.measure(kernel, [text])
    assert trial.status == "ok", trial.cause


@pytest.mark.parametrize("kernel", [matmul(64, 48, 80), matmul(1, 48, 80)], ids=["matmul", "row"])
def test_numpy_takes_part_in_a_comparison(measurer, kernel):
    samples = measurer.compare(kernel, ["v1; vectorize(16)", None], rounds=4, vendor=True)
    assert list(samples) == ["v1; vectorize(16)", DEFAULT_SCHEDULE, VENDOR]
    assert all(min(taken) > 0 for taken in samples.values())


def test_what_numpy_does_not_offer_has_no_samples(measurer):
    samples = measurer.compare(row_sum(8, 64), ["v1"], rounds=2, vendor=True)
    assert (len(samples["v1"]), samples[VENDOR]) == (2, ())


def test_the_vendor_computes_the_same(monkeypatch):
    kernel = matmul(5, 7, 11)
    inputs = draw(kernel, "random", 0)
    results = []
    real = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, out: results.append(real(a, b, out=out)))
    vendor_call(kernel, inputs)(2)
    assert len(results) == 2
    np.testing.assert_allclose(results[0], evaluate(kernel, inputs)["out0"], rtol=1e-4, atol=1e-5)


def test_an_illegal_schedule_is_a_compile_error(measurer):
    (trial,) = measurer.measure(matmul(8, 8, 8), ["v1; tile(level=cache, zebra=4)"])
    assert trial.status == "compile_error"
    assert "names dimension 'zebra'" in trial.cause


def test_the_worker_frees_what_it_loads(measurer):
    kernel = sample_kernel(32)
    measurer.measure(kernel, ["v1; vectorize(8)"] * 3)
    before = measurer._run.call("costmodel.search.measure.runner:resident_bytes", timeout_s=5.0).value
    measurer.measure(kernel, ["v1; vectorize(8)"] * 40)
    after = measurer._run.call("costmodel.search.measure.runner:resident_bytes", timeout_s=5.0).value
    assert after - before < 16 << 20
