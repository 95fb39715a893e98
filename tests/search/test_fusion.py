"""Fused or not, the numbers are the same, and what is a result is written."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pytest

from costmodel.search.kernel.fusion import fuse_consumers, fuse_producers
from costmodel.search.kernel.nest import loop_program
from costmodel.search.schedule.plan import Planner, reuse_outputs, sharable_dims

sys.path.insert(0, str(Path(__file__).parent))
from kernel_extras import EXTRAS
from kernel_samples import assert_right, family, kernel_of, measurer

sys.path.pop(0)

FUSABLE = {
    "matmul_bias_relu": (0, 1),
    "softmax": (1, 0),
    "both_are_results": (1, 0),
    "elementwise_chain": (0, 0),
    "layer_norm": (0, 1),
    "matmul": (0, 0),
}


@pytest.fixture(scope="module")
def measure():
    with measurer() as found:
        yield found


def kernel_named(name):
    return kernel_of(EXTRAS[name]) if name in EXTRAS else family(name)


@pytest.mark.parametrize("name", FUSABLE)
def test_how_many_producers_and_consumers_can_be_fused(name):
    assert Planner(kernel_named(name)).fusable() == FUSABLE[name]


@pytest.mark.parametrize(
    "name",
    [
        "matmul_bias_relu",
        "softmax",
        "layer_norm",
        "elementwise_chain",
        "both_are_results",
        "product_is_a_result",
        "exponentials_are_a_result",
        "matmul_to_i1",
        "stencil",
        "differences",
    ],
)
def test_fused_or_not_the_numbers_are_the_same(measure, name):
    kernel = kernel_named(name)
    planner = Planner(kernel)
    producers, consumers = planner.fusable()
    schedules = [
        f"v1; fuse(producers={p}, consumers={c}, depth={d}); vectorize(4)"
        for p, c, d in product(range(producers + 1), range(consumers + 1), range(planner.max_depth() + 1))
    ]
    assert_right(measure, kernel, schedules[:10])


def test_two_elementwise_stages_become_one_nest():
    program = loop_program(kernel_of(EXTRAS["both_are_results"]))
    assert len(program.nests) == 2
    fused = fuse_producers(program, 2)
    assert [[op.name for op in n.ops] for n in fused.nests] == [["math.exp", "arith.addf"]]
    assert {a.buffer for a in fused.nests[0].reads} == set(program.kernel.inputs)
    assert {w.access.buffer for w in fused.nests[0].writes} == set(program.kernel.outputs)


def test_a_consumer_becomes_the_epilogue_of_its_reduction():
    program = loop_program(family("matmul_bias_relu"))
    fused = fuse_consumers(program, 5)
    (nest,) = fused.nests
    assert nest.combine == "arith.addf"
    assert len(nest.ops) == nest.pre + 2
    assert [w.access.buffer for w in nest.writes] == list(program.kernel.outputs)


def test_a_result_that_is_also_read_is_still_written():
    program = loop_program(kernel_of(EXTRAS["product_is_a_result"]))
    (nest,) = fuse_consumers(program, 1).nests
    assert {w.access.buffer for w in nest.writes} == set(program.kernel.outputs)
    program = loop_program(kernel_of(EXTRAS["exponentials_are_a_result"]))
    (nest,) = fuse_producers(program, 1).nests
    assert {w.access.buffer: w.inside for w in nest.writes} == {"out0": True, "out1": False}


def test_a_shifted_reader_is_not_fused():
    for name in ("stencil", "differences"):
        program = loop_program(kernel_of(EXTRAS[name]))
        assert len(fuse_producers(program, 3).nests) == len(program.nests) == 2


def test_what_is_read_twice_later_is_not_fused_into_one_reader():
    program = loop_program(family("softmax"))
    for nest in fuse_producers(fuse_consumers(program, 9), 9).nests:
        writes = [w.access.buffer for w in nest.writes]
        assert len(writes) == len(set(writes))


def test_an_output_takes_the_place_of_the_temporary_it_is_computed_from():
    program = loop_program(family("softmax"))
    reused = reuse_outputs(program)
    temporaries = {b.name for b in program.kernel.buffers} - {*program.kernel.inputs, *program.kernel.outputs}
    before, after = ({a.buffer for n in p.nests for a in n.accesses} & temporaries for p in (program, reused))
    assert len(after) < len(before)


def test_a_reader_of_a_later_tile_does_not_share_its_loop(measure):
    """The middle of a row is written, then read five elements on: tile by tile it would not be there yet."""
    kernel = kernel_of(EXTRAS["ahead"])
    program = loop_program(kernel)
    writer, reader = program.nests[-2:]
    assert writer.parallel == reader.parallel
    assert sharable_dims(program) == set()
    assert_right(measure, kernel, ["v1; fuse(depth=1); vectorize(4)"])


def test_a_buffer_read_transposed_is_not_overwritten_tile_by_tile(measure):
    kernel = kernel_of(EXTRAS["symmetric"])
    assert sharable_dims(Planner(kernel).program(0, 0)) == set()
    assert_right(measure, kernel, ["v1; fuse(depth=2); vectorize(4)"])


def test_fusing_nothing_changes_nothing():
    program = loop_program(family("softmax"))
    assert fuse_producers(program, 0) == fuse_consumers(program, 0) == program
