"""Trees and networks that rank together: learned from pairs, deterministic, saved and loaded."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.core.errors import CheckpointError
from costmodel.models import MODELS
from costmodel.models.cycle_base import CycleBase
from costmodel.models.joint_ranker import JointRanker
from costmodel.models.rank_network import RankNetwork, pair_slopes, train_rank_network
from costmodel.models.ranker import MEMBERS, BoostedRanker, shared_columns


def workloads(count, rows, seed):
    """Rows of several workloads; column 4 is equal within each and decides its level."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (count * rows, 5)).astype(np.float32)
    groups = np.repeat(np.arange(count), rows)
    x[:, 4] = rng.uniform(-1, 1, count)[groups]
    return x, x[:, 0] + x[:, 1] * x[:, 2] + 3 * x[:, 4], groups


def agreement(a, b, groups):
    """Share of pairs inside groups that two rows of numbers order alike."""
    i, j = np.triu_indices(len(a), 1)
    same = groups[i] == groups[j]
    return float(((a[i] - a[j]) * (b[i] - b[j]) > 0)[same].mean())


@pytest.fixture(scope="module")
def trained():
    model = JointRanker(3)
    model.fit(*workloads(16, 24, 0))
    return model


def test_it_orders_schedules_of_workloads_that_it_never_saw(trained):
    x, y, groups = workloads(6, 30, 9)
    assert agreement(trained.predict(x).mean, y, groups) > 0.85


def test_networks_vote_beside_the_trees(trained):
    x, y, groups = workloads(6, 30, 9)
    votes = trained._votes(x)
    assert votes.shape == (2 * MEMBERS, len(x))
    assert agreement(votes[MEMBERS:].mean(axis=0), y, groups) > 0.8
    assert not np.allclose(votes[0], votes[MEMBERS])


def test_equal_seeds_give_equal_rankers_that_survive_a_checkpoint(trained, tmp_path):
    x, _, _ = workloads(2, 30, 5)
    mean = trained.predict(x).mean
    trained.save(tmp_path, {"trained_on": "a test"})
    assert np.array_equal(MODELS.get("joint-ranker").load(tmp_path).predict(x).mean, mean)
    assert np.array_equal(trained.fresh().predict(x).mean, mean)
    network = trained._networks[0]
    rows, y, groups = workloads(16, 24, 0)
    first, again = (train_rank_network(rows, np.zeros(len(y)), y, groups, 7) for _ in range(2))
    assert first.packed() == again.packed() != network.packed()


def test_a_damaged_network_is_refused(trained):
    packed = trained._networks[0].packed()
    with pytest.raises(CheckpointError):
        RankNetwork.unpacked(packed[: len(packed) // 2])
    with pytest.raises(CheckpointError, match="lacks"):
        RankNetwork.unpacked(packed.replace(b'"bias-1"', b'"sand-1"'))


def test_slopes_of_pairs_are_those_of_their_loss():
    rng = np.random.default_rng(1)
    scores, truth = rng.normal(size=12), rng.normal(size=12)

    def loss(values):
        gap = truth[:, None] - truth[None, :]
        weight = np.sqrt(np.clip(np.abs(gap), 0.02, 0.7)) * (np.abs(gap) > 0.02)
        return (weight * np.log1p(np.exp(-4 * np.sign(gap) * (values[:, None] - values[None, :])))).sum() / weight.sum()

    step = 1e-6 * np.eye(12)
    numeric = [(loss(scores + one) - loss(scores - one)) / 2e-6 for one in step]
    np.testing.assert_allclose(pair_slopes(scores, truth), numeric, atol=1e-6)


def test_equal_times_have_no_slope():
    assert not pair_slopes(np.arange(5.0), np.ones(5)).any()


@pytest.mark.parametrize("kind", [BoostedRanker, JointRanker])
def test_levels_never_reorder_a_workloads_schedules(kind):
    x, y, groups = workloads(10, 16, 2)
    model = kind(0, CycleBase(columns=(0, 1), overlapping=1))
    model.fit(x, y, groups)
    assert shared_columns(x, groups) == [4]
    mean, scores = model.predict(x).mean, model._stretch * model._scores(x)
    level = mean - scores
    for group in range(10):
        assert np.ptp(level[groups == group]) < 1e-5
    assert np.corrcoef(level, 3 * x[:, 4])[0, 1] > 0.9


def test_columns_that_differ_in_one_row_are_not_shared():
    x = np.zeros((6, 2), np.float32)
    groups = np.array([0, 1, 0, 1, 0, 1])
    x[3, 0] = 1
    assert shared_columns(x, groups) == [1]
    x[0, 1] = 1
    assert shared_columns(x, groups) == []


def test_without_shared_columns_every_workload_has_one_level():
    x, y, groups = workloads(10, 16, 2)
    model = BoostedRanker(0)
    model.fit(x[:, :4], y, groups)
    rows = x[:40, :4]
    level = model.predict(rows).mean - model._scores(rows)
    assert np.ptp(level) < 1e-5
