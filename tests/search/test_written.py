"""Blocks of functions that are written out: loops, vectors and scalars, or linalg without a schedule."""

from __future__ import annotations

import pytest

from costmodel.core.errors import UnsupportedError
from costmodel.core.target import Target
from costmodel.ir import read
from costmodel.ir.program import Function
from costmodel.models.bounds import BOUND_NAMES, bound_numbers
from costmodel.models.realised import WIDTHS, Block, realised
from costmodel.search.backends.mlir.kernel import KernelEmitter
from costmodel.search.features.blocks import text_blocks
from costmodel.search.features.written import blocks_of
from costmodel.search.kernel.partition import KernelCall, partition
from costmodel.search.kernel.read import read_function
from costmodel.search.schedule.plan import apply_schedule
from costmodel.search.schedule.text import parse_schedule

M, N, K = 48, 64, 96
MATMUL = f"""
func.func @matmul(%a: memref<{M}x{K}xf32>, %b: memref<{K}x{N}xf32>, %c: memref<{M}x{N}xf32>) {{
  affine.for %i = 0 to {M} {{
    affine.for %j = 0 to {N} {{
      affine.for %k = 0 to {K} {{
        %0 = affine.load %a[%i, %k] : memref<{M}x{K}xf32>
        %1 = affine.load %b[%k, %j] : memref<{K}x{N}xf32>
        %2 = affine.load %c[%i, %j] : memref<{M}x{N}xf32>
        %3 = arith.mulf %0, %1 : f32
        %4 = arith.addf %2, %3 : f32
        affine.store %4, %c[%i, %j] : memref<{M}x{N}xf32>
      }}
    }}
  }}
  return
}}"""
STRUCTURED = f"""
func.func @matmul(%a: tensor<{M}x{K}xf32>, %b: tensor<{K}x{N}xf32>, %c: tensor<{M}x{N}xf32>) -> tensor<{M}x{N}xf32> {{
  %r = linalg.generic {{indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>,
      affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]}}
    ins(%a, %b : tensor<{M}x{K}xf32>, tensor<{K}x{N}xf32>) outs(%c : tensor<{M}x{N}xf32>) {{
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }} -> tensor<{M}x{N}xf32>
  return %r : tensor<{M}x{N}xf32>
}}"""
SCHEDULES = (
    "v1; tile(level=register, n=8, m=2); vectorize(8)",
    "v1; tile(level=cache, n=20, m=20); tile(level=register, n=16, m=3); vectorize(16); unroll(k=4)",
    "v1; tile(level=cache, k=32); tile(level=register, n=8, m=4); pack(b); vectorize(8)",
)


def function(text: str) -> Function:
    return read(text).functions[0]


def hottest(text: str) -> Block:
    return max(blocks_of(function(text)), key=lambda block: block.executions)


def body(lines: str, arguments: str = "%a: memref<1024xf32>") -> str:
    return f"func.func @f({arguments}) {{\n{lines}\n  return\n}}"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_code_that_a_schedule_makes_has_the_blocks_that_the_schedule_promises(schedule: str) -> None:
    [step] = partition(read_function(function(STRUCTURED).operation)).steps
    assert isinstance(step, KernelCall)
    text = KernelEmitter(apply_schedule(step.kernel, parse_schedule(schedule))).emit().text
    assert blocks_of(function(text)) == text_blocks(text) == realised(function(STRUCTURED), schedule)


def test_a_loop_nest_counts_what_it_does() -> None:
    block = hottest(MATMUL)
    assert block.executions == M * N * K
    assert block.trips_known
    assert block.counts["scalar"] == 1  # the product is fused with the sum
    assert block.counts["scalar_load"] == 2  # the sum stays in a register
    assert block.chain == (0, 1, 0, 0)


def test_linalg_without_a_schedule_is_the_loops_that_it_is_lowered_to() -> None:
    loops, structured = hottest(MATMUL), hottest(STRUCTURED)
    assert structured.executions == loops.executions
    assert structured.chain == loops.chain
    assert structured.counts["scalar_load"] == loops.counts["scalar_load"]


def test_a_named_operation_has_loops_too() -> None:
    named = f"""linalg.matmul ins(%a, %b : memref<{M}x{K}xf32>, memref<{K}x{N}xf32>) outs(%c : memref<{M}x{N}xf32>)"""
    arguments = f"%a: memref<{M}x{K}xf32>, %b: memref<{K}x{N}xf32>, %c: memref<{M}x{N}xf32>"
    assert hottest(body(named, arguments)).executions == M * N * K


def test_a_sum_stays_in_memory_where_the_buffer_is_touched_otherwise() -> None:
    other = MATMUL.replace("affine.store %4", "affine.store %3, %c[%i, %k] : memref<48x64xf32>\n affine.store %4")
    assert hottest(other).counts["scalar_load"] == 3
    assert hottest(other).chain == (0, 0, 0, 0)


