import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from training.evaluate import metrics

NAMES = ["a", "b", "c"]


def random_case(texts: int = 500) -> tuple[metrics.Probabilities, metrics.Labels]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, texts)
    logits = random.normal(size=(texts, 3)) + 2 * np.eye(3)[labels]
    return metrics.softmax(logits), labels


def test_the_figures_are_those_of_scikit_learn() -> None:
    # GIVEN random predictions of three labels
    probabilities, labels = random_case()
    predicted = probabilities.argmax(axis=1)
    # WHEN they are summarised
    found = metrics.summary(probabilities, labels, NAMES, np.arange(500))
    # THEN every figure is the one an established library gives
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    f1 = sklearn_metrics.f1_score(labels, predicted, average="macro")
    assert found["macro_f1"] == pytest.approx(f1)
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(labels, probabilities))
    assert found["confusion"] == sklearn_metrics.confusion_matrix(labels, predicted).tolist()


def test_a_label_never_predicted_has_no_precision() -> None:
    scores = metrics.per_label(np.array([[2, 0], [1, 0]]), ["a", "b"])
    assert scores["b"] == {"precision": 0, "recall": 0, "f1": 0, "texts": 1}


def test_calibration_error_is_the_gap_of_confidence_and_accuracy() -> None:
    # GIVEN ten predictions of confidence 0.9, of which six are right
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


def test_an_interval_is_that_of_scipy_where_each_row_stands_alone() -> None:
    # GIVEN rows that are no copies of each other
    probabilities, labels = random_case()
    predicted = probabilities.argmax(axis=1)
    # WHEN intervals of accuracy and macro-F1 are drawn
    accuracy = metrics.mean_intervals([predicted == labels], np.arange(500))[0]
    f1 = metrics.macro_f1_interval(predicted, labels, 3, np.arange(500))
    # THEN they are those of an established library
    for found, score in (
        (accuracy, metrics.accuracy),
        (f1, lambda guesses, truth: metrics.macro_f1(guesses, truth, 3)),
    ):
        expected = stats.bootstrap(
            (predicted, labels), score, paired=True, vectorized=False, n_resamples=1000,
            method="percentile", rng=1,
        ).confidence_interval  # fmt: skip
        assert found == pytest.approx(list(expected), abs=0.01)


def test_copies_of_a_row_make_no_interval_narrower() -> None:
    # GIVEN 100 stories, and each of them 20 times
    right = np.random.default_rng(0).random(100) < 0.8
    stories = np.arange(100)
    # WHEN the interval is drawn over stories
    once = metrics.mean_intervals([right], stories)
    copied = metrics.mean_intervals([np.repeat(right, 20)], np.repeat(stories, 20))
    # THEN the copies count for nothing, while resampled rows would pass for 20 times the evidence
    assert copied == pytest.approx(np.array(once))
    rows = metrics.mean_intervals([np.repeat(right, 20)], np.arange(2000))
    assert np.ptp(once) / np.ptp(rows) == pytest.approx(np.sqrt(20), rel=0.15)


def test_mcnemar_counts_only_the_texts_that_one_of_two_is_right_about() -> None:
    # GIVEN one model right about 9 texts, another about 1 that the first is wrong about
    right = np.array([True] * 9 + [False] + [True] * 30 + [False] * 10)
    other = np.array([False] * 9 + [True] + [True] * 30 + [False] * 10)
    # WHEN they are compared
    found = metrics.paired(right, other, np.arange(50))
    # THEN p is the chance of ten tosses of a coin being as uneven: 2 (1 + 10) / 2^10
    assert found["mcnemar_p"] == pytest.approx(22 / 1024)
    assert (found["only_right"], found["other_only_right"]) == (9, 1)
    assert found["difference"] == pytest.approx(8 / 50)
    low, high = found["difference_interval"]
    assert 0 < low < 8 / 50 < high


def test_a_model_is_no_better_than_itself() -> None:
    right = np.array([True, False, True])
    found = metrics.paired(right, right, np.arange(3))
    assert found["mcnemar_p"] == 1
    assert found["difference_interval"] == [0, 0]
