"""Features: as many as their names, finite, blind to names, and moved by what they describe."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.target import Target
from costmodel.search.backends.mlir.kernel import KernelEmitter
from costmodel.search.features import (
    IR_FEATURES,
    PLAN_FEATURES,
    features_of_candidates,
    ir_features,
    plan_features,
)
from costmodel.search.features.boxes import Boxes, footprint, packed_size, traffic
from costmodel.search.features.columns import columns_of_plans
from costmodel.search.features.encoding import columns_of_candidates
from costmodel.search.kernel.nest import FlatAccess
from costmodel.search.schedule.plan import apply_schedule
from costmodel.search.schedule.text import parse_schedule
from costmodel.search.space import build_space

sys.path.insert(0, str(Path(__file__).parent))
from kernel_samples import SMALL, family

sys.path.pop(0)

TARGET = Target.parse("x86-64/znver4")


def plan_of(schedule, name="matmul", **sizes):
    return apply_schedule(family(name, **sizes), parse_schedule(schedule))


def feature(name, schedule, kernel="matmul", **sizes):
    return plan_features(plan_of(schedule, kernel, **sizes), TARGET)[PLAN_FEATURES.index(name)]


def counted(name, schedule):
    text = KernelEmitter(plan_of(schedule)).emit().text
    return 2 ** ir_features(text)[IR_FEATURES.index(name)] - 1


@pytest.mark.parametrize("name", SMALL)
def test_there_are_as_many_as_names_and_all_are_finite(name):
    space = build_space(family(name), TARGET)
    rng = np.random.default_rng(0)
    for _ in range(8):
        plan = space.planner.plan(space.schedule(space.sample(rng)))
        numbers = plan_features(plan, TARGET)
        assert len(numbers) == len(PLAN_FEATURES) == len(set(PLAN_FEATURES))
        assert np.isfinite(numbers).all()
        numbers = ir_features(KernelEmitter(plan).emit().text)
        assert len(numbers) == len(IR_FEATURES) == len(set(IR_FEATURES))
        assert np.isfinite(numbers).all()


def test_names_do_not_matter():
    kernel = family("matmul")
    renamed = {b.name: f"x_{b.name}" for b in kernel.buffers}

    def change(access):
        return replace(access, buffer=renamed[access.buffer])

    stages = tuple(
        replace(s, reads=tuple(map(change, s.reads)), writes=tuple(map(change, s.writes))) for s in kernel.stages
    )
    other = replace(
        kernel,
        buffers=tuple(replace(b, name=renamed[b.name]) for b in kernel.buffers),
        inputs=tuple(renamed[n] for n in kernel.inputs),
        outputs=tuple(renamed[n] for n in kernel.outputs),
        stages=stages,
    )
    schedule = parse_schedule("v1; tile(level=register, m=2, n=8); pack(b); vectorize(8)")
    first, second = (plan_features(apply_schedule(k, schedule), TARGET) for k in (kernel, other))
    assert first == second


def test_what_a_schedule_says_is_seen():
    assert feature("lanes", "v1; vectorize(8)") == 8
    assert feature("log_rows", "v1; tile(level=register, m=4, n=8); vectorize(4)") == pytest.approx(np.log2(5))
    assert feature("log_vectors", "v1; tile(level=register, m=4, n=8); vectorize(4)") == pytest.approx(np.log2(3))
    assert feature("packed_reads", "v1; pack(a, b); vectorize(4)") == 2
    assert feature("log_unroll", "v1; unroll(k=4)") == pytest.approx(np.log2(5))
    assert feature("log_passes", "v1; tile(level=cache, k=4)", k=8) == pytest.approx(np.log2(3))
    assert feature("horizontal", "v1; vectorize(4, dim=k)") == 1
    assert feature("shared_depth", "v1; fuse(depth=1); vectorize(4)", "softmax") == 1


def test_vector_utilisation_is_the_share_of_lanes_that_work():
    assert feature("utilisation", "v1; vectorize(16)", n=17) == pytest.approx(17 / 32)
    assert feature("utilisation", "v1; vectorize(16)", n=32) == 1.0


def test_tails_are_seen():
    assert feature("tail_share", "v1; tile(level=register, m=4)", m=8) == 0
    assert feature("tail_share", "v1; tile(level=register, m=4)", m=7) == pytest.approx(3 / 7)


def test_targets_are_seen():
    plan = plan_of("v1; vectorize(8)")
    small = Target.parse("aarch64/generic")
    assert plan_features(plan, TARGET) != plan_features(plan, small)


def test_operations_of_the_text_are_counted():
    assert counted("log_math.fma", "v1; tile(level=register, m=7, n=19)") == pytest.approx(7 * 19)
    assert counted("log_scf.for", "v1") == pytest.approx(3)
    assert counted("log_vector.gather", "v1; vectorize(4, dim=m)") > 0


# -- columns -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_columns_of_candidates_are_those_of_their_plans(name):
    space = build_space(family(name), TARGET)
    rng = np.random.default_rng(1)
    candidates = [space.sample(rng) for _ in range(60)]
    candidates += [space.mutate(c, rng) for c in candidates]
    plans = [space.planner.plan(space.schedule(c)) for c in candidates]
    slow, fast = (by_row(g) for g in (columns_of_plans(plans), columns_of_candidates(space, candidates)))
    assert sorted(slow) == sorted(fast) == list(range(len(candidates)))
    for row, nests in slow.items():
        for of_plan, of_knobs in zip(nests, fast[row], strict=True):
            for column, numbers in of_plan.items():
                assert np.array_equal(numbers, of_knobs[column]), (column, space.text(candidates[row]))


def by_row(groups):
    names = ("shared", "cache", "register", "unroll", "place", "vector", "lanes", "pack")
    return {
        int(row): [{n: np.asarray(getattr(c, n))[..., at] for n in names} for c in group.nests]
        for group in groups
        for at, row in enumerate(group.index)
    }


def test_a_batch_gives_what_each_alone_gives():
    space = build_space(family("softmax"), TARGET)
    rng = np.random.default_rng(2)
    candidates = [space.sample(rng) for _ in range(24)]
    alone = [plan_features(space.planner.plan(space.schedule(c)), TARGET) for c in candidates]
    np.testing.assert_allclose(features_of_candidates(space, candidates), alone, rtol=1e-5, atol=1e-5)


def test_no_candidates_give_no_rows():
    assert features_of_candidates(build_space(family("matmul"), TARGET), []).shape == (0, len(PLAN_FEATURES))


# -- memory ------------------------------------------------------------------------------------------------------


def boxes_of(schedule, name="matmul", **sizes):
    (group,) = columns_of_plans([plan_of(schedule, name, **sizes)])
    columns = group.nests[0]
    return columns, Boxes.of(columns)


def test_footprints_count_lines():
    columns, boxes = boxes_of("v1", m=8, n=16, k=4)
    outside = {"m": 8, "n": 16}
    wide, narrow = (FlatAccess("b", (("m", stride), ("n", 1))) for stride in (1024, 16))
    assert {d: boxes.spans[columns.nest.dims.index(d)][0, 0] for d in outside} == outside
    assert footprint(wide, boxes, columns.nest.dims, 4, 64).size[0, 0] == 8 * 64
    assert footprint(narrow, boxes, columns.nest.dims, 4, 64).size[0, 0] == 8 * 16 * 4
    assert footprint(narrow, boxes, columns.nest.dims, 4, 64).run[0] == 8 * 16 * 4
    assert packed_size(wide, boxes, columns.nest.dims, 4)[0, 0] == 8 * 16 * 4


def test_what_fits_does_not_move_and_what_does_not_moves_again():
    columns, boxes = boxes_of("v1; order(m, n, k)", m=10, n=64, k=64)
    access = FlatAccess("b", (("n", 1), ("k", 64)))
    size = footprint(access, boxes, columns.nest.dims, 4, 64).size
    assert size[0, 0] == 64 * 64 * 4
    fits, small = (traffic([access], [size], boxes, columns.nest.dims, c)[0][0][0] for c in (1 << 20, 8192))
    assert fits == 0
    assert small >= 10 * size[0, 0]


def test_smaller_tiles_move_more():
    moved = [feature("log_cycles_l1", f"v1; tile(level=register, m={m}, n=16); vectorize(16)", m=512, n=512, k=512)
             for m in (1, 8)]  # fmt: skip
    assert moved[0] > moved[1]
