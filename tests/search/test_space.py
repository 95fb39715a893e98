"""Spaces: everything they hand out is legal, repeatable, and finds its way back from its schedule."""

from __future__ import annotations

import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.target import Target
from costmodel.core.workers import WorkerPool
from costmodel.search.backends.mlir.kernel import KernelEmitter
from costmodel.search.kernel.form import ELEMENT_BYTES
from costmodel.search.schedule.text import parse_schedule
from costmodel.search.space import build_space
from costmodel.search.space.heuristic import heuristic_schedule
from costmodel.search.space.inverse import candidate_of
from costmodel.search.space.knobs import ChoiceKnob, Micro, MicroKnob, PermutationKnob, log_range, subsets

sys.path.insert(0, str(Path(__file__).parent))
from kernel_samples import SMALL, family, kernel_of
from space_tasks import trace

sys.path.pop(0)

TARGETS = {128: "aarch64/generic", 256: "x86-64/haswell", 512: "x86-64/znver4"}
LARGE = {
    "matmul": {"m": 97, "n": 211, "k": 131},
    "conv2d_nchw": {"o": 31, "c": 17, "f": 23, "stride": 1},
    "softmax": {"m": 61, "n": 251},
}


def space_of(name, bits=512, **sizes):
    return build_space(family(name, **sizes), Target.parse(TARGETS[bits]))


def candidates(space, rng, count):
    """Samples, mutants of samples, and crossings of both."""
    drawn = [space.sample(rng) for _ in range(count)]
    drawn += [space.mutate(c, rng) for c in drawn]
    return drawn + [space.crossover(a, b, rng) for a, b in zip(drawn, drawn[::-1], strict=True)]


@pytest.mark.parametrize("bits", TARGETS)
@pytest.mark.parametrize("name", SMALL)
def test_every_candidate_is_legal_and_fits_the_vector_registers(name, bits):
    space = space_of(name, bits, **LARGE.get(name, {}))
    widest = max(ELEMENT_BYTES[b.dtype] for b in space.kernel.buffers)
    for candidate in candidates(space, np.random.default_rng(0), 12):
        schedule = space.schedule(candidate)
        assert parse_schedule(str(schedule)) == schedule
        plan = space.planner.plan(schedule)
        anchor = max((p for g in plan.groups for _, p in g.members), key=lambda p: p.lanes)
        assert anchor.lanes * widest * 8 <= bits


@pytest.mark.parametrize("name", SMALL)
def test_every_plan_gives_code(name):
    space = space_of(name)
    rng = np.random.default_rng(1)
    for _ in range(6):
        code = KernelEmitter(space.planner.plan(space.schedule(space.sample(rng)))).emit()
        assert code.text.startswith("func.func @kernel(")
        named = [(a.role, a.name) for a in code.arguments if a.role in ("input", "output")]
        kernel = space.kernel
        assert named == [("input", n) for n in kernel.inputs] + [("output", n) for n in kernel.outputs]


@pytest.mark.parametrize("name", SMALL)
def test_the_way_back_from_a_schedule(name):
    space = space_of(name, **LARGE.get(name, {}))
    for candidate in candidates(space, np.random.default_rng(2), 12):
        schedule = space.schedule(candidate)
        back = candidate_of(space, schedule)
        assert back is not None, str(schedule)
        assert space.schedule(back) == schedule


def test_a_schedule_from_elsewhere_has_no_candidate():
    space = space_of("matmul")
    assert candidate_of(space, parse_schedule("v1; tile(level=register, m=3, n=9999); vectorize(16)")) is None
    assert candidate_of(space, parse_schedule("v1; unroll(k=7)")) is None


def test_the_same_seed_gives_the_same_trace_also_in_another_process():
    here = trace("matmul", 7, 30)
    assert here == trace("matmul", 7, 30)
    assert here != trace("matmul", 8, 30)
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        with WorkerPool("space", 1) as pool:
            there = pool.call("space_tasks:trace", "matmul", 7, 30, timeout_s=60)
    finally:
        sys.path.pop(0)
    assert there.ok, there.cause
    assert there.value == here


@pytest.mark.parametrize("name", SMALL)
def test_the_heuristic_schedule_is_legal_on_every_target(name):
    for bits in TARGETS:
        space = space_of(name, bits, **LARGE.get(name, {}))
        schedule = heuristic_schedule(space)
        space.planner.plan(schedule)
        assert parse_schedule(str(schedule)) == schedule


