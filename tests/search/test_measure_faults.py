"""Candidates that go wrong in real processes: the run survives each and says what happened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from costmodel.core.errors import UsageError
from costmodel.core.target import Target
from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.trial import DEFAULT_SCHEDULE, MeasureSpec

HERE = Path(__file__).parent
SPEC = MeasureSpec(budget_s=0.01, max_samples=5, min_samples=3)


@pytest.fixture(scope="module", autouse=True)
def importable():
    added = [str(HERE), str(HERE / "measure_faults")]
    sys.path[:0] = added
    yield
    for entry in added:
        sys.path.remove(entry)


@pytest.fixture(scope="module")
def kernel(importable):
    from measure_kernels import add

    return add(1000)


@pytest.fixture(scope="module")
def target():
    return Target.parse("native")


def measurer(target, **changes):
    from costmodel_measure_faults import FaultyBackend

    options = {
        "overlap": False,
        "spec": SPEC,
        "compile_timeout_s": 1.5,
        "run_timeout_s": 1.5,
        "memory_bytes": 256 << 20,
    }
    return Measurer(FaultyBackend(), target, **{**options, **changes})


@pytest.fixture(scope="module")
def shared(target):
    with measurer(target) as opened:
        yield opened


FAULTS = [
    ("one_wrong", "wrong", "out0 on random inputs[700] is 10.0, expected"),
    ("one_nan", "nan", "out0 on random inputs[700] is NaN"),
    ("no_tail", "wrong", "out0 on random inputs[992] was never written (8 of 1000 elements differ)"),
    ("one_more", "wrong", "wrote outside its buffers: around out0"),
    ("one_before", "wrong", "wrote outside its buffers: around out0"),
    ("changes_input", "wrong", "changed its input in1"),
    ("spins", "run_timeout", "no answer within 1.5 s, killed"),
    ("null", "crash", "SIGSEGV"),
    ("hog", "oom", "out of memory (limit 256 MiB"),
    ("refused", "compile_error", "LLVM refused a module"),
    ("compile_spins", "compile_timeout", "no answer within 1.5 s, killed"),
    ("compile_aborts", "compile_error", "the compiler died: killed by SIGABRT: LLVM ERROR: cannot select"),
    ("compile_hogs", "oom", "compiling: MemoryError"),
]


@pytest.mark.parametrize(("fault", "status", "cause"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_a_fault_is_a_trial_with_its_cause_and_the_next_candidate_is_fine(shared, kernel, fault, status, cause):
    bad, good = shared.measure(kernel, [fault, "right"])
    assert (bad.schedule, bad.status) == (fault, status)
    assert cause in bad.cause
    assert bad.samples_s == ()
    assert bad.runtime_s is None
    assert good.status == "ok", good.cause
    assert good.runtime_s > 0


def test_results_come_in_the_order_of_submission_whatever_fails(target, kernel):
    faults = ["right", "null", "one_wrong", "spins", "right", "refused"]
    with measurer(target, overlap=True, run_timeout_s=0.5) as opened:
        for fault in faults:
            opened.submit(kernel, fault)
        trials = list(opened.results())
        assert list(opened.results()) == []
    assert [t.schedule for t in trials] == faults
    assert [t.status for t in trials] == ["ok", "crash", "wrong", "run_timeout", "ok", "compile_error"]


def test_default_lowering_is_a_trial_too(shared, kernel):
    trial = shared.default(kernel)
    assert (trial.schedule, trial.status) == (DEFAULT_SCHEDULE, "ok")


def test_compare_takes_samples_in_turn_and_leaves_out_what_fails(shared, kernel):
    samples = shared.compare(kernel, ["right", "slow"], rounds=7)
    assert {text: len(taken) for text, taken in samples.items()} == {"right": 7, "slow": 2}
    assert min(samples["slow"]) > max(samples["right"])
    broken = shared.compare(kernel, ["right", "null", "refused"], rounds=3)
    assert {text: len(taken) for text, taken in broken.items()} == {"right": 3, "null": 0, "refused": 0}


def test_a_worker_is_replaced_before_it_leaks_and_references_survive(target, kernel):
    with measurer(target, recycle=3) as opened:
        trials = opened.measure(kernel, ["right", "one_wrong"] * 4)
    assert [t.status for t in trials] == ["ok", "wrong"] * 4


def test_closing_cancels_what_is_under_way(target, kernel):
    with measurer(target, run_timeout_s=60.0, compile_timeout_s=60.0) as opened:
        handles = [opened.submit(kernel, "spins"), opened.submit(kernel, "right")]
    assert all(handle.cancelled() for handle in handles)
    opened.close()
    with pytest.raises(UsageError, match="not open"):
        opened.submit(kernel, "right")


def test_another_machine_is_refused(importable):
    from costmodel_measure_faults import FaultyBackend

    with pytest.raises(UsageError, match="cannot measure for aarch64/neoverse-v2 here"):
        Measurer(FaultyBackend(), Target.parse("aarch64/neoverse-v2"))
