"""The table of metrics."""

from __future__ import annotations

import pytest

from costmodel.core.errors import UnknownNameError, UsageError
from costmodel.core.metrics import ALL_ARCHS, get_metric, metric_names, register_metric
from costmodel.core.target_table import FIGURES

CONTRACT = """registers_vector registers_general spills reloads stack_bytes instructions code_bytes cycles ipc
    port_utilisation instructions_executed occupancy shared_bytes latency_s flop_utilisation bandwidth_utilisation"""


def test_the_contracts_metrics_are_there_in_order():
    assert metric_names()[:16] == CONTRACT.split()


@pytest.mark.parametrize("name", metric_names())
def test_every_metric_says_its_unit_truth_and_targets(name):
    metric = get_metric(name)
    assert metric.name == name
    assert metric.unit
    assert metric.truth
    assert metric.archs
    assert set(metric.archs) <= set(ALL_ARCHS)
    assert (metric.unit == "fraction") == (metric.maximum == 1.0)
    assert not name.endswith("_s") or metric.unit == "s"
    assert not name.endswith("_bytes") or metric.unit == "bytes"


def test_every_targets_arch_has_metrics():
    for arch in {name.split("/")[0] for name in FIGURES}:
        assert "spills" in metric_names(arch)
    assert "occupancy" not in metric_names("x86-64")
    assert "cycles" not in metric_names("nvptx64")


def test_an_unknown_name_lists_the_choices_and_a_taken_one_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'spills'"):
        get_metric("spill")
    with pytest.raises(UsageError, match="already"):
        register_metric(get_metric("spills"))
