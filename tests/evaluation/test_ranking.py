"""Order and choice, worked out by hand; and eff@k against all subsets."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.core.errors import UsageError
from costmodel.evaluation.ranking import (
    best_and_chosen,
    grouped_pairwise_accuracy,
    kendall_tau,
    mean_top_k_score,
    pairwise_accuracy,
    spearman,
    top_k_score,
    top_k_slowdown_percent,
)
from costmodel.evaluation.selection import eff_at_k, efficiencies, efficiency, regrets_percent

TRUTH = np.array([1.0, 2.0, 3.0, 4.0])
ONE_SWAP = np.array([2.0, 1.0, 3.0, 4.0])
GROUPS = np.array(["a", "a", "a", "b", "b"])
LATENCY = np.array([1.0, 2.0, 4.0, 10.0, 20.0])
PREDICTED = np.array([3.0, 1.0, 2.0, 5.0, 6.0])


def test_tau_of_one_swap():
    assert kendall_tau(ONE_SWAP, TRUTH) == pytest.approx((5 - 1) / 6)


def test_spearman_of_one_swap():
    assert spearman(ONE_SWAP, TRUTH) == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_a_constant_has_no_order():
    assert kendall_tau(np.ones(4), TRUTH) is None
    assert spearman(TRUTH, np.ones(4)) is None


def test_pairwise_accuracy_counts_ties_half():
    assert pairwise_accuracy(ONE_SWAP, TRUTH) == pytest.approx(5 / 6)
    assert pairwise_accuracy(np.array([1.0, 1.0]), np.array([1.0, 2.0])) == 0.5
    assert pairwise_accuracy(np.array([1.0, 2.0]), np.array([3.0, 3.0])) is None


def test_pairs_closer_than_the_gap_do_not_count():
    truth = np.array([1.0, 1.01, 2.0])
    assert pairwise_accuracy(np.array([2.0, 1.0, 3.0]), truth) == pytest.approx(2 / 3)
    assert pairwise_accuracy(np.array([2.0, 1.0, 3.0]), truth, least_gap=0.02) == 1.0


def test_pairwise_accuracy_over_many_rows_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    truth, predicted = rng.random(1200), rng.random(1200)
    i, j = np.triu_indices(1200, 1)
    assert pairwise_accuracy(predicted, truth) == pytest.approx(
        np.mean((truth[i] < truth[j]) == (predicted[i] < predicted[j]))
    )


def test_groups_are_ranked_apart_and_count_alike():
    assert grouped_pairwise_accuracy(PREDICTED, LATENCY, GROUPS) == pytest.approx((1 / 3 + 1) / 2)


def test_the_choice_of_each_group():
    assert best_and_chosen(PREDICTED, LATENCY, GROUPS, 1) == [(1.0, 2.0), (10.0, 10.0)]
    assert best_and_chosen(PREDICTED, LATENCY, GROUPS, 3) == [(1.0, 1.0), (10.0, 10.0)]


def test_top_k_score_sums_latencies_over_groups():
    assert top_k_score(PREDICTED, LATENCY, GROUPS, 1) == pytest.approx(11 / 12)
    assert top_k_score(PREDICTED, LATENCY, GROUPS, 1, weights=[4, 1]) == pytest.approx(14 / 18)
    assert top_k_score(PREDICTED, LATENCY, GROUPS, 5) == 1.0


def test_mean_top_k_score_counts_groups_alike():
    assert mean_top_k_score(PREDICTED, LATENCY, GROUPS, 1) == pytest.approx((0.5 + 1) / 2)


def test_slowdown_and_regret_are_relative_to_the_best():
    assert top_k_slowdown_percent(PREDICTED, LATENCY, GROUPS, 1) == pytest.approx(50.0)
    assert regrets_percent(PREDICTED, LATENCY, GROUPS).tolist() == pytest.approx([100.0, 0.0])


def test_efficiency_of_the_reference_is_one_and_of_twice_its_time_zero():
    assert efficiency([1.0], [1.0]) == 1.0
    assert efficiency([2.0], [1.0]) == 0.0
    assert efficiency([1.5], [1.0]) == pytest.approx(0.5)


def test_what_beats_the_reference_scores_more_than_one():
    assert efficiency([0.5], [1.0]) == pytest.approx(1.5)


def test_levels_weigh_by_hardness():
    # limit 2 * 4 = 8; f = (8 - 2) / (8 - 1), (8 - 6) / (8 - 4)
    assert efficiency([2.0, 6.0], [1.0, 4.0], hardness=[1, 3]) == pytest.approx((6 / 7 + 3 * 0.5) / 4)


def test_a_level_past_the_limit_censors_all_that_follow():
    assert efficiency([1.0, 99.0, 1.0], [1.0, 1.0, 1.0]) == pytest.approx(1 / 3)


def test_a_failure_anywhere_is_worth_nothing():
    assert efficiency([1.0, None], [1.0, 1.0]) == 0.0


def test_levels_must_match():
    with pytest.raises(UsageError, match="2 levels measured, 1 references"):
        efficiency([1.0, 1.0], [1.0])


def test_candidates_of_a_workload_are_measured_against_its_best():
    assert efficiencies(np.array([1.0, 1.25, 3.0, np.nan])).tolist() == pytest.approx([1.0, 0.75, 0.0, 0.0])


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1.5]), min_size=1, max_size=7), st.data())
def test_eff_at_k_is_the_mean_of_the_best_over_all_subsets(scores, data):
    k = data.draw(st.integers(1, len(scores)))
    brute = np.mean([max(subset) for subset in combinations(scores, k)])
    assert eff_at_k(scores, k) == pytest.approx(brute)


def test_eff_at_k_with_censored_failures():
    scores = efficiencies(np.array([1.0, np.nan, 1.5, 9.0])).tolist()  # 1, 0, 0.5, 0
    assert eff_at_k(scores, 1) == pytest.approx(1.5 / 4)
    assert eff_at_k(scores, 2) == pytest.approx((3 * 1 + 2 * 0.5 + 0) / 6)
    assert eff_at_k(scores, 4) == 1.0


def test_k_must_lie_within_the_candidates():
    with pytest.raises(UsageError, match="k is 3"):
        eff_at_k([1.0, 0.0], 3)
