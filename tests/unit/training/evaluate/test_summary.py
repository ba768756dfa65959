import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from training import metrics
from training.evaluate import summary

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
    found = summary.summarise(probabilities, labels, NAMES, np.arange(500))
    # THEN an established library gives the same figures
    assert found.texts == 500
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    f1 = sklearn_metrics.f1_score(labels, predicted, average="macro")
    assert found.macro_f1 == pytest.approx(f1)
    assert found.log_loss == pytest.approx(sklearn_metrics.log_loss(labels, probabilities))
    assert found.confusion == sklearn_metrics.confusion_matrix(labels, predicted).tolist()


def test_a_label_that_is_never_predicted_has_no_precision() -> None:
    # GIVEN three texts that all get the first label
    predicted, labels = np.array([0, 0, 0]), np.array([0, 0, 1])
    # WHEN each label is measured
    second = summary.measure_labels(predicted, labels, ["a", "b"])["b"]
    # THEN the second one has no precision
    assert second.model_dump() == {"precision": 0, "recall": 0, "f1": 0, "texts": 1}


def test_only_the_labels_that_texts_have_count_if_it_is_asked_for() -> None:
    # GIVEN texts of two of three labels, some of which are predicted to have the third
    labels = np.array([0, 0, 0, 1, 1, 1])
    predicted = np.array([0, 0, 2, 1, 1, 0])
    # WHEN they are measured over the labels that they have
    found = summary.measure(predicted, labels, 3, np.arange(6), only_present=True)
    # THEN a wrong answer is still wrong, and macro-F1 is the mean of two
    assert found.accuracy == pytest.approx(4 / 6)
    f1 = sklearn_metrics.f1_score(labels, predicted, labels=[0, 1], average="macro")
    assert found.macro_f1 == pytest.approx(f1)
    assert found.macro_f1_interval.low < f1 < found.macro_f1_interval.high
    assert summary.measure(predicted, labels, 3, np.arange(6)).macro_f1 < f1


def test_the_accuracy_by_group_is_measured_where_there_are_groups() -> None:
    # GIVEN a story of three headlines that are right and one of a headline that is wrong
    labels, stories = np.array([0, 0, 0, 1]), np.array([7, 7, 7, 8])
    predicted = np.zeros(4, int)
    # WHEN they are measured THEN the story counts once, and without groups there is no such figure
    found = summary.measure(predicted, labels, 2, stories, has_groups=True)
    assert (found.accuracy, found.group_accuracy) == (0.75, 0.5)
    assert found.group_accuracy_interval == (0, 1)
    assert "group_accuracy" not in summary.measure(predicted, labels, 2, stories).to_json()
