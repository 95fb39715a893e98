"""What every labeller must do, run over the registry: a new one is tested before anyone writes a test for it."""

import statistics

import pytest

from costmodel.core.metrics import get_metric
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.labellers import LABELLERS, ORDER
from costmodel.datasets.labellers.compiled import Compiled, Unit

TARGETS = ("x86-64/znver4", "aarch64/neoverse-v2", "riscv64/sifive-p670", "nvptx64/sm_90", "amdgcn/gfx942")
CODE = """
define i32 @first(ptr %p) {
  %v = load i32, ptr %p
  ret i32 %v
}
define void @second(ptr noalias %p, i32 %x) {
  store i32 %x, ptr %p
  ret void
}
"""
READING = [name for name in LABELLERS if not LABELLERS.get(name).measures]
MEASURING = [name for name in LABELLERS if LABELLERS.get(name).measures]
PAIRS = [(name, target) for name in READING for target in TARGETS]
KERNEL = """func.func @twice(%a: tensor<64xf32>) -> tensor<64xf32> {
  %e = tensor.empty() : tensor<64xf32>
  %r = linalg.add ins(%a, %a : tensor<64xf32>, tensor<64xf32>) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  return %r : tensor<64xf32>
}"""


def test_every_labeller_has_a_place_in_the_order():
    assert sorted(ORDER) == list(LABELLERS)


@pytest.mark.parametrize("name", LABELLERS)
def test_declares_metrics_that_exist_where_it_gives_them(name):
    labeller = LABELLERS.get(name)()
    assert labeller.needs
    for arch, metrics in labeller.gives.items():
        assert [metric for metric in metrics if not get_metric(metric).exists_for(arch)] == []


@pytest.mark.parametrize(("name", "target_name"), PAIRS)
def test_one_answer_for_each_function_with_every_metric_it_declares(name, target_name):
    target = Target.parse(target_name)
    labeller = LABELLERS.get(name)()
    if target.arch not in labeller.gives:
        pytest.skip(f"{name} gives nothing on {target.arch}")
    if labeller.version(target) is None:
        pytest.skip(f"needs {labeller.needs}")
    unit = Unit(CODE, target)
    functions = [Compiled(unit=unit, name=symbol) for symbol in ("second", "first")]
    answers = labeller.label(functions, target)
    assert [set(answer) for answer in answers] == [set(labeller.gives[target.arch])] * 2
    for answer in answers:
        for metric, item in answer.items():
            assert (item.value is None) == (item.cause is not None), metric
            known = get_metric(metric)
            if item.value is not None:
                assert item.value >= known.minimum
                assert known.maximum is None or item.value <= known.maximum
    assert [dict(answer) for answer in labeller.label(functions, target)] == [dict(answer) for answer in answers]


@pytest.mark.parametrize("name", MEASURING)
def test_what_measures_does_so_on_this_machine_alone_and_keeps_samples(name):
    labeller, target = LABELLERS.get(name)(), Target.parse("native")
    assert labeller.version(Target.parse("nvptx64/sm_90")) is None
    if target.arch not in labeller.gives or labeller.version(target) is None:
        pytest.skip(f"needs {labeller.needs}")
    shared = {"project": "test", "family": "test", "license": "MIT", "stage": "source"}
    rows = [
        FunctionRow(ir=KERNEL, format="mlir", level="linalg", entry="twice", **shared),
        FunctionRow(ir=CODE, format="llvm", level="llvm", entry="first", **shared),
    ]
    kernel, code = labeller.measure(rows, ["linalg-default-v1", "O3-retarget-v1"], target)
    assert set(kernel) == set(code) == set(labeller.gives[target.arch])
    assert all(item.value is None and item.cause and not item.samples for item in code.values())
    for metric, item in kernel.items():
        assert item.cause is None
        assert item.value == pytest.approx(statistics.median(item.samples), rel=1e-6)
        assert get_metric(metric).minimum < item.value <= (get_metric(metric).maximum or 1.0)
