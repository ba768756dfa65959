from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.data.examples import UNLABELLED, Example, labels_of
from training.fit import text_model
from training.fit.base_model import load_pretrained
from training.fit.encoder import EncoderClassifier
from training.fit.frozen import (
    STRENGTHS,
    choose_strength,
    find_strata,
    fit_features,
    fit_logistic_head,
    predict_folds,
)
from training.fit.settings import Settings
from training.labels.folds import Folds

CPU = torch.device("cpu")
SETTINGS = Settings(data="d", output="o", method="frozen")


def make_rows(labels: list[int]) -> list[Example]:
    return [Example(f"text {number}", label) for number, label in enumerate(labels)]


def make_features(rows: list[Example], distance: float) -> NDArray[np.float32]:
    """Draw features of length 1 that tell two labels apart by a distance."""
    random = np.random.default_rng(0)
    features = random.normal(size=(len(rows), 8))
    features[:, 0] += distance * (2 * labels_of(rows) - 1)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32)


def test_only_the_head_of_a_frozen_model_changes(mpnet: Path) -> None:
    # GIVEN an encoder and rows of two labels
    rows = make_rows([0, 1] * 12)
    model, tokenizer = load_pretrained(str(mpnet), ("a", "b"), pooling="mean")
    assert isinstance(model, EncoderClassifier)
    before = {name: value.clone() for name, value in model.base_model.state_dict().items()}
    # WHEN a head is fitted
    strength = fit_logistic_head(model, tokenizer, rows, SETTINGS, CPU, None)
    # THEN the model answers as a logistic regression on the encoder's states would
    token_ids = text_model.encode(tokenizer, [row.text for row in rows])
    features = text_model.compute_features(model, token_ids, CPU)
    expected = LogisticRegression(C=strength, max_iter=1000).fit(features, labels_of(rows))
    logits = text_model.compute_logits(model, token_ids, CPU)
    np.testing.assert_allclose(
        logits[:, 1] - logits[:, 0], expected.decision_function(features), atol=1e-3
    )
    # ... and the encoder is as it was
    after = model.base_model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_strength_is_chosen_at_which_a_rare_label_is_found_at_all() -> None:
    # GIVEN a label that few rows have, which a head at strength 1 never gives
    rows = make_rows([1 if number % 50 == 0 else 0 for number in range(400)])
    features = make_features(rows, 1.5)
    head = torch.nn.Linear(8, 2)
    folds = Folds.make(rows, labels_of(rows), 1, 3)
    weakest = predict_folds(features, rows, 2, SETTINGS, folds, STRENGTHS[0])
    assert not weakest.argmax(axis=1).any()
    # WHEN a strength is chosen THEN it is a greater one, with which the label is given
    assert fit_features(head, features, rows, SETTINGS) > STRENGTHS[0]
    assert (head(torch.from_numpy(features)).argmax(dim=1) == 1).any()


def test_balanced_weights_reach_the_head() -> None:
    # GIVEN a label of 1 row in 20
    rows = make_rows([1 if number % 20 == 0 else 0 for number in range(400)])
    features = make_features(rows, 0.5)
    given = []
    # WHEN heads are fitted without and with balanced weights
    for weights in ("", "balanced"):
        head = torch.nn.Linear(8, 2)
        fit_features(head, features, rows, SETTINGS.model_copy(update={"class_weights": weights}))
        given.append(int((head(torch.from_numpy(features)).argmax(dim=1) == 1).sum()))
    # THEN the second gives it far more often
    assert given[1] > given[0] + 20


def test_rows_that_an_encoder_has_learnt_do_not_choose_the_strength() -> None:
    # GIVEN features that call for a greater strength
    rows = make_rows([1 if number % 50 == 0 else 0 for number in range(400)])
    features = make_features(rows, 1.5)
    assert fit_features(torch.nn.Linear(8, 2), features, rows, SETTINGS) > STRENGTHS[0]
    # WHEN the encoder has learnt from the rows THEN it is the least
    learnt = SETTINGS.model_copy(update={"method": "contrastive"})
    assert fit_features(torch.nn.Linear(8, 2), features, rows, learnt) == STRENGTHS[0]


def test_no_row_is_predicted_by_a_head_that_has_seen_it() -> None:
    # GIVEN labels that nothing but the row itself tells
    rows = make_rows(np.random.default_rng(0).integers(0, 2, 60).tolist())
    features = np.eye(60, dtype=np.float32)
    folds = Folds.make(rows, labels_of(rows), 1, 3)
    # WHEN the rows are predicted THEN all of a fold get the same answer, knowing nothing of them
    logits = predict_folds(features, rows, 2, SETTINGS, folds, 100.0)
    for number in range(3):
        assert np.ptp(logits[folds.numbers == number], axis=0).max() < 1e-5


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0, 0]])
def test_rows_that_say_nothing_about_the_strength_get_the_least(labels: list[int]) -> None:
    # GIVEN one row of each label, or rows of only one label
    rows = make_rows(labels)
    # WHEN a strength is chosen THEN it is the least
    assert choose_strength(np.ones((len(rows), 4), np.float32), rows, 2, SETTINGS) == STRENGTHS[0]


def test_rows_of_the_same_several_labels_are_of_one_stratum() -> None:
    rows = [Example(str(n), UNLABELLED, labels=each) for n, each in enumerate([(0,), (), (0,)])]
    first, second, third = find_strata(rows, 2).tolist()
    assert first == third != second
