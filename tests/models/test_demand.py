"""What gates of spills learn from where registers and spills are two views of one demand."""

from __future__ import annotations

import numpy as np

from costmodel.core.target import Target
from costmodel.models.context import context_names, encode_context
from costmodel.models.demand import register_limits, spill_targets

REGISTERS = np.array([20.0, 250.0, 255.0, 255.0, 64.0])
SPILLS = np.array([0.0, 0.0, 1.0, 900.0, 3000.0])
LIMITS = np.full(5, 255.0)


def targets(arch: str, metric: str = "spills", limits: np.ndarray = LIMITS) -> np.ndarray:
    scale = {"spills": 1.0, "stack_bytes": 4.0, "shared_bytes": 1.0}[metric]
    labels = {"registers_general": REGISTERS, metric: SPILLS * scale}
    return spill_targets(metric, labels, np.array([arch] * 5), limits)


def test_rows_near_the_limit_are_alike_and_order_follows_demand() -> None:
    found = targets("nvptx64")
    assert found[0] < 1e-6
    assert 0.4 < found[1] < 0.5 <= found[2] < 0.6
    assert found[3] > 0.99
    assert found[4] > 0.99
    assert np.allclose(found, targets("nvptx64", "stack_bytes"))


def test_what_spilled_stays_above_what_did_not_whatever_the_limit() -> None:
    for limit in (16.0, 64.0, 255.0, 1000.0):
        found = targets("nvptx64", limits=np.full(5, limit))
        assert found[:2].max() <= 0.5 <= found[2:].min()


def test_other_targets_metrics_and_unknown_limits_keep_zero_and_one() -> None:
    plain = (SPILLS > 0).astype(float)
    assert (targets("x86-64") == plain).all()
    assert (targets("nvptx64", "shared_bytes") == plain).all()
    assert (targets("nvptx64", limits=np.zeros(5)) == plain).all()
    assert (spill_targets("spills", {"spills": SPILLS}, np.array(["nvptx64"] * 5), LIMITS) == plain).all()
    unlabelled = {"spills": SPILLS, "registers_general": np.full(5, np.nan)}
    assert (spill_targets("spills", unlabelled, np.array(["nvptx64"] * 5), LIMITS) == plain).all()


def test_the_limit_is_the_targets_or_what_the_launch_leaves() -> None:
    names = ("static:gpu_cap", *context_names())
    context = encode_context(Target.parse("nvptx64/sm_90"))
    raw = np.stack([np.append(np.float32(cap), context) for cap in (255, 64, 1000, 0)])
    assert register_limits(names, raw).tolist() == [255.0, 64.0, 255.0, 0.0]
    assert register_limits(names[1:], raw[:, 1:]).tolist() == [0.0] * 4
