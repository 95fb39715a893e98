"""The networks: what there is, and that one becomes rows without its weights."""

from __future__ import annotations

import pytest

from costmodel.datasets.zoo import KINDS, NAMES, kind_of

pytest.importorskip("torch")
pytest.importorskip("torch_mlir")

from costmodel.datasets.generators import Options
from costmodel.datasets.generators.zoo import ZooGenerator
from costmodel.toolchain.isolation import call_isolated


def test_there_are_at_least_twelve_of_the_kinds_asked_for():
    assert len(NAMES) >= 12
    assert {"convolutional", "transformer", "recurrent", "detection"} <= set(KINDS)
    assert all(kind_of(name) in KINDS for name in NAMES)


@pytest.mark.slow
def test_a_network_becomes_torch_linalg_and_kernels():
    (item,) = ZooGenerator(Options()).draw(["mlp"], 60, 0)
    rows = call_isolated(item.task, item.spec).functions
    assert {row.level for row in rows} >= {"torch", "linalg", "affine", "vector", "llvm"}
    assert {row.network for row in rows} == {"mlp"}
    whole = next(row for row in rows if row.level == "torch")
    assert "torch.aten" in whole.ir
    assert len(whole.ir) < 50_000  # the weights are arguments
    assert len({row.workload_id for row in rows if row.schedule}) >= 3
