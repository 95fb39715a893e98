"""What every backend promises, run over the registry."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from costmodel.core.errors import UnsupportedError
from costmodel.core.workers import WorkerPool
from costmodel.search.backends import BACKENDS
from costmodel.search.backends.protocol import Built
from costmodel.search.measure.calibrate import sample_kernel
from costmodel.search.measure.trial import Measured, MeasureSpec
from costmodel.search.schedule.text import parse_schedule

KERNEL = sample_kernel(24)
SCHEDULES = ("v1", "v1; vectorize(4)", "v1; tile(level=cache, m=7, n=16); tile(level=register, m=3, n=8); vectorize(8)")
SPEC = MeasureSpec(budget_s=0.005, max_samples=3, min_samples=3)


@pytest.fixture(scope="module", params=list(BACKENDS))
def backend(request):
    return BACKENDS.get(request.param)()


@pytest.fixture(scope="module")
def pool(backend):
    with WorkerPool(f"contract-{backend.name}", 1, preload=backend.preload) as pool:
        yield pool


def test_the_name_is_the_registered_one(backend):
    assert BACKENDS.get(backend.name) is type(backend)


def test_the_toolchain_is_stable_and_names_versions(backend):
    assert backend.toolchain() == type(backend)().toolchain()
    assert any(character.isdigit() for character in backend.toolchain())


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_realising_is_repeatable_and_orders_arguments(backend, schedule):
    first, second = (backend.realise(KERNEL, parse_schedule(schedule)) for _ in range(2))
    assert first == second
    assert first.text
    named = [(a.role, a.name) for a in first.arguments[:3]]
    assert named == [("input", "in0"), ("input", "in1"), ("output", "out0")]


def test_different_schedules_realise_differently(backend):
    assert len({backend.realise(KERNEL, parse_schedule(s)).text for s in SCHEDULES}) == len(SCHEDULES)


def test_an_illegal_schedule_is_refused_by_its_step(backend):
    with pytest.raises(UnsupportedError, match="names dimension 'q'"):
        backend.realise(KERNEL, parse_schedule("v1; tile(level=cache, q=8)"))


@pytest.mark.parametrize("task", ["build_task", "measure_task"])
def test_tasks_can_be_imported(backend, task):
    module, _, function = getattr(backend, task).partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("schedule", [None, *SCHEDULES], ids=["default", *SCHEDULES])
def test_what_is_built_is_measured_and_right(backend, pool, schedule):
    outcome = pool.call(backend.build_task, KERNEL, schedule, timeout_s=30.0)
    assert outcome.ok, outcome.cause
    built = outcome.value
    assert isinstance(built, Built)
    assert built.data
    assert built.ir_bytes > 0
    assert all(seconds >= 0 for seconds in built.seconds.values())
    prepared = pool.call("costmodel.search.measure.runner:prepare", KERNEL, "key", 0, None, timeout_s=30.0)
    assert prepared.ok, prepared.cause
    measured = pool.call(backend.measure_task, built, "key", SPEC, timeout_s=30.0).value
    assert isinstance(measured, Measured)
    assert measured.status == "ok", measured.cause
    assert np.all(np.array(measured.samples_s) > 0)
    assert measured.error_ratio < 1


@pytest.mark.parametrize("schedule", ["v1; tile(level=cache, q=8)", "v1; frobnicate(3)", ""])
def test_building_what_is_illegal_is_an_error_with_a_cause(backend, pool, schedule):
    outcome = pool.call(backend.build_task, KERNEL, schedule, timeout_s=30.0)
    assert outcome.status == "error"
    assert outcome.headline
