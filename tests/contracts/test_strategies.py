"""What every strategy promises, run over the registry."""

from __future__ import annotations

import builtins
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.target import Target
from costmodel.core.workers import WorkerPool
from costmodel.search.space import build_space
from costmodel.search.strategies import STRATEGIES, Scores

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))
from space_tasks import cost, matmul, scores, search_trace

TASKS = sys.path.pop(0)


@pytest.fixture(scope="module")
def space():
    return build_space(matmul(), Target.parse("x86-64/znver4"))


@pytest.fixture(scope="module")
def tiny():
    return build_space(matmul(1, 1, 3), Target.parse("x86-64/znver4"))


@pytest.fixture(params=list(STRATEGIES))
def make(request):
    return lambda space, seed=0: STRATEGIES.get(request.param)(space, np.random.default_rng(seed))


def scorer(space):
    return lambda candidates: scores(space, candidates)


def texts(space, candidates):
    return [str(space.schedule(c)) for c in candidates]


def test_it_asks_for_distinct_legal_schedules(make, space):
    asked = make(space).ask(32, scorer(space))
    assert len(asked) == len(set(texts(space, asked))) == 32
    for candidate in asked:
        space.planner.plan(space.schedule(candidate))


def test_it_never_asks_again_for_what_it_was_told(make, space):
    strategy = make(space)
    seen: set[str] = set()
    for _ in range(3):
        batch = strategy.ask(16, scorer(space))
        assert not seen & set(texts(space, batch))
        seen |= set(texts(space, batch))
        strategy.tell([(c, cost(space, c)) for c in reversed(batch)])


def test_it_never_asks_for_what_it_shall_skip(make, tiny):
    everything = {str(tiny.schedule(tiny.sample(np.random.default_rng(i)))) for i in range(100)}
    first = sorted(everything)[0]
    strategy = make(tiny)
    strategy.skip([first])
    assert first not in texts(tiny, strategy.ask(100, scorer(tiny)))


def test_failures_are_taken_in(make, space):
    strategy = make(space)
    for _ in range(2):
        batch = strategy.ask(8, scorer(space))
        strategy.tell([(c, None) for c in batch])
    strategy.tell([])
    assert len(strategy.ask(8, scorer(space))) == 8


def test_an_exhausted_space_ends(make, tiny):
    strategy = make(tiny)
    seen: list[str] = []
    for _ in range(3):
        batch = strategy.ask(16, scorer(tiny))
        seen += texts(tiny, batch)
        strategy.tell([(c, 1.0) for c in batch])
    assert len(seen) == len(set(seen))
    assert strategy.ask(16, scorer(tiny)) == []
    everything = {str(tiny.schedule(tiny.sample(np.random.default_rng(i)))) for i in range(100)}
    assert set(seen) == everything


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_the_same_seed_gives_the_same_trace_also_in_another_process(name):
    here = search_trace(name, 3)
    assert here == search_trace(name, 3)
    assert here != search_trace(name, 4)
    sys.path.insert(0, TASKS)
    try:
        with WorkerPool("strategies", 1) as pool:
            there = pool.call("space_tasks:search_trace", name, 3, timeout_s=60)
    finally:
        sys.path.remove(TASKS)
    assert there.ok, there.cause
    assert there.value == here


def test_it_reads_no_clock_opens_no_file_and_leaves_global_randomness_alone(make, space, monkeypatch):
    strategy = make(space)

    def refuse(*args, **kwargs):
        raise AssertionError("a strategy does no I/O and reads no clock")

    for name in ("time", "monotonic", "perf_counter", "process_time", "sleep"):
        monkeypatch.setattr(time, name, refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - that it stays as it is is the point
    batch = strategy.ask(8, scorer(space))
    strategy.tell([(c, cost(space, c)) for c in batch])
    strategy.ask(8, scorer(space))
    monkeypatch.undo()
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_it_says_whether_it_uses_the_model(make, space):
    asked = []

    def count(candidates):
        asked.append(len(candidates))
        return scores(space, candidates)

    strategy = make(space)
    strategy.ask(8, count)
    assert bool(asked) == strategy.uses_model


def test_with_a_right_model_the_first_of_a_batch_is_predicted_best(space):
    for name in STRATEGIES:
        if not STRATEGIES.get(name).uses_model:
            continue
        strategy = STRATEGIES.get(name)(space, np.random.default_rng(0))
        batch = strategy.ask(16, scorer(space))
        bounds = scores(space, batch).bound(0.5)
        assert (np.diff(bounds) >= 0).all()
        drawn = [space.sample(np.random.default_rng(i)) for i in range(300)]
        assert cost(space, batch[0]) < min(cost(space, c) for c in drawn)


def test_bounds_subtract_doubt():
    found = Scores(np.array([1.0, 2.0]), np.array([0.5, 1.0]))
    np.testing.assert_array_equal(found.bound(2.0), [0.0, 0.0])
