"""What every labeller must do, run over the registry: a new one is tested before anyone writes a test for it."""

import pytest

from costmodel.core.metrics import get_metric
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
PAIRS = [(name, target) for name in LABELLERS for target in TARGETS]


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
