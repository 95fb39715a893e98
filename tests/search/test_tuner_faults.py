"""A whole run of the tuner over candidates that go wrong in real processes: it survives each and says so."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import costmodel
from costmodel.search.backends import BACKENDS
from costmodel.search.database import Database
from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.trial import MeasureSpec
from costmodel.search.tuner import run as tuner
from costmodel.search.tuner.options import TuneOptions

HERE = Path(__file__).parent
ADD = """func.func @add(%a: tensor<1000xf32>, %b: tensor<1000xf32>) -> tensor<1000xf32> {
  %e = tensor.empty() : tensor<1000xf32>
  %r = linalg.add ins(%a, %b : tensor<1000xf32>, tensor<1000xf32>) outs(%e : tensor<1000xf32>) -> tensor<1000xf32>
  return %r : tensor<1000xf32>
}
"""
LIMITS = {
    "overlap": False,
    "spec": MeasureSpec(budget_s=0.01, max_samples=5, min_samples=3),
    "compile_timeout_s": 1.0,
    "run_timeout_s": 1.0,
    "memory_bytes": 256 << 20,
}


@pytest.fixture
def statuses(tmp_path, monkeypatch):
    """What the statuses of the candidates must be; the faulty backend is in place."""
    for folder in (HERE, HERE / "measure_faults", HERE / "tuner_faults"):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(BACKENDS, "_paths", dict(BACKENDS._paths))
    BACKENDS.register("faulty", "costmodel_tuner_faults:FaultyCandidates")
    monkeypatch.setattr(tuner, "BACKEND", "faulty")
    monkeypatch.setattr(tuner, "Measurer", partial(Measurer, **LIMITS))
    counter = tmp_path / "counter"
    counter.touch()
    monkeypatch.setenv("COSTMODEL_TEST_COUNTER", str(counter))
    from costmodel_tuner_faults import STATUS

    return list(STATUS.values())


def test_a_run_survives_every_fault_and_a_right_candidate_wins(tmp_path, statuses, capfd):
    source, out = tmp_path / "add.mlir", tmp_path / "OUT"
    source.write_text(ADD)
    result = tuner.tune(TuneOptions(source=source, out=out, trials=len(statuses)))
    with Database.open(out / "records.db") as database:
        found = database.query()
    assert [r.status for r in found] == statuses
    assert all(r.cause for r in found if r.status != "ok")
    assert all(not r.samples_s for r in found if r.status != "ok")

    workload = json.loads((out / "report.json").read_text())["workloads"][0]
    failed = [status for status in statuses if status != "ok"]
    assert workload["failures"] == {status: failed.count(status) for status in sorted(set(failed))}
    assert workload["trials"] == len(statuses)
    assert workload["best_schedule"] == found[-1].schedule, "the only fast one that is right"
    assert not result.interrupted
    a = np.arange(1000, dtype=np.float32)
    np.testing.assert_array_equal(costmodel.load(out)(a, a), a + a)
    assert f"{len(statuses)}/{len(statuses)} trials, {len(failed)} failed" in capfd.readouterr().err
