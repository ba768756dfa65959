import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from training import metrics

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
    found = metrics.summary(probabilities, labels, NAMES)
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
