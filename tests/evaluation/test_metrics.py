"""Errors of values, each worked out by hand."""

import numpy as np
import pytest

from costmodel.evaluation.metrics import (
    exact_percent,
    label_range,
    mae,
    mape_percent,
    median_ape_percent,
    r2,
    rmse,
    value_figures,
    within_percent,
)

TRUTH = np.array([1.0, 2.0, 3.0, 4.0])
PREDICTED = np.array([1.0, 2.0, 5.0, 2.0])


def test_rmse_and_mae():
    assert rmse(PREDICTED, TRUTH) == pytest.approx(np.sqrt(2))  # errors 0 0 2 -2
    assert mae(PREDICTED, TRUTH) == 1.0


def test_r2_compares_with_the_mean_of_the_truth():
    assert r2(PREDICTED, TRUTH) == pytest.approx(1 - 8 / 5)
    assert r2(TRUTH, TRUTH) == 1.0
    assert r2(PREDICTED, np.full(4, 3.0)) is None


def test_mape_leaves_zero_labels_out():
    assert mape_percent(np.array([1.0, 3.0, 9.0]), np.array([2.0, 2.0, 0.0])) == pytest.approx(50.0)
    assert mape_percent(np.array([1.0]), np.array([0.0])) is None


def test_the_median_of_relative_errors_forgives_one_outlier():
    assert median_ape_percent(np.array([1.1, 2.2, 300.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(10.0)


def test_range_runs_from_the_1st_to_the_99th_percentile():
    assert label_range(np.arange(101.0)) == pytest.approx(98.0)
    assert label_range(np.array([0.0, 1.0])) == pytest.approx(0.98)


def test_a_range_of_zero_is_no_range():
    assert label_range(np.zeros(500)) is None
    assert label_range(np.zeros(0)) is None


def test_exact_and_within_one_round_the_prediction():
    predicted, truth = np.array([31.6, 30.4, 33.6, 36.0]), np.array([32.0, 31.0, 33.0, 33.0])
    assert exact_percent(predicted, truth) == 25.0
    assert within_percent(predicted, truth, 1) == 75.0


def test_figures_stand_beside_the_row_of_the_training_mean():
    training = np.arange(101.0)
    figures = value_figures(np.array([40.0, 60.0]), np.array([50.0, 50.0]), training)
    assert figures["rmse_percent_of_range"] == pytest.approx(100 * 10 / 98)
    assert figures["mean_row_rmse_percent_of_range"] == 0.0
    assert figures["mean_row_mae"] == 0.0
    assert figures["range"] == pytest.approx(98.0)


def test_without_a_range_there_is_no_percentage_of_it():
    figures = value_figures(np.array([1.0]), np.array([0.0]), np.zeros(10))
    assert figures["rmse_percent_of_range"] is None
    assert figures["rmse"] == 1.0
