import numpy as np
import pytest
from scipy import stats

from training import metrics
from training.evaluate import intervals


def test_the_intervals_of_independent_rows_are_those_of_scipy() -> None:
    # GIVEN rows that are not copies of each other
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 500)
    predicted = np.where(random.random(500) < 0.8, labels, random.integers(0, 3, 500))
    # WHEN intervals of accuracy and macro-F1 are drawn
    accuracy = intervals.mean_intervals([predicted == labels], np.arange(500))[0]
    f1 = intervals.macro_f1_interval(predicted, labels, 3, np.arange(500))
    # THEN an established library gives the same ones
    for interval, statistic in (
        (accuracy, lambda guesses, truth: np.mean(guesses == truth)),
        (f1, lambda guesses, truth: metrics.macro_f1(guesses, truth, 3)),
    ):
        expected = stats.bootstrap(
            (predicted, labels), statistic, paired=True, vectorized=False, n_resamples=1000,
            method="percentile", rng=1,
        ).confidence_interval  # fmt: skip
        assert interval == pytest.approx(tuple(expected), abs=0.01)


def test_copies_of_rows_do_not_narrow_an_interval() -> None:
    # GIVEN 100 stories, and each of them 20 times
    right = np.random.default_rng(0).random(100) < 0.8
    stories = np.arange(100)
    # WHEN the interval is drawn over stories
    once = intervals.mean_intervals([right], stories)
    copied = intervals.mean_intervals([np.repeat(right, 20)], np.repeat(stories, 20))
    # THEN the copies change nothing, while rows taken for independent look like 20 times the data
    assert copied == pytest.approx(np.array(once))
    rows = intervals.mean_intervals([np.repeat(right, 20)], np.arange(2000))
    assert np.ptp(once) / np.ptp(rows) == pytest.approx(np.sqrt(20), rel=0.15)


def test_mcnemars_test_counts_only_the_texts_that_one_model_alone_gets_right() -> None:
    # GIVEN one model that alone is right about 9 texts, and another about 1
    right = np.array([True] * 9 + [False] + [True] * 30 + [False] * 10)
    other_right = np.array([False] * 9 + [True] + [True] * 30 + [False] * 10)
    # WHEN they are compared
    comparison = intervals.measure_difference(right, other_right, np.arange(50))
    # THEN p is the chance that ten tosses of a coin are as uneven: 2 (1 + 10) / 2^10
    assert comparison.mcnemar_p == pytest.approx(22 / 1024)
    assert (comparison.only_right, comparison.other_only_right) == (9, 1)
    assert comparison.difference == pytest.approx(8 / 50)
    assert 0 < comparison.difference_interval.low < 8 / 50 < comparison.difference_interval.high


def test_the_interval_of_many_rare_labels_holds_the_figure_itself() -> None:
    # GIVEN 150 labels with two texts each, half of them right
    labels = np.repeat(np.arange(150), 2)
    predicted = np.where(np.arange(300) % 2 == 0, labels, (labels + 1) % 150)
    # WHEN the interval of macro-F1 is drawn THEN the figure lies in it
    low, high = intervals.macro_f1_interval(predicted, labels, 150, np.arange(300))
    assert low < metrics.macro_f1(predicted, labels, 150) < high


def test_the_interval_of_a_perfect_macro_f1_is_within_one() -> None:
    # GIVEN few texts that are all right WHEN the interval is centred THEN no end exceeds one
    labels = np.array([0] * 5 + [1] * 6 + [2] * 13)
    low, high = intervals.macro_f1_interval(labels, labels, 3, np.arange(24))
    assert low <= high == 1


def test_the_difference_of_macro_f1_counts_each_label_the_same() -> None:
    # GIVEN 20 texts of a rare label that one model never finds, and a label that no text has
    labels = np.array([0] * 20 + [1] * 480)
    constant = np.ones(500, int)
    # WHEN it is compared with a model that is always right
    low, high = intervals.macro_f1_difference(constant, labels, labels, 3, np.arange(500))
    # THEN it is about half a point of F1 behind
    assert -0.52 < low < high < -0.5


def test_a_model_is_no_better_than_itself() -> None:
    right = np.array([True, False, True])
    comparison = intervals.measure_difference(right, right, np.arange(3))
    assert comparison.mcnemar_p == 1
    assert comparison.difference_interval == (0, 0)


def test_a_group_counts_once_whatever_its_size() -> None:
    # GIVEN a story of 98 headlines that are all right, and two of one that are wrong
    right = np.array([True] * 98 + [False] * 2)
    # WHEN the accuracy by story is measured THEN it is a third, not 98 %
    accuracy, interval = intervals.group_accuracy(right, np.array([0] * 98 + [1, 2]))
    assert accuracy == pytest.approx(1 / 3)
    assert interval.low == 0
    assert interval.high == 1


def test_the_interval_of_the_accuracy_by_group_is_that_of_the_groups_accuracies() -> None:
    # GIVEN 200 stories of one to thirty headlines
    random = np.random.default_rng(0)
    stories = np.repeat(np.arange(200), random.integers(1, 31, 200))
    right = random.random(len(stories)) < random.random(200)[stories]
    # WHEN the accuracy by story is measured
    accuracy, interval = intervals.group_accuracy(right, stories)
    # THEN mean and interval are those that an established library finds for the stories
    of_story = np.array([right[stories == story].mean() for story in range(200)])
    expected = stats.bootstrap((of_story,), np.mean, n_resamples=1000, method="percentile", rng=1)
    assert accuracy == pytest.approx(of_story.mean())
    assert interval == pytest.approx(tuple(expected.confidence_interval), abs=0.01)


def test_the_interval_of_the_calibration_error_holds_the_error_that_is_there() -> None:
    # GIVEN 3,000 texts with a confidence of 0.9, of which 84 % are right
    random = np.random.default_rng(0)
    probabilities = np.tile([0.9, 0.1], (3000, 1))
    labels = (random.random(3000) > 0.84).astype(int)
    # WHEN the interval is drawn
    low, high = intervals.calibration_error_interval(probabilities, labels, np.arange(3000))
    # THEN it holds 0.06, and is as wide as the accuracy is known
    assert low < 0.06 < high
    width = np.ptp(intervals.mean_intervals([labels == 0], np.arange(3000))[0])
    assert high - low == pytest.approx(width, rel=0.05)


def test_chance_does_not_push_the_interval_of_the_calibration_error_above_it() -> None:
    # GIVEN 300 texts whose confidences are right WHEN the interval is drawn
    random = np.random.default_rng(1)
    confidence = random.uniform(0.5, 1, 300)
    probabilities = np.column_stack([confidence, 1 - confidence])
    labels = (random.random(300) > confidence).astype(int)
    low, high = intervals.calibration_error_interval(probabilities, labels, np.arange(300))
    # THEN the measured error lies in it
    assert 0 <= low < metrics.calibration_error(probabilities, labels) < high
