"""Leaving the measurer while candidates wait: it ends at once, and cancelled ones are not measured."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from costmodel.core.target import Target
from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.trial import MeasureSpec

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    for entry in (str(HERE), str(HERE / "measure_faults")):
        monkeypatch.syspath_prepend(entry)


def open_measurer(**changes) -> Measurer:
    from costmodel_measure_faults import FaultyBackend

    spec = MeasureSpec(budget_s=0.01, max_samples=5, min_samples=3)
    return Measurer(FaultyBackend(), Target.parse("native"), **{"overlap": False, "spec": spec, **changes})


def test_closing_ends_though_many_candidates_wait():
    from measure_kernels import add

    measurer = open_measurer().__enter__()
    handles = [measurer.submit(add(1000), name) for name in ("compile_spins", *["right"] * 12)]
    closing = threading.Thread(target=measurer.close, daemon=True)
    closing.start()
    closing.join(15.0)
    assert not closing.is_alive()
    assert all(handle.done() for handle in handles)


def test_a_cancelled_candidate_is_skipped():
    from measure_kernels import add

    with open_measurer() as measurer:
        first = measurer.submit(add(1000), "right")
        waiting = [measurer.submit(add(1000), "spins") for _ in range(5)]
        assert all(handle.cancel() for handle in waiting)
        assert (
            measurer.submit(add(1000), "right").result(timeout=8.0).ok
        )  # sooner than the time limit of one that spins
        assert first.result().ok
