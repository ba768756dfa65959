import numpy as np
import pytest
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
    summary = metrics.summarise(probabilities, labels, NAMES, np.arange(500))
    # THEN an established library gives the same figures
    assert summary.texts == 500
    assert summary.accuracy == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    f1 = sklearn_metrics.f1_score(labels, predicted, average="macro")
    assert summary.macro_f1 == pytest.approx(f1)
    assert summary.log_loss == pytest.approx(sklearn_metrics.log_loss(labels, probabilities))
    assert summary.confusion == sklearn_metrics.confusion_matrix(labels, predicted).tolist()


def test_a_label_that_is_never_predicted_has_no_precision() -> None:
    # GIVEN three texts that all get the first label
    predicted, labels = np.array([0, 0, 0]), np.array([0, 0, 1])
    # WHEN each label is measured
    second = metrics.measure_labels(predicted, labels, ["a", "b"])["b"]
    # THEN the second one has no precision
    assert second.model_dump() == {"precision": 0, "recall": 0, "f1": 0, "texts": 1}


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
