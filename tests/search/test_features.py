"""Features: as many as their names, finite, blind to names, and moved by what they describe."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.target import Target
from costmodel.search.backends.mlir.kernel import KernelEmitter
from costmodel.search.features import IR_FEATURES, PLAN_FEATURES, ir_features, plan_features
from costmodel.search.features.traffic import Loop, footprint_bytes, level_traffic
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
    assert feature("lanes", "v1; vectorize(8)") == 3
    assert feature("rows", "v1; tile(level=register, m=4, n=8); vectorize(4)") == 4
    assert feature("vectors", "v1; tile(level=register, m=4, n=8); vectorize(4)") == 2
    assert feature("packed_reads", "v1; pack(a, b); vectorize(4)") == 2
    assert feature("unroll", "v1; unroll(k=4)") == 4
    assert feature("reduction_split", "v1; tile(level=cache, k=4)") == 1
    assert feature("vector_is_reduction", "v1; vectorize(4, dim=k)") == 1
    assert feature("shared_depth", "v1; fuse(depth=1); vectorize(4)", "softmax") == 1


def test_vector_utilisation_is_the_share_of_lanes_that_work():
    assert feature("vector_utilisation", "v1; vectorize(16)", n=17) == pytest.approx(17 / 32)
    assert feature("vector_utilisation", "v1; vectorize(16)", n=32) == 1.0


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


# -- traffic -----------------------------------------------------------------------------------------------------


def test_footprints_count_lines():
    rows = FlatAccess("b", (("i", 1024), ("j", 1)))
    assert footprint_bytes(rows, {"i": 8, "j": 16}, 4, packed=False) == 8 * 64
    assert footprint_bytes(rows, {"i": 8, "j": 64}, 4, packed=False) == 8 * 256
    assert footprint_bytes(rows, {"i": 8, "j": 1}, 4, packed=False) == 8 * 64
    assert footprint_bytes(rows, {"i": 8, "j": 16}, 4, packed=True) == 8 * 64
    assert footprint_bytes(rows, {"i": 8, "j": 1}, 4, packed=True) == 64


def test_what_fits_moves_once_and_what_does_not_moves_again():
    access = FlatAccess("b", (("k", 1),))
    loops = [Loop("m", 10, 1), Loop("k", 1000, 1)]
    spans = {"m": 10, "k": 1000}
    fits, too_small = level_traffic([(access, 4, False)], loops, spans, (1 << 20, 2048))
    assert fits == 4000
    assert too_small == 10 * fits or too_small > 5 * fits
