import numpy as np
import pytest

from training import metrics


def test_a_label_that_never_occurs_counts_in_macro_f1_as_0() -> None:
    right = np.array([0, 1, 1])
    assert metrics.macro_f1(right, right, count=3) == pytest.approx(2 / 3)


def test_a_right_label_of_probability_0_has_a_finite_log_loss() -> None:
    assert 30 < metrics.log_loss(np.array([[1.0, 0.0]]), np.array([1])) < 40


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    # GIVEN ten predictions with a confidence of 0.9, six of which are right
    probabilities = np.tile([0.9, 0.1], (10, 1))
    labels = np.array([0] * 6 + [1] * 4)
    # WHEN the error is measured THEN it is 0.3
    assert metrics.calibration_error(probabilities, labels) == pytest.approx(0.3)


def test_temperature_undoes_overconfidence() -> None:
    # GIVEN logits that are three times what they should be
    random = np.random.default_rng(1)
    true = random.normal(size=(20_000, 3)) * 2
    drawn = (metrics.softmax(true).cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    # WHEN a temperature is fitted
    temperature = metrics.fit_temperature(3 * true, drawn)
    # THEN it is three, and the calibration error falls
    assert temperature == pytest.approx(3, rel=0.05)
    before = metrics.calibration_error(metrics.softmax(3 * true), drawn)
    assert metrics.calibration_error(metrics.softmax(3 * true, temperature), drawn) < before / 5
