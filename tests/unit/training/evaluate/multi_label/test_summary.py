import numpy as np
import pytest

from training.evaluate.multi_label.summary import compare, measure, micro_f1_interval, summarise

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.random((200, 3)) < [0.5, 0.3, 0.1]
CLUSTERS = np.arange(200)
SCORES = np.where(LABELS, 0.7, 0.2) + RANDOM.normal(0, 0.2, LABELS.shape)
ANSWERS = SCORES >= 0.5


def test_every_figure_lies_in_its_interval() -> None:
    measured = measure(ANSWERS, SCORES, LABELS, CLUSTERS)
    for name in ("micro_f1", "macro_f1", "accuracy", "ranking_precision"):
        low, high = getattr(measured, f"{name}_interval")
        assert low < getattr(measured, name) < high


def test_texts_of_one_cluster_tell_less() -> None:
    # GIVEN each text ten times WHEN its copies are known to be one cluster
    answers, labels = np.repeat(ANSWERS, 10, axis=0), np.repeat(LABELS, 10, axis=0)
    scores = np.repeat(SCORES, 10, axis=0)
    together = measure(answers, scores, labels, np.repeat(CLUSTERS, 10))
    apart = measure(answers, scores, labels, np.arange(2000))
    # THEN the interval is as wide as that of the texts themselves
    intervals = [each.micro_f1_interval for each in (together, apart)]
    widths = [high - low for low, high in intervals]
    assert widths[0] > 2 * widths[1]


def test_labels_that_no_text_has_count_only_if_asked() -> None:
    labels = np.column_stack([LABELS, np.zeros(200, bool)])
    answers = np.column_stack([ANSWERS, np.zeros(200, bool)])
    scores = np.column_stack([SCORES, np.zeros(200)])
    all_labels = measure(answers, scores, labels, CLUSTERS)
    present = measure(answers, scores, labels, CLUSTERS, only_present=True)
    assert all_labels.macro_f1 == pytest.approx(0.75 * present.macro_f1)
    low, high = present.macro_f1_interval
    assert low < present.macro_f1 < high


def test_a_summary_counts_the_labels_of_texts() -> None:
    probabilities = SCORES.clip(0, 1)
    found = summarise(probabilities, ANSWERS, LABELS, ("a", "b", "c"), CLUSTERS)
    assert found.labels_per_text == pytest.approx(LABELS.sum() / 200)
    assert found.without_label == (~ANSWERS.any(axis=1)).sum()
    assert [each.texts for each in found.per_label.values()] == LABELS.sum(axis=0).tolist()
    assert found.calibration_error_interval.low < found.calibration_error_interval.high


def test_a_better_model_is_told_from_a_worse_one() -> None:
    # GIVEN a model, and another one that misses half of the labels
    worse = ANSWERS & (RANDOM.random(ANSWERS.shape) < 0.5)
    # WHEN they are compared THEN the intervals of all differences exclude 0
    found = compare(ANSWERS, worse, LABELS, CLUSTERS)
    assert found.difference == pytest.approx(found.micro_f1 - found.other_micro_f1)
    assert found.difference_interval.low > 0
    assert found.macro_f1_interval.low > 0
    # AND a model does not differ from itself
    same = compare(ANSWERS, ANSWERS, LABELS, CLUSTERS)
    assert same.difference == 0
    assert tuple(same.difference_interval) == (0, 0)


def test_texts_of_which_none_has_a_label_are_measured_too() -> None:
    # GIVEN 200 texts without labels, of which a model gives one a label and another one none
    labels, none = np.zeros((200, 3), bool), np.zeros((200, 3), bool)
    answers = none.copy()
    answers[0, 1] = True
    probabilities = np.where(answers, 0.9, 0.1)
    # WHEN they are measured over the labels that texts have
    names = ("a", "b", "c")
    found = summarise(probabilities, answers, labels, names, CLUSTERS, only_present=True)
    # THEN subset accuracy says how often rightly no label was given, and no label has an F1
    assert found.accuracy == pytest.approx(199 / 200)
    assert (found.macro_f1, found.labels_per_text) == (0, 0)
    assert tuple(found.macro_f1_interval) == (0, 0)
    # AND the models can be compared
    compared = compare(none, answers, labels, CLUSTERS)
    assert compared.accuracy_difference == pytest.approx(1 / 200)
    assert compared.macro_f1_difference == 0
    assert tuple(compared.macro_f1_interval) == (0, 0)


def test_the_agreement_of_a_model_with_itself_is_certain() -> None:
    assert tuple(micro_f1_interval(ANSWERS, ANSWERS, CLUSTERS)) == (1, 1)
