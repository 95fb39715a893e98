"""What noise does to the order of schedules, as the ranking benchmark says it."""

from __future__ import annotations

import numpy as np
import pytest

GROUPS = np.array(["a"] * 4 + ["b"] * 3)
TRUTH = np.array([1.0, 1.01, 1.04, 2.0, 5.0, 6.0, 7.0])


@pytest.fixture
def noise_figures():
    import _ranking_noise

    return _ranking_noise.noise_figures


def test_measurements_without_noise_agree_on_every_pair(noise_figures):
    found = noise_figures(TRUTH, GROUPS, [(t,) * 5 for t in TRUTH], 0)
    assert found["pairwise_accuracy_of_second_measurement"] == 1
    assert found["pairwise_accuracy_of_second_measurement_over_5_percent"] == 1


def test_shares_of_close_pairs_are_means_over_workloads(noise_figures):
    found = noise_figures(TRUTH, GROUPS, [(t,) for t in TRUTH], 0)
    assert found["pairs_within_2_percent"] == pytest.approx((1 / 6 + 0) / 2)
    assert found["pairs_within_5_percent"] == pytest.approx((3 / 6 + 0) / 2)


def test_noise_costs_close_pairs_first(noise_figures):
    rng = np.random.default_rng(3)
    truth = np.tile(np.linspace(1, 1.4, 12), 2)
    samples = [sorted(t * rng.lognormal(0, 0.03, 5)) for t in truth]
    medians = np.array([s[2] for s in samples])
    found = noise_figures(medians, np.repeat(["a", "b"], 12), samples, 0)
    assert found == noise_figures(medians, np.repeat(["a", "b"], 12), samples, 0)
    plain, apart = (found[f"pairwise_accuracy_of_second_measurement{n}"] for n in ("", "_over_5_percent"))
    assert 0.5 < plain < apart <= 1
