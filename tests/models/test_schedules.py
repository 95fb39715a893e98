"""What models read from a schedule text, and what a schedule, a function and a target give together."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.core.target import Target
from costmodel.models.context import context_names, encode_context
from costmodel.models.pairs import PAIR_NAMES, pair_numbers
from costmodel.models.schedules import SCHEDULE_SHAPE, schedule_shape

MATMUL = (
    "v1; fuse(consumers=1, depth=2); tile(level=cache, m=32, n=64); order(n, k, m); tile(level=register, n=32, m=6); "
    "pack(b); vectorize(16, dim=n); unroll(k=4)"
)
FUNCTION = {
    "static:nest_is_reduction": 1, "static:nest_bits_body": 32, "static:nest_bits_out": 32, "static:nest_inputs": 2,
    "static:nest_inputs_broadcast": 2, "static:nest_fused": 1, "static:nest_reduction": 64, "static:nest_points": 1e5,
}  # fmt: skip


def shape(text: str | None) -> dict[str, float]:
    return dict(zip(SCHEDULE_SHAPE, schedule_shape(text).tolist(), strict=True))


def pairs(target: str, schedule: str | None) -> dict[str, float]:
    names = (*FUNCTION, *context_names())
    context = encode_context(Target.parse(target), "schedule", schedule)
    raw = np.concatenate([list(FUNCTION.values()), context])[None].astype(np.float32)
    return dict(zip(PAIR_NAMES, pair_numbers(names, raw)[0].tolist(), strict=True))


def test_shape_of_a_product():
    found = shape(MATMUL)
    assert (found["lanes"], found["vector_size"], found["vectors"], found["rows"]) == (16, 32, 2, 6)
    assert (found["steps"], found["unroll"], found["body"]) == (12, 4, 48)
    assert (found["horizontal"], found["inner_is_vector"], found["inner_is_reduction"]) == (0, 0, 0)
    assert (found["packed"], found["pack_first"], found["pack_second"]) == (1, 0, 1)
    assert (found["producers"], found["consumers"], found["depth"]) == (0, 1, 2)
    assert (found["cache_tile"], found["cache_dims"], found["innermost_cache"]) == (2048, 2, 32)
    assert (found["dims"], found["reduction_dims"]) == (3, 1)


@pytest.mark.parametrize(
    ("text", "horizontal", "reduced"),
    [
        ("v1; order(m, k); tile(level=register, k=16); vectorize(8)", 1, 1),
        ("v1; order(oh, ow, f, kh, kw, c); tile(level=register, f=8)", 0, 3),
        ("v1; order(oh, ow, kh, kw, c); tile(level=register, c=8); vectorize(8)", 0, 2),  # depthwise: c is kept
        ("v1; order(kw_c, f, ow_i); vectorize(4)", 0, 1),
    ],
)
def test_reduced_dimensions_go_by_their_names(text, horizontal, reduced):
    found = shape(text)
    assert (found["horizontal"], found["reduction_dims"]) == (horizontal, reduced)


def test_no_schedule_and_foreign_text():
    assert not any(shape(None).values())
    assert shape("anything")["is_scheduled"] == 1
    assert shape("v1; tile(level=register, m=99999999999999)")["rows"] == 1


def test_body_of_a_product_on_wide_vectors():
    """6 rows of 2 vectors: 12 accumulators, 12 multiply-adds by 2 units, 6 broadcasts and 2 vectors by 2 loads."""
    found = pairs("x86-64/skylake-avx512", MATMUL)
    assert (found["split"], found["accumulators"], found["pressure"]) == (1, 12, 15)
    assert (found["work_cycles"], found["load_cycles"], found["latency_cycles"]) == (6, 4, 4)
    assert found["issue_cycles"] == pytest.approx((12 + 8 + 3) / 4)
    assert found["bound_cycles"] == 6
    assert found["port_share"] == 1
    assert found["overflow"] == 15 - 32


def test_narrow_vectors_split():
    """Sixteen floats are four vectors of 128 bits: 48 accumulators, more than there are registers."""
    found = pairs("aarch64/neoverse-n1", MATMUL)
    assert (found["split"], found["accumulators"]) == (4, 48)
    assert found["overflow"] > 0


def test_pairs_are_zero_without_a_schedule():
    assert not any(pairs("x86-64/znver4", None).values())
    assert not pair_numbers(("a", "b"), np.ones((2, 2), np.float32)).any()
