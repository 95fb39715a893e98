"""Coverage, width, calibration and detection, worked out by hand."""

import numpy as np
import pytest

from costmodel.evaluation.detection import area_under_curve, detection_figures, known_auroc
from costmodel.evaluation.intervals import calibration, coverage_by, coverage_percent, interval_figures, worst_family

LOW, HIGH = np.array([0.0, 0.0, 0.0, 0.0]), np.array([2.0, 2.0, 2.0, 4.0])
TRUTH = np.array([1.0, 2.0, 3.0, 2.0])


def test_ends_belong_to_an_interval():
    assert coverage_percent(LOW, HIGH, TRUTH) == 75.0


def test_width_stands_beside_coverage():
    figures = interval_figures(LOW, HIGH, TRUTH, spread=10.0)
    assert figures["width"] == 2.5
    assert figures["width_percent_of_range"] == 25.0
    assert figures["interval_score_percent_of_range"] == pytest.approx(10 * (2.5 + 20 * 1 / 4))


def test_families_are_told_apart():
    found = coverage_by(np.array(["a", "a", "b", "b"]), LOW, HIGH, TRUTH, None)
    assert found["a"]["coverage_percent"] == 100.0
    assert found["b"] == {"rows": 2, "coverage_percent": 50.0, "width": 3.0, "width_percent_of_range": None,
                          "interval_score_percent_of_range": None}  # fmt: skip
    assert worst_family(found, least_rows=2) == "b"
    assert worst_family(found) is None


def test_normal_errors_are_calibrated():
    truth = np.random.default_rng(0).normal(size=20000)
    half = np.full(20000, 1.6448536)
    for level, observed in calibration(np.zeros(20000), -half, half, truth):
        assert observed == pytest.approx(level, abs=0.015)


def test_intervals_that_are_too_narrow_lie_below_the_diagonal():
    truth = np.random.default_rng(0).normal(size=2000)
    points = dict(calibration(np.zeros(2000), np.full(2000, -0.8), np.full(2000, 0.8), truth))
    assert points[0.9] < 0.65


def test_area_under_the_curve_counts_ordered_pairs():
    scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert area_under_curve(scores, positive) == 0.75
    assert area_under_curve(np.ones(4), positive) == 0.5
    assert area_under_curve(scores, np.ones(4, bool)) is None


def test_detection_with_its_threshold():
    found = detection_figures(np.array([0.2, 0.6, 0.9]), np.array([False, False, True]))
    assert found["auc_nonzero"] == 1.0
    assert found["accuracy_nonzero_percent"] == pytest.approx(200 / 3)
    assert found["nonzero_percent"] == pytest.approx(100 / 3)


def test_known_tells_far_from_near():
    assert known_auroc(np.array([0.1, 0.2]), np.array([0.15, 3.0])) == 0.75
    assert known_auroc(np.zeros(0), np.array([1.0])) is None
