import numpy as np
import pytest
from numpy.typing import NDArray

from training.export.thresholds import (
    ThresholdError,
    bound_share,
    choose_thresholds,
    count_independent,
    describe_unreached,
    to_manifest,
)

NAMES = ("a", "b")


def draw_rows(
    rows: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw independent rows whose confidences are their chances to be right; a is surer than b."""
    random = np.random.default_rng(seed)
    predicted = random.integers(2, size=rows)
    confidence = random.uniform(np.where(predicted == 0, 0.6, 0.5), 1)
    right = random.random(rows) < confidence
    probabilities = np.where(
        np.eye(2, dtype=bool)[predicted], confidence[:, None], 1 - confidence[:, None]
    )
    return probabilities, np.where(right, predicted, 1 - predicted), np.arange(rows)


def test_above_its_threshold_each_label_has_the_precision_in_at_least_95_of_100_draws() -> None:
    # GIVEN a hundred sets of validation rows, and the true precision above any threshold
    misses = {"a": 0, "b": 0}
    for seed in range(100):
        for choice in choose_thresholds(*draw_rows(2000, seed), NAMES, 0.85):
            assert choice.least is not None
            low = max(choice.least, 0.6 if choice.label == "a" else 0.5)
            misses[choice.label] += (low + 1) / 2 < 0.85  # the mean of the confidences above
    # THEN a threshold is too low no more often than promised
    assert max(misses.values()) <= 5


def test_the_threshold_is_not_much_higher_than_needed() -> None:
    # GIVEN rows of which those from 0.7 on are right in 85 % of the cases
    choices = choose_thresholds(*draw_rows(20_000, 1), NAMES, 0.85)
    # THEN the thresholds are close above that
    assert all(choice.least is not None and 0.7 <= choice.least < 0.78 for choice in choices)


def test_few_rows_are_enough_for_a_low_precision() -> None:
    # GIVEN sixty rows, the surer half of which are right, and every other one of the rest
    confidence = np.linspace(0.99, 0.51, 60)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.where(np.arange(60) < 30, 0, np.arange(60) % 2)
    # THEN 0.8 is reached above a threshold, although not by all rows
    (choice, _) = choose_thresholds(probabilities, labels, np.arange(60), NAMES, 0.8)
    assert choice.least == pytest.approx(confidence[29])
    assert (choice.rows, choice.covered) == (60, 30)


def test_a_label_that_reaches_the_precision_at_no_confidence_always_abstains() -> None:
    # GIVEN a label that is always right and one that is right half of the time
    predicted = np.repeat([0, 1], 200)
    labels = np.where(np.arange(400) % 2, predicted, 0)
    probabilities = np.where(np.eye(2, dtype=bool)[predicted], 0.9, 0.1)
    # WHEN thresholds are chosen
    choices = choose_thresholds(probabilities, labels, np.arange(400), NAMES, 0.9)
    # THEN the second one has none, and a note says so
    assert to_manifest(choices, 0.9).least == {"a": 0.0, "b": None}
    assert "at no confidence for b (b: 0.414 on 200 rows)" in describe_unreached(choices, 0.9)
    assert describe_unreached(choices[:1], 0.9) == ""


def test_a_precision_that_no_label_reaches_is_refused_with_what_the_rows_prove() -> None:
    # GIVEN too few rows to prove 0.95, although all are right
    probabilities, labels = np.array([[0.9, 0.1]] * 40), np.zeros(40, np.int64)
    # THEN the error says what they prove
    with pytest.raises(ThresholdError, match=r"--precision 0\.95: no label .* prove 0\.928 for a"):
        choose_thresholds(probabilities, labels, np.arange(40), NAMES, 0.95)


def test_rows_of_one_story_count_as_one() -> None:
    # GIVEN ten stories of thirty headlines, each wholly right or wrong
    right, stories = np.repeat([True] * 9 + [False], 30), np.repeat(np.arange(10), 30)
    # THEN they tell as much as ten texts
    assert count_independent(right, stories) == pytest.approx(10)
    assert bound_share(right, stories, 0.05) == pytest.approx(0.606, abs=0.001)
    # AND the same if all are right
    assert count_independent(right[:270], stories[:270]) == pytest.approx(9)
