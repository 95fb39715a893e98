"""What bounds the blocks that a schedule makes."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.core.target import Target, target_names
from costmodel.models.bounds import BOUND_NAMES, bound_numbers
from costmodel.models.context import context_names, context_rows
from costmodel.models.realised import Block

V2 = Target.parse("aarch64/neoverse-v2")


def block(fma: int = 8, load: int = 2, *, executions: float = 100.0, chain: float = 0.0) -> Block:
    return Block(
        executions=executions, trips_known=True, vectors={"fma": (fma,) * 4, "load": (load,) * 4},
        counts={"loop": 1}, chain=(chain, 0.0, 0.0, 0.0), depth=12.0,
    )  # fmt: skip


def told(*blocks: Block, target: Target = V2) -> dict[str, float]:
    return dict(zip(BOUND_NAMES, bound_numbers(blocks, target).tolist(), strict=True))


def test_nothing_is_told_without_blocks() -> None:
    assert not bound_numbers((), V2).any()
    assert not bound_numbers((block(),), Target.parse("nvptx64/sm_90")).any()
    assert np.isfinite(bound_numbers((block(executions=0.0),), V2)).all()


def test_a_chain_leaves_units_idle() -> None:
    free, bound = told(block(40)), told(block(40, chain=32.0))
    assert bound["utilisation"] < free["utilisation"]
    assert bound["chain"] == pytest.approx(1.0)


def test_many_products_fill_the_units() -> None:
    assert told(block(400, 0))["utilisation"] == pytest.approx(1.0)
    assert told(block(400, 0))["utilisation"] > told(block(2, 2))["utilisation"]


def test_blocks_count_by_their_cycles() -> None:
    idle = block(8, chain=64.0)
    busy = block(400, 0, executions=1e6)
    assert told(busy, idle)["utilisation"] == pytest.approx(1.0, abs=0.01)
    assert told(busy, idle)["share_first"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", [name for name in target_names() if name != "native"])
def test_numbers_are_finite_on_every_target(name: str) -> None:
    wild = block(10**9, 10**9, executions=1e300, chain=1e9)
    numbers = bound_numbers((wild, Block(executions=0.0, trips_known=False)), Target.parse(name))
    assert np.isfinite(numbers).all()
    assert numbers[0] <= 1.0 + 1e-6


def test_they_stand_in_the_context_of_their_row_only() -> None:
    rows = [(V2, "schedule", "v1; vectorize(4)")] * 2
    found = context_rows(rows, [(block(),), ()])
    places = [i for i, name in enumerate(context_names()) if name.startswith("schedule:bound_")]
    assert found[0, places].any()
    assert not found[1, places].any()
    np.testing.assert_array_equal(found[1], context_rows(rows)[1])
