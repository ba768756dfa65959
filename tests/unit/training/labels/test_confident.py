import numpy as np
import pytest

from training.labels.confident import find_confident_labels, find_suspects

# The mean probability of rows labelled 0 is 0.7, and of those labelled 1 it is 0.6.
PROBABILITIES = np.array(
    [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.35, 0.65], [0.75, 0.25]]
)
LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_a_row_counts_for_the_label_whose_mean_confidence_it_reaches() -> None:
    # GIVEN rows, of which the third is 0 by its label and 1 by its probabilities
    # WHEN they are counted
    confident = find_confident_labels(PROBABILITIES, LABELS)
    # THEN each counts for the label that reaches the mean of the rows labelled so
    assert confident.tolist() == [0, 0, 1, 1, 1, 0]


def test_a_row_that_is_sure_of_nothing_counts_for_no_label() -> None:
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    assert find_confident_labels(probabilities, np.array([0, 1, 0])).tolist() == [0, 1, -1]


def test_suspects_come_with_a_suggestion_and_the_surest_first() -> None:
    # GIVEN two rows that count for another label than their own
    # WHEN the suspects are looked for
    suspects = find_suspects(PROBABILITIES, LABELS)
    # THEN both are found, and the one whose suggestion is clearer comes first
    assert suspects.rows.tolist() == [5, 2]
    assert suspects.suggested.tolist() == [0, 1]
    assert suspects.scores == pytest.approx([0.5, 0.2])


def test_the_estimate_is_scaled_to_the_rows_that_count_for_no_label() -> None:
    # GIVEN four rows labelled 0, of which two count for 0, one for 1 and one for none
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [0.2, 0.8]])
    labels = np.array([0, 0, 0, 0, 1])
    # WHEN the wrong labels are estimated
    suspects = find_suspects(probabilities, labels)
    # THEN a third of the four rows is wrong, though only one is a suspect
    assert suspects.rows.tolist() == [2]
    assert suspects.estimate == pytest.approx(4 / 3)


def test_a_label_that_no_row_has_is_never_suggested() -> None:
    probabilities = np.array([[0.2, 0.1, 0.7], [0.9, 0.1, 0.0], [0.3, 0.7, 0.0]])
    assert find_suspects(probabilities, np.array([0, 0, 1])).rows.tolist() == []


def test_a_rare_label_needs_less_confidence_than_a_common_one() -> None:
    # GIVEN models that give a rare label 0.45 at most, and a row of another label near that
    probabilities = np.array([[0.45, 0.4, 0.15], [0.1, 0.9, 0.0], [0.46, 0.44, 0.1]])
    labels = np.array([0, 1, 1])
    # WHEN suspects are looked for THEN the row is one, though 0.46 is far from sure
    assert find_suspects(probabilities, labels).rows.tolist() == [2]
