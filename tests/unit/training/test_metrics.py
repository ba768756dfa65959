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


def test_a_few_rows_that_are_all_right_hardly_change_the_temperature() -> None:
    # GIVEN three to thirty rows that are all right, with a confidence of 0.73
    for rows in (3, 10, 30):
        logits = np.tile([1.0, 0.0], (rows, 1))
        # WHEN a temperature is fitted THEN it does not make them certain
        temperature = metrics.fit_temperature(logits, np.zeros(rows, int))
        assert 0.4 < temperature < 1
        assert metrics.softmax(logits, temperature).max() < 0.93


def test_many_rows_outweigh_the_prior_of_the_temperature() -> None:
    # GIVEN as many rows as the shipped model was calibrated on, and its overconfidence
    random = np.random.default_rng(2)
    true = random.normal(size=(21_799, 4)) * 2
    drawn = (metrics.softmax(true).cumsum(axis=1) < random.random((21_799, 1))).sum(axis=1)
    # WHEN a temperature is fitted with the prior and without
    temperature = metrics.fit_temperature(1.627 * true, drawn)
    alone = metrics.fit_temperature(np.tile(1.627 * true, (10, 1)), np.tile(drawn, 10))
    # THEN they agree to three digits
    assert temperature == pytest.approx(alone, rel=2e-3)


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


def draw(temperature: float, rows: int, seed: int) -> tuple[metrics.Probabilities, metrics.Labels]:
    """Draw logits that need this temperature, and labels."""
    random = np.random.default_rng(seed)
    true = random.normal(size=(rows, 4)) * 2
    drawn = (metrics.softmax(true).cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)
    return temperature * true, drawn


def test_each_source_counts_the_same_in_the_temperature() -> None:
    # GIVEN many rows that need a temperature of 1, and few of others that need one of 3
    many, few = draw(1.0, 20_000, seed=1), draw(3.0, 2_000, seed=2)
    # WHEN a temperature is fitted on both
    temperature = metrics.fit_temperature(*many, [few])
    # THEN it is the one with the least mean of the two log losses, not that of all rows
    both = np.concatenate([many[0], few[0]]), np.concatenate([many[1], few[1]])
    assert metrics.fit_temperature(*both) < 1.2 < 1.3 < temperature < 3

    def mean_loss(candidate: float) -> float:
        losses = [metrics.log_loss(metrics.softmax(z, candidate), y) for z, y in (many, few)]
        return float(np.mean(losses))

    grid = np.exp(np.arange(0, 1.1, 0.005))
    best = grid[np.argmin([mean_loss(candidate) for candidate in grid])]
    assert temperature == pytest.approx(best, rel=0.01)


def test_a_source_that_is_named_twice_counts_twice() -> None:
    many, few = draw(1.0, 20_000, seed=1), draw(3.0, 2_000, seed=2)
    once, twice = metrics.fit_temperature(*many, [few]), metrics.fit_temperature(*many, [few, few])
    assert once < twice < metrics.fit_temperature(*few)


def test_a_source_of_a_few_rows_does_not_make_everything_certain() -> None:
    # GIVEN many rows that are calibrated, and three of others that are all right
    many = draw(1.0, 20_000, seed=1)
    few = np.tile([1.0, 0.0, 0.0, 0.0], (3, 1)), np.zeros(3, int)
    # WHEN both count the same THEN the temperature stays near 1
    assert 0.7 < metrics.fit_temperature(*many, [few]) < 1.05
