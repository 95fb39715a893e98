"""The tuner's ranker: ranks schedules of workloads it never saw, and better after a few measurements."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.core.errors import UsageError
from costmodel.models.cycle_base import CycleBase
from costmodel.models.gaussian import MAX_POINTS, ResidualProcess
from costmodel.models.rank_losses import PairwiseRanker
from costmodel.models.ranker import DEFAULT_STD, BoostedRanker


def workloads(count, rows, seed):
    """Rows of several workloads: what ranks schedules is common, the level is each one's own."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (count * rows, 6)).astype(np.float32)
    groups = np.repeat(np.arange(count), rows)
    x[:, 5] = rng.uniform(-1, 1, count)[groups]
    y = np.abs(x[:, 0] - 0.3) + x[:, 1] * x[:, 2] + 2 * x[:, 5]
    return x, y, groups


def rank_correlation(a, b):
    ranks = [np.argsort(np.argsort(v)) for v in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


@pytest.fixture(scope="module")
def trained():
    model = BoostedRanker(seed=1)
    model.fit(*workloads(24, 40, 0))
    return model


def test_it_ranks_schedules_of_a_workload_it_never_saw(trained):
    x, y, _ = workloads(1, 200, 99)
    assert rank_correlation(trained.predict(x).mean, y) > 0.8


def test_it_predicts_levels_of_workloads(trained):
    x, y, groups = workloads(12, 20, 5)
    mean = trained.predict(x).mean
    levels = [[np.median(v[groups == g]) for g in range(12)] for v in (mean, y)]
    assert rank_correlation(*map(np.array, levels)) > 0.8


def test_measurements_of_a_strange_workload_teach_it(trained):
    model = trained.fresh()
    x, _, _ = workloads(1, 240, 7)
    strange = -np.abs(x[:, 0] - 0.3) + x[:, 3]
    before = rank_correlation(model.predict(x[64:]).mean, strange[64:])
    for start in range(0, 64, 16):
        model.update(x[start : start + 16], strange[start : start + 16])
    after = rank_correlation(model.predict(x[64:]).mean, strange[64:])
    assert after > max(0.8, before + 0.3)


def test_without_training_measurements_alone_teach_it():
    model = BoostedRanker()
    x, y, _ = workloads(1, 240, 7)
    assert set(model.predict(x).std) == {DEFAULT_STD}
    model.update(x[:64], y[:64])
    assert rank_correlation(model.predict(x[64:]).mean, y[64:]) > 0.7


def test_doubt_is_smaller_near_what_was_measured(trained):
    model = trained.fresh()
    x, y, _ = workloads(1, 60, 11)
    near, far = x[:30], x[:30] + np.float32(4)
    model.update(near, y[:30])
    assert model.predict(near).std.mean() < 0.7 * model.predict(far).std.mean()


def test_a_fresh_one_has_the_trees_and_no_memory(trained):
    x, y, _ = workloads(1, 40, 3)
    before = trained.predict(x).mean
    used = trained.fresh()
    used.update(x, y + 9)
    assert (used.predict(x).mean > before + 5).all()
    np.testing.assert_array_equal(used.fresh().predict(x).mean, before)
    np.testing.assert_array_equal(trained.predict(x).mean, before)


def test_only_what_was_pre_trained_is_saved(trained, tmp_path):
    x, y, _ = workloads(1, 40, 3)
    used = trained.fresh()
    used.update(x, y + 9)
    used.save(tmp_path, {"trained_on": "a test"})
    again = BoostedRanker.load(tmp_path)
    np.testing.assert_array_equal(again.predict(x).mean, trained.predict(x).mean)
    assert again.card["trained_on"] == "a test"


def test_what_was_loaded_is_saved_with_hashes_of_its_own(trained, tmp_path):
    stale = {"files": {"ranker.json": "0" * 64}, "schema_version": 0, "seed": 1}
    trained.save(tmp_path / "again", stale)
    x, _, _ = workloads(1, 20, 5)
    loaded = BoostedRanker.load(tmp_path / "again")
    np.testing.assert_array_equal(loaded.predict(x).mean, trained.predict(x).mean)
    assert loaded.card["seed"] == 1


def test_nothing_learned_nothing_saved(tmp_path):
    with pytest.raises(UsageError, match="never fitted"):
        BoostedRanker().save(tmp_path, {})
    assert not any(tmp_path.iterdir())


def test_workloads_weigh_the_same_however_many_rows_they_have():
    x, y, groups = workloads(8, 20, 1)
    many = groups == 0
    repeated = np.concatenate([np.arange(len(x)), *[np.flatnonzero(many)] * 30])
    plain, heavy = BoostedRanker(), BoostedRanker()
    plain.fit(x, y, groups)
    heavy.fit(x[repeated], y[repeated], groups[repeated])
    assert rank_correlation(plain.predict(x[~many]).mean, heavy.predict(x[~many]).mean) > 0.9


# -- the process -------------------------------------------------------------------------------------------------


def test_the_process_interpolates_and_doubts():
    x = np.linspace(-2, 2, 30)[:, None]
    process = ResidualProcess()
    assert not process.fitted
    process.fit(x, np.sin(2 * x[:, 0]))
    between = np.linspace(-1.9, 1.9, 50)[:, None]
    mean, std = process.predict(between)
    assert np.abs(mean - np.sin(2 * between[:, 0])).max() < 0.15
    far_mean, far_std = process.predict(np.array([[50.0]]))
    assert far_std[0] > 2 * std.max()
    assert abs(far_mean[0]) < 0.2


def test_equal_rows_and_constant_columns_do_no_harm():
    x = np.ones((20, 3))
    process = ResidualProcess()
    process.fit(x, np.linspace(0, 1, 20))
    mean, std = process.predict(np.ones((4, 3)))
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    assert abs(mean[0] - 0.5) < 0.1


def test_the_latest_measurements_count():
    x = np.random.default_rng(0).standard_normal((MAX_POINTS + 100, 2))
    y = np.where(np.arange(len(x)) < 100, 50.0, 0.0)
    process = ResidualProcess()
    process.fit(x, y)
    assert np.abs(process.predict(x[:100])[0]).max() < 1.0


def test_a_base_of_cycles_learns_which_causes_cost_and_survives_a_checkpoint(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 6, (600, 3)).astype(np.float32)
    groups = np.repeat(np.arange(20), 30)
    y = np.log(np.maximum(np.exp2(x[:, 0]), 4 * np.exp2(x[:, 1]))) + rng.normal(size=20)[groups]
    base = CycleBase(columns=(0, 1, 2), overlapping=2).fit(x, y, groups)
    assert base.weights[1] - base.weights[0] == pytest.approx(np.log(4), abs=0.3)
    assert base.weights[2] < base.weights[0] - 1
    model = PairwiseRanker(0, CycleBase(columns=(0, 1, 2), overlapping=2))
    model.fit(x, y, groups)
    mean = model.predict(x).mean
    own = groups == 0
    assert rank_correlation(mean[own], y[own]) > 0.95
    assert np.std((mean - y)[own]) < 0.25
    model.save(tmp_path, {})
    assert np.array_equal(PairwiseRanker.load(tmp_path).predict(x).mean, mean)