def test_vectors_of_several_dimensions_are_rows() -> None:
    lines = """
  %c0 = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32
  %v = vector.transfer_read %a[%c0, %c0], %pad {in_bounds = [true, true]} : memref<4x8xf32>, vector<4x8xf32>
  %w = arith.addf %v, %v : vector<4x8xf32>
  vector.transfer_write %w, %a[%c0, %c0] {in_bounds = [true, true]} : vector<4x8xf32>, memref<4x8xf32>"""
    [block] = blocks_of(function(body(lines, "%a: memref<4x8xf32>")))
    rows = tuple(4 * max(1, 8 * 32 // width) for width in WIDTHS)
    assert block.vectors["load"] == block.vectors["add"] == block.vectors["store"] == rows
    assert block.live[-1] >= 4


def test_a_contraction_is_a_product_for_each_row_of_it() -> None:
    maps = "[affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]"
    lines = f"""
  %r = vector.contract {{indexing_maps = {maps}, iterator_types = ["parallel", "parallel", "reduction"],
    kind = #vector.kind<add>}} %x, %y, %z : vector<4x2xf32>, vector<2x16xf32> into vector<4x16xf32>
  %c0 = arith.constant 0 : index
  vector.transfer_write %r, %a[%c0, %c0] {{in_bounds = [true, true]}} : vector<4x16xf32>, memref<4x16xf32>"""
    arguments = "%a: memref<4x16xf32>, %x: vector<4x2xf32>, %y: vector<2x16xf32>, %z: vector<4x16xf32>"
    [block] = blocks_of(function(body(lines, arguments)))
    assert block.vectors["fma"][WIDTHS.index(512)] == 4 * 2


@pytest.mark.parametrize(
    ("bounds", "executions", "known"),
    [
        ("affine.for %i = affine_map<(d) -> (d)>(%t) to affine_map<(d) -> (d + 8)>(%t)", 128, True),
        ("affine.for %i = affine_map<(d) -> (d)>(%t) to min affine_map<(d) -> (d + 8, 100)>(%t)", 16 * 32, False),
        ("affine.for %i = 0 to 8", 128, True),
    ],
)
def test_loops_over_tiles_run_as_often_as_the_tile_is_long(bounds: str, executions: float, known: bool) -> None:
    lines = f"""
  affine.for %t = 0 to 128 step 8 {{
    {bounds} {{
      %0 = affine.load %a[%i] : memref<1024xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %a[%i] : memref<1024xf32>
    }}
  }}"""
    found = blocks_of(function(body(lines)))
    work = sum(block.executions * block.counts.get("scalar_store", 0) for block in found)
    assert work == pytest.approx(executions, rel=0.51 if not known else 0)
    assert all(block.trips_known for block in found) is known


def test_what_nobody_asks_for_is_no_code() -> None:
    lines = "  %0 = affine.load %a[3] : memref<1024xf32>\n  %1 = arith.mulf %0, %0 : f32"
    kept = "  %c = affine.load %a[4] : memref<1024xf32>\n  affine.store %c, %a[5] : memref<1024xf32>"
    assert blocks_of(function(body(f"{lines}\n{kept}"))) == blocks_of(function(body(kept)))


def test_branches_run_half_the_time_and_empty_ones_are_none() -> None:
    lines = """
  %c = arith.constant 3 : index
  %x = memref.load %a[%c] : memref<1024xf32>
  scf.if %p {
    memref.store %x, %a[%c] : memref<1024xf32>
  }"""
    found = blocks_of(function(body(lines, "%a: memref<1024xf32>, %p: i1")))
    assert [block.executions for block in found if block.counts.get("scalar_store")] == [0.5]


def test_a_sum_goes_on_through_a_branch() -> None:
    lines = """
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 512 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%s = %zero) -> (f32) {
    %x = memref.load %a[%i] : memref<1024xf32>
    %c = arith.cmpf ogt, %x, %zero : f32
    %t = scf.if %c -> (f32) {
      %u = arith.addf %s, %x : f32
      scf.yield %u : f32
    } else {
      scf.yield %s : f32
    }
    scf.yield %t : f32
  }
  memref.store %r, %a[%c0] : memref<1024xf32>"""
    found = blocks_of(function(body(lines)))
    assert max(block.executions for block in found) == 512
    assert sum(block.executions * block.counts.get("scalar", 0) for block in found) == 512 * 1.5  # a test, half a sum


@pytest.mark.parametrize(
    "text",
    [
        "func.func @f(%a: i32) {\n  %0 = tt.get_program_id x : i32\n  return\n}",
        body("\n".join(f"affine.for %i{d} = 0 to 2 {{" for d in range(80)) + "}" * 80),
        '"func.func"() ({ "affine.store"() : () -> () }) {sym_name = "f", function_type = () -> ()} : () -> ()',
    ],
)
def test_what_cannot_be_counted_has_no_blocks(text: str) -> None:
    assert realised(function(text), None) == ()


def test_a_loop_without_bounds_runs_an_unknown_number_of_times() -> None:
    text = '"func.func"() ({ "scf.for"() ({ }) : () -> () }) {sym_name = "f", function_type = () -> ()} : () -> ()'
    assert not all(block.trips_known for block in realised(function(text), None))


def test_other_levels_are_refused_in_one_line() -> None:
    with pytest.raises(UnsupportedError, match="no func"):
        blocks_of(function("define void @f() {\n  ret void\n}"))


def test_sizes_follow_the_code_and_the_target() -> None:
    def told(text: str, target: str) -> dict[str, float]:
        numbers = bound_numbers(blocks_of(function(text)), Target.parse(target))
        return dict(zip(BOUND_NAMES, numbers.tolist(), strict=True))

    loops = MATMUL[MATMUL.index("  affine.for") : MATMUL.index("  return")]
    once, twice = (told(text, "x86-64/skylake-avx512") for text in (MATMUL, MATMUL.replace(loops, loops + loops)))
    assert twice["log_instructions_1"] > once["log_instructions_1"] + 0.8
    assert twice["log_cycles"] == pytest.approx(once["log_cycles"] + 1, abs=0.1)
    assert once["log_instructions_50"] > once["log_instructions_1"]
    assert told(MATMUL, "aarch64/neoverse-v2")["log_scalars"] == once["log_scalars"]
