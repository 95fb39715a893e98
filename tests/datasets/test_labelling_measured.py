"""Measured labels: samples and device are kept, what fails has a cause and no time, nothing measured is cached."""

import sys
from pathlib import Path

import pytest

from costmodel.core.errors import UsageError
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.labellers.measured import METRICS, MeasuredLabeller, bandwidth_for
from costmodel.datasets.labelling import label_functions
from costmodel.datasets.labelling_cache import LabelCache
from costmodel.search.measure.peaks import Peaks
from costmodel.search.measure.trial import MeasureSpec

FAULTS = Path(__file__).parents[1] / "search" / "measure_faults"
SPEC = MeasureSpec(budget_s=0.01, max_samples=5, min_samples=3)
ADD = """func.func @add(%a: tensor<1000xf32>, %b: tensor<1000xf32>) -> tensor<1000xf32> {
  %e = tensor.empty() : tensor<1000xf32>
  %r = linalg.add ins(%a, %b : tensor<1000xf32>, tensor<1000xf32>) outs(%e : tensor<1000xf32>) -> tensor<1000xf32>
  return %r : tensor<1000xf32>
}"""


def row(schedule=None, ir=ADD, entry="add", level="linalg"):
    return FunctionRow(
        ir=ir, format="mlir", level=level, stage="source", entry=entry, schedule=schedule,
        project="test", family="test", license="MIT",
    )  # fmt: skip


@pytest.fixture
def faulty(monkeypatch):
    monkeypatch.syspath_prepend(str(FAULTS))
    from costmodel_measure_faults import FaultyBackend

    yield FaultyBackend()
    sys.modules.pop("costmodel_measure_faults")


def test_scheduled_and_default_kernels_have_samples_and_a_device():
    rows = [row("v1; vectorize(8)"), row(), row(ir="func.func @f() { return }", entry="f", level="scf")]
    labels = label_functions(rows, ["native"], metrics=["latency_s", "instructions", "flop_utilisation"], jobs=1)
    native = Target.parse("native")
    measured = [label for label in labels if label.tool == "measured"]
    assert [label.function_id for label in measured] == [item.function_id for item in rows for _ in range(2)]
    assert [label.pipeline for label in measured[::2]] == ["schedule", "linalg-default-v1", "loops-v1"]
    assert {(label.target, label.device) for label in measured} == {(native.name, native.device)}
    assert all(1e-8 < label.value < 1e-2 and len(label.samples) >= 3 for label in measured[:4:2])
    assert {label.cause.partition(":")[0] for label in measured[4:]} == {"unsupported"}
    assert {(label.device, label.samples) for label in labels if label.tool != "measured"} == {(None, ())}


def test_measured_answers_are_not_cached_and_asked_for_by_name_alone(tmp_path):
    cache = LabelCache(tmp_path / "labels.db")
    first, second = (
        label_functions([row("v1; vectorize(8)")], ["native"], metrics=["latency_s"], cache=cache) for _ in range(2)
    )
    assert first[0].samples != second[0].samples
    assert "latency_s" not in {label.metric for label in label_functions([row()], ["native"], cache=cache, jobs=1)}


def test_what_is_wrong_crashes_or_runs_on_has_a_cause_and_no_time(faulty):
    names = ["one_wrong", "one_nan", "spins", "null", "refused", "compile_spins"]
    labeller = MeasuredLabeller(faulty, spec=SPEC, timeout_s=1.5)
    answers = labeller.measure([row(name) for name in names], ["schedule"] * len(names), Target.parse("native"))
    causes = [answer["latency_s"].cause.partition(":")[0] for answer in answers]
    assert causes == ["wrong", "nan", "run_timeout", "crash", "compile_error", "compile_timeout"]
    assert all(set(answer) == set(METRICS) for answer in answers)
    assert all(item.value is None and not item.samples for answer in answers for item in answer.values())


def test_a_kernel_that_cannot_be_read_spares_the_others():
    rows = [row("v1", ir="this is no MLIR"), row("v1", entry="absent"), row("v1; tile(level=cache, q=4)"), row("v1")]
    labels = label_functions(rows, ["native"], metrics=["latency_s"], jobs=1)
    assert [label.value is None for label in labels] == [True, True, True, False]
    assert "no function 'absent'" in labels[1].cause
    assert "names dimension 'q'" in labels[2].cause


def test_another_machine_is_misuse():
    for options in ({"metrics": ["latency_s"]}, {"labellers": ["measured"]}):
        with pytest.raises(UsageError, match="riscv64/sifive-p670 is not this machine; give --target native"):
            label_functions([row()], ["riscv64/sifive-p670"], **options)


def test_bandwidth_is_that_of_the_level_which_holds_the_data():
    target = Target.parse("native")
    peaks = Peaks(flop_per_s=1.0, l1_bytes_per_s=3.0, l2_bytes_per_s=2.0, memory_bytes_per_s=1.0)
    sizes = (target.l1d_bytes, target.l2_bytes, target.l2_bytes + 1)
    assert [bandwidth_for(size, peaks, target) for size in sizes] == [3.0, 2.0, 1.0]
