import numpy as np
import pytest

from inference.model.bundle import read_verified
from tests.conftest import SAMPLE_MODEL
from training.labels.encoder import BundleEncoder
from training.labels.features import (
    CHARACTERS,
    MOST_CHARACTERS,
    STATES,
    WORDS,
    compute_features,
    drop_markup,
    list_kinds,
)

TEXTS = ["shares fall", "profits fall", "a new vaccine", "the flu vaccine"] * 3
LABELS = np.array([0, 0, 1, 1] * 3)


@pytest.mark.parametrize("kind", [WORDS, CHARACTERS, STATES])
def test_every_kind_of_features_tells_labels_apart(kind: str) -> None:
    # GIVEN texts about two things
    features = compute_features(kind, TEXTS, BundleEncoder(read_verified(SAMPLE_MODEL)))
    # WHEN a model learns from some of them
    shares = features.fit_predict(np.arange(8), LABELS[:8], 2, np.arange(8, 12))
    # THEN it knows the others, and its probabilities sum to 1
    assert shares.argmax(axis=1).tolist() == [0, 0, 1, 1]
    assert shares.sum(axis=1) == pytest.approx(np.ones(4))


def test_a_label_without_rows_gets_no_probability() -> None:
    features = compute_features(WORDS, TEXTS, None)
    shares = features.fit_predict(np.arange(8), LABELS[:8] * 2, 4, np.arange(8, 12))
    assert shares[:, [1, 3]].tolist() == [[0, 0]] * 4


def test_rows_of_a_single_label_teach_that_label() -> None:
    features = compute_features(WORDS, TEXTS, None)
    shares = features.fit_predict(np.array([0, 1]), LABELS[:2], 2, np.array([2]))
    assert shares.tolist() == [[1, 0]]


def test_texts_without_words_are_read_by_their_characters() -> None:
    # GIVEN texts of single letters, in which scikit-learn finds no word
    assert list_kinds(["a b", "c d"], None) == [CHARACTERS]
    assert compute_features(CHARACTERS, ["a b", "c d"], None).matrix.shape[0] == 2


def test_characters_of_a_large_file_are_left_out() -> None:
    assert list_kinds(["word " * 10] * (MOST_CHARACTERS // 40), None) == [WORDS]


def test_normalized_features_have_length_1() -> None:
    normal = compute_features(WORDS, TEXTS, None).normalize()
    lengths = np.asarray(normal.multiply(normal).sum(axis=1)).reshape(-1)
    assert lengths == pytest.approx(np.ones(len(TEXTS)))


def test_markup_is_read_as_a_space() -> None:
    assert drop_markup(["good<br />film"], r"<br\s*/?>") == ["good film"]
    assert drop_markup(["a<b"], None) == ["a<b"]
