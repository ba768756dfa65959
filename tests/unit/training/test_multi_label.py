import numpy as np
import pytest
from sklearn.metrics import f1_score, label_ranking_average_precision_score

from training import multi_label


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_sigmoid_divides_each_label_by_its_temperature() -> None:
    found = multi_label.sigmoid(np.array([[2.0, 2.0]]), (1.0, 2.0))
    assert found[0] == pytest.approx([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1))])


def test_each_label_gets_the_temperature_that_its_outputs_need(random: np.random.Generator) -> None:
    # GIVEN outputs of two labels, one three times as sure as it should be
    logits = random.normal(0, 2, (4000, 2))
    labels = random.random((4000, 2)) < multi_label.sigmoid(logits)
    # WHEN temperatures are fitted THEN they take that back
    temperatures = multi_label.fit_temperatures(logits * [1, 3], labels)
    assert temperatures == pytest.approx((1, 3), rel=0.1)


def test_a_few_rows_that_are_all_right_do_not_make_it_certain() -> None:
    logits = np.array([[5.0, -5.0], [-5.0, 5.0]])
    temperatures = multi_label.fit_temperatures(logits, logits > 0)
    assert min(temperatures) > 0.5


def test_a_threshold_has_the_best_f1(random: np.random.Generator) -> None:
    # GIVEN probabilities of a rare label that are all too low
    labels = random.random((2000, 1)) < 0.1
    scores = np.where(labels, random.normal(0.3, 0.1, labels.shape), 0.1).clip(0, 1)
    # WHEN its threshold is chosen
    (threshold,) = multi_label.choose_thresholds(scores, labels)
    # THEN no other has a better F1
    best = max(f1_score(labels, scores >= each) for each in np.linspace(0.01, 0.99, 197))
    assert f1_score(labels, scores >= threshold) >= best - 1e-9


def test_rare_labels_share_a_threshold(random: np.random.Generator) -> None:
    # GIVEN three labels, of which two have six rows each
    labels = np.zeros((200, 3), bool)
    labels[:100, 0] = True
    labels[:6, 1] = labels[6:12, 2] = True
    scores = np.where(labels, 0.35, 0.1) + random.random(labels.shape) * 0.1
    # WHEN thresholds are chosen THEN they have one for both, from the rows of both
    first, second, third = multi_label.choose_thresholds(scores, labels)
    assert second == third != 0.5
    assert 0.2 < second < 0.35
    assert 0.2 < first < 0.35


def test_too_few_rows_choose_no_threshold() -> None:
    labels = np.array([[True, False], [False, True]])
    assert multi_label.choose_thresholds(np.array([[0.2, 0.1], [0.1, 0.2]]), labels) == (0.5, 0.5)


def test_texts_of_one_score_are_on_the_same_side() -> None:
    # GIVEN a label whose texts all get the same probability as the others
    labels = np.array([[True]] * 10 + [[False]] * 10)
    # WHEN its threshold is chosen THEN all get it, which is the best that can be done
    thresholds = multi_label.choose_thresholds(np.full((20, 1), 0.3), labels)
    assert multi_label.decide(np.full((20, 1), 0.3), thresholds).all()


def test_the_ranking_is_measured_as_in_scikit_learn(random: np.random.Generator) -> None:
    labels = random.random((50, 6)) < 0.3
    labels[0], labels[1] = False, True
    scores = random.random((50, 6)).round(1)  # with ties
    expected = label_ranking_average_precision_score(labels, scores)
    assert multi_label.ranking_precision(scores, labels).mean() == pytest.approx(expected)


def test_micro_f1_is_the_accuracy_where_each_text_has_one_label(
    random: np.random.Generator,
) -> None:
    right, guessed = (np.eye(4, dtype=bool)[random.integers(4, size=100)] for _ in range(2))
    accuracy = (right == guessed).all(axis=1).mean()
    assert multi_label.micro_f1(guessed, right) == pytest.approx(accuracy)


def test_no_labels_where_there_are_none_is_right() -> None:
    none = np.zeros((3, 2), bool)
    assert multi_label.micro_f1(none, none) == 1


def test_the_calibration_error_is_that_of_single_decisions(random: np.random.Generator) -> None:
    probabilities = random.random((20_000, 3))
    labels = random.random((20_000, 3)) < probabilities
    assert multi_label.calibration_error(probabilities, labels) < 0.01
    assert multi_label.calibration_error(np.full((10, 1), 0.9), np.zeros((10, 1), bool)) == (
        pytest.approx(0.9)
    )


def test_the_score_of_a_validation_needs_no_probability_above_a_half() -> None:
    # GIVEN outputs that are all negative, but higher where the labels apply
    labels = np.eye(3, dtype=bool).repeat(20, axis=0)
    logits = np.where(labels, -2.0, -4.0)
    # WHEN they are scored THEN they are perfect
    assert multi_label.score(logits, labels) == 1
    assert multi_label.score(logits, np.zeros_like(labels)) == 0


def test_macro_f1_is_the_mean_over_the_labels_even_if_there_is_one() -> None:
    # GIVEN answers that find one of two texts with a label, and give it to one without
    labels, answers = np.array([[1], [1], [0]], bool), np.array([[1], [0], [1]], bool)
    # THEN the F1 of the texts without the label counts for nothing
    assert multi_label.macro_f1(answers, labels) == 0.5
    assert multi_label.macro_f1(answers[:, :0], labels[:, :0]) == 0


def test_labels_that_no_validation_row_has_do_not_count() -> None:
    # GIVEN rows of which half have the first label, and none the second
    labels = np.zeros((40, 2), bool)
    labels[:20, 0] = True
    # WHEN the outputs tell nothing THEN the best is to give all of them the label: F1 is 2/3
    assert multi_label.score(np.zeros((40, 2)), labels) == pytest.approx(2 / 3)
    assert multi_label.score(np.where(labels, 1.0, -1.0), labels) == 1
