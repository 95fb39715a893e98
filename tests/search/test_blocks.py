"""Blocks that a schedule makes of a kernel, counted without compiling it."""

from __future__ import annotations

import pytest

from costmodel.core.errors import UnsupportedError
from costmodel.ir import read
from costmodel.ir.program import Function
from costmodel.models.realised import WIDTHS, Block, realised
from costmodel.search.features.blocks import blocks_of

PLAIN = "v1; tile(level=register, n=8, m=2); vectorize(8)"


def product(m: int = 64, n: int = 64, k: int = 512, dtype: str = "f32", branch: str = "") -> Function:
    maps = ", ".join(f"affine_map<(d0, d1, d2) -> {r}>" for r in ("(d0, d2)", "(d2, d1)", "(d0, d1)"))
    a, b, c = (f"tensor<{x}x{y}x{dtype}>" for x, y in ((m, k), (k, n), (m, n)))
    return read(
        f"""func.func @kernel(%a: {a}, %b: {b}) -> {c} {{
  %zero = arith.constant 0.0 : {dtype}
  %empty = tensor.empty() : {c}
  %init = linalg.fill ins(%zero : {dtype}) outs(%empty : {c}) -> {c}
  {branch}
  %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel", "parallel", "reduction"]}}
    ins(%a, %b : {a}, {b}) outs(%init : {c}) {{
  ^bb0(%x: {dtype}, %y: {dtype}, %z: {dtype}):
    %p = arith.mulf %x, %y : {dtype}
    %s = arith.addf %z, %p : {dtype}
    linalg.yield %s : {dtype}
  }} -> {c}
  return %r : {c}
}}"""
    ).functions[0]


def hottest(schedule: str, function: Function | None = None) -> Block:
    return max(blocks_of(function or product(), schedule), key=lambda block: block.executions)


def test_a_register_tile_is_counted_by_width() -> None:
    block = hottest(PLAIN)
    assert block.vectors["fma"] == tuple(2 * max(1, 8 * 32 // width) for width in WIDTHS)
    assert block.vectors["load"] == tuple(max(1, 8 * 32 // width) for width in WIDTHS)
    assert block.executions == 512 * 64 / 2
    assert block.chain == (1, 0, 0, 0)


def test_a_short_loop_around_a_long_one_is_unrolled_too() -> None:
    """As LLVM 22 does: eight loops over k stand in the machine code of all four targets, no loop over n."""
    hot = [block for block in blocks_of(product(), PLAIN) if block.vectors.get("fma")]
    assert len(hot) == 64 // 8
    assert {block.executions for block in hot} == {512 * 64 / 2}
    assert [block.copies[0] for block in hot] == [4] * 8  # of fused multiply-adds on neoverse-v2


def test_a_loop_beyond_the_threshold_stays_one() -> None:
    wide = [block for block in blocks_of(product(n=1024), PLAIN) if block.vectors.get("fma")]
    assert [block.executions for block in wide] == [512 * 1024 / 8 * 64 / 2]


def test_unrolling_the_reduction_lengthens_the_chain_and_shortens_the_loop() -> None:
    plain, unrolled = (hottest(schedule, product(n=1024)) for schedule in (PLAIN, PLAIN + "; unroll(k=4)"))
    assert unrolled.executions * 4 == plain.executions
    assert unrolled.chain == (4, 0, 0, 0)
    assert unrolled.vectors["fma"] == tuple(4 * n for n in plain.vectors["fma"])


def test_work_does_not_hang_on_how_it_is_tiled() -> None:
    for schedule in (PLAIN, "v1; tile(level=cache, k=64, n=32); " + PLAIN[4:]):
        total = sum(
            block.executions * block.vectors.get("fma", (0,) * 4)[1] for block in blocks_of(product(), schedule)
        )
        assert total == 64 * 64 * 512 / 4


def test_a_tile_that_is_cut_off_has_unknown_trips() -> None:
    blocks = blocks_of(product(m=50), "v1; tile(level=cache, m=16); tile(level=register, n=8, m=2); vectorize(8)")
    assert not all(block.trips_known for block in blocks)
    assert all(block.trips_known for block in blocks_of(product(), PLAIN))


def test_a_short_loop_is_part_of_the_code_around_it() -> None:
    assert len(blocks_of(product(k=4), PLAIN)) < len(blocks_of(product(k=512), PLAIN))


def test_arithmetic_on_half_floats_is_counted_by_lane() -> None:
    block = hottest(PLAIN, product(dtype="f16"))
    assert block.counts["f16_lanes"] == 16
    assert "fma" not in block.vectors


def test_wide_tiles_want_more_registers() -> None:
    wide = hottest("v1; tile(level=register, n=32, m=8); vectorize(8)")
    assert wide.live[1] > hottest(PLAIN).live[1] > 4


@pytest.mark.parametrize("schedule", ["v1; tile(level=register, nowhere=8)", "nonsense(", "v1; pack(z)"])
def test_a_schedule_that_does_not_fit_makes_nothing(schedule: str) -> None:
    assert realised(product(), schedule) == ()


def test_no_schedule_is_the_loops_that_it_is_lowered_to() -> None:
    assert max(block.executions for block in realised(product(), None)) == 64 * 64 * 512


def test_a_needless_branch_changes_nothing() -> None:
    split = product(branch="cf.br ^next\n^next:")
    assert blocks_of(split, PLAIN) == blocks_of(product(), PLAIN)
    assert realised(split, None) == realised(product(), None)


def test_other_functions_make_nothing() -> None:
    llvm = read("define i32 @f(i32 %a) {\n  %b = add i32 %a, 1\n  ret i32 %b\n}\n").functions[0]
    assert realised(llvm, PLAIN) == ()


def test_a_tile_beyond_reason_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="too long to count"):
        blocks_of(product(), "v1; tile(level=register, n=64, m=64); vectorize(4); unroll(k=512)")
