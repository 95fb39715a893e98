"""Our cost model inside TVM's own tuner: candidates built and timed for real, in this process."""

import runpy
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pytest

tvm = pytest.importorskip("tvm")

from tvm.ir.utils import derived_object  # noqa: E402
from tvm.s_tir import meta_schedule as ms  # noqa: E402
from tvm.s_tir.meta_schedule.builder import BuilderResult, PyBuilder  # noqa: E402
from tvm.s_tir.meta_schedule.runner import PyRunner, PyRunnerFuture, RunnerResult  # noqa: E402
from tvm.s_tir.transform import RemoveWeightLayoutRewriteBlock  # noqa: E402

from costmodel.core.errors import UsageError  # noqa: E402
from costmodel.integrations.tvm import CostModel  # noqa: E402
from costmodel.integrations.tvm_features import PER_STORE, WIDTH, pool_stores  # noqa: E402

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "tvm_tune.py"))
matmul = EXAMPLE["matmul"]
TRIALS, ROUND = 8, 4
TARGET = tvm.target.Target({"kind": "llvm", "num-cores": 1})


@derived_object
class Builder(PyBuilder):
    def build(self, build_inputs):
        found = []
        for item in build_inputs:
            folder = tempfile.mkdtemp()
            made = tvm.tirx.build(RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(item.mod), item.target)
            made.export_library(f"{folder}/k.so")
            found.append(BuilderResult(f"{folder}/k.so", None))
        return found


@derived_object
class Future(PyRunnerFuture):
    def __init__(self, result):
        super().__init__()
        self.answer = result

    def done(self):
        return True

    def result(self):
        return self.answer


@derived_object
class Runner(PyRunner):
    """Times every candidate but the third of each round, which it says has failed."""

    def run(self, runner_inputs):
        return [Future(self._one(i, item)) for i, item in enumerate(runner_inputs)]

    def _one(self, index, item):
        if index == 2:
            return RunnerResult(None, "made to fail")
        arrays = [tvm.runtime.tensor(np.ones([int(s) for s in info.shape], info.dtype)) for info in item.args_info]
        timer = tvm.runtime.load_module(item.artifact_path).time_evaluator("main", tvm.cpu(), number=1, repeat=3)
        return RunnerResult([float(s) for s in timer(*arrays).results], None)


@pytest.fixture(scope="module")
def tuned():
    """A model after the example's search, and the search's database."""
    tune, options = EXAMPLE["tune"], {"builder": Builder(), "runner": Runner(), "num_tuning_cores": 1}
    return tune(matmul(32, 48, 64), TRIALS, num_trials_per_iter=ROUND, **options)


def test_the_tuner_tells_the_model_what_it_measured(tuned):
    model, database = tuned
    (task,) = model.tasks.values()
    seconds = np.concatenate(task.seconds)
    ran = [record for record in database.get_all_tuning_records() if float(record.run_secs[0]) < 1e9]
    assert np.isfinite(seconds).sum() == len(ran)
    best = min(statistics.median(float(s) for s in record.run_secs) for record in ran)
    assert seconds.min() == pytest.approx(best)


def test_scores_are_positive_and_finite_before_and_after_learning(tuned):
    model, database = tuned
    records = database.get_all_tuning_records()
    context = ms.TuneContext(mod=tvm.IRModule({"main": matmul(32, 48, 64)}), target=TARGET)
    candidates = [record.as_measure_candidate() for record in records]
    for asked in (CostModel(), CostModel(cold=True), model):
        scores = asked.predict(context, candidates)
        assert scores.shape == (len(candidates),)
        assert np.isfinite(scores).all()
        assert (scores > 0).all()


def test_what_failed_lowers_the_score(tuned):
    _, database = tuned
    context = ms.TuneContext(mod=tvm.IRModule({"main": matmul(32, 48, 64)}), target=TARGET)
    candidates = [record.as_measure_candidate() for record in database.get_all_tuning_records()]
    half = len(candidates) // 2
    ran, failed = RunnerResult([1e-5], None), RunnerResult(None, "failed")
    model = CostModel()
    model.update(context, candidates, [ran] * half + [failed] * (len(candidates) - half))
    scores = model.predict(context, candidates)
    assert scores[:half].mean() > scores[half:].mean()


def test_a_saved_model_answers_the_same(tuned, tmp_path):
    _, database = tuned
    context = ms.TuneContext(mod=tvm.IRModule({"main": matmul(32, 48, 64)}), target=TARGET)
    candidates = [record.as_measure_candidate() for record in database.get_all_tuning_records()]
    model = CostModel()
    model.save(str(tmp_path / "saved"))
    again = CostModel(cold=True)
    again.load(str(tmp_path / "saved"))
    np.testing.assert_array_equal(model.predict(context, candidates), again.predict(context, candidates))


def test_features_of_another_width_are_refused():
    assert pool_stores(np.zeros((0, PER_STORE))).shape == (WIDTH,)
    with pytest.raises(UsageError, match="expected"):
        pool_stores(np.zeros((2, PER_STORE + 1)))