def test_the_heuristic_vectorizes_and_packs_a_matmul():
    schedule = heuristic_schedule(space_of("matmul", **LARGE["matmul"]))
    assert schedule.find("vectorize").args == (16,)
    assert schedule.find("pack").args == ("b",)
    assert schedule.find("tile", "register") is not None


def test_encodings_have_one_length_and_tell_candidates_apart():
    space = space_of("matmul", **LARGE["matmul"])
    drawn = candidates(space, np.random.default_rng(3), 20)
    codes = {c: space.encode(c) for c in drawn}
    assert len({len(v) for v in codes.values()}) == 1
    assert len(set(codes.values())) == len(codes)


def test_a_kernel_with_one_element_has_a_space_of_one():
    space = space_of("matmul", m=1, n=1, k=1)
    assert space.log10_size == 0.0
    rng = np.random.default_rng(0)
    only = space.sample(rng)
    assert space.mutate(only, rng) == only
    assert str(space.schedule(only)) == "v1"


# -- knobs -------------------------------------------------------------------------------------------------------


def test_a_choice_s_neighbours_are_adjacent():
    knob = ChoiceKnob("unroll.k", (1, 2, 4, 8))
    rng = np.random.default_rng(0)
    assert {knob.neighbour(2, rng) for _ in range(40)} == {1, 4}
    assert {knob.neighbour(8, rng) for _ in range(40)} == {4}
    assert {knob.sample(rng) for _ in range(60)} == set(knob.values)
    assert [knob.encode(v) for v in (1, 8)] == [(0.0,), (1.0,)]
    assert ChoiceKnob("x", (3,)).neighbour(3, rng) == 3


def test_a_permutation_s_neighbours_differ_by_one_exchange():
    knob = PermutationKnob("order", ("m", "n", "k"))
    rng = np.random.default_rng(0)
    near = {knob.neighbour(("m", "n", "k"), rng) for _ in range(60)}
    assert near == {("n", "m", "k"), ("k", "n", "m"), ("m", "k", "n")}
    assert knob.size == 6
    assert {knob.sample(rng) for _ in range(100)} == set(permutations("mnk"))
    assert PermutationKnob("order", ("m",)).neighbour(("m",), rng) == ("m",)


def test_a_tile_s_neighbours_are_near_and_others():
    tiles = tuple(Micro("n", 4, (("n", 4 * v), ("m", r))) for v in (1, 2, 4, 8) for r in (2, 4, 8, 16))
    knob = MicroKnob("micro", tiles, ("m", "n"))
    rng = np.random.default_rng(0)
    near = {knob.neighbour(tiles[0], rng) for _ in range(300)}
    assert tiles[0] not in near
    assert tiles[-1] not in near
    assert tiles[1] in near
    assert knob.size == 16


def test_ranges_and_subsets():
    assert log_range(1, 9) == (1, 2, 4, 8)
    assert log_range(4, 4) == ()
    assert subsets(["a", "b"]) == ((), ("a",), ("b",), ("a", "b"))


@pytest.mark.parametrize("sizes", ["2x3", "1x3", "2x1"])
def test_candidates_without_vectors_of_a_transposed_pooling_are_legal(sizes):
    n, c = map(int, sizes.split("x"))
    text = f"""
func.func @f(%x: tensor<{n}x{c}x4x4xf32>, %w: tensor<2x2xf32>) -> tensor<{n}x2x2x{c}xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{n}x{c}x2x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<{n}x{c}x2x2xf32>) -> tensor<{n}x{c}x2x2xf32>
  %p = linalg.pooling_nchw_sum {{strides = dense<2> : vector<2xi64>}}
    ins(%x, %w : tensor<{n}x{c}x4x4xf32>, tensor<2x2xf32>) outs(%f : tensor<{n}x{c}x2x2xf32>) -> tensor<{n}x{c}x2x2xf32>
  %t = tensor.empty() : tensor<{n}x2x2x{c}xf32>
  %r = linalg.transpose ins(%p : tensor<{n}x{c}x2x2xf32>) outs(%t : tensor<{n}x2x2x{c}xf32>) permutation = [0, 2, 3, 1]
  return %r : tensor<{n}x2x2x{c}xf32>
}}"""
    space = build_space(kernel_of(text), Target.parse("x86-64/znver4"))
    for candidate in candidates(space, np.random.default_rng(0), 40):
        space.planner.plan(parse_schedule(space.text(candidate)))
