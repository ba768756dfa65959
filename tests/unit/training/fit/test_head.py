from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from tests.conftest import HEADLINES
from training import tasks
from training.data.examples import UNLABELLED, Example, clusters_of, labels_of
from training.data.read import read
from training.fit import text_model
from training.fit.base_model import load_pretrained
from training.fit.encoder import EncoderClassifier
from training.fit.head import choose_rows, fit_head
from training.fit.settings import Settings

CPU = torch.device("cpu")
SETTINGS = Settings(data="d", output="o", seed=1)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Sample headlines, each a group of its own."""
    rows = read(str(HEADLINES), tasks.NEWS).examples[:200]
    return [Example(row.text, row.label, group=str(number)) for number, row in enumerate(rows)]


@pytest.mark.parametrize("count", [2, 4])
def test_the_head_answers_like_a_logistic_regression(
    mpnet: Path, examples: list[Example], count: int
) -> None:
    # GIVEN rows of two or four labels
    labels = tasks.NEWS.labels[:count]
    rows = [example for example in examples if example.label < count]
    model, tokenizer = load_pretrained(str(mpnet), labels, pooling="mean")
    assert isinstance(model, EncoderClassifier)
    # WHEN the head is fitted to them
    assert fit_head(model, tokenizer, rows, SETTINGS, CPU, None) == len(rows)
    # THEN it gives the probabilities of scikit-learn's own model of the same features
    token_ids = text_model.encode(tokenizer, [row.text for row in rows])
    features = text_model.compute_features(model, token_ids, CPU)
    expected = LogisticRegression(max_iter=1000).fit(features, labels_of(rows))
    answers = softmax(text_model.compute_logits(model, token_ids, CPU), axis=1)
    np.testing.assert_allclose(answers, expected.predict_proba(features), atol=1e-4)


def test_a_label_without_rows_is_the_least_likely_constant(
    mpnet: Path, examples: list[Example]
) -> None:
    # GIVEN training rows that lack the last label
    model, tokenizer = load_pretrained(str(mpnet), tasks.NEWS.labels, pooling="mean")
    assert isinstance(model, EncoderClassifier)
    # WHEN the head is fitted THEN that label's answer depends on no text, and is never the first
    fit_head(model, tokenizer, [e for e in examples if e.label < 3], SETTINGS, CPU, None)
    assert not model.classifier.weight[3].any()
    assert model.classifier.bias[3] == model.classifier.bias.min()


def test_few_rows_of_a_group_are_chosen() -> None:
    # GIVEN a group of 500 rows, one of two, and 30 single rows
    groups = ["large"] * 500 + ["small"] * 2 + [str(number) for number in range(30)]
    rows = [Example(str(number), 0, group=group) for number, group in enumerate(groups)]
    # WHEN rows are chosen
    chosen = choose_rows(labels_of(rows), clusters_of(rows), seed=1)
    # THEN there are two of the large group, and all others
    assert sorted(groups[row] for row in chosen) == sorted(["large"] * 2 + groups[500:])


def test_every_group_comes_before_the_second_row_of_any(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN room for 10 rows, and 8 groups of 5
    monkeypatch.setattr("training.fit.head.ROWS", 10)
    clusters = np.repeat(np.arange(8), 5)
    # WHEN rows are chosen THEN every group has one
    chosen = choose_rows(np.zeros(40, np.int64), clusters, seed=1)
    assert len(chosen) == 10
    assert set(clusters[chosen]) == set(range(8))


def test_a_rare_label_is_among_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN room for 5 rows, and one row in 1,000 with another label
    monkeypatch.setattr("training.fit.head.ROWS", 5)
    labels = np.zeros(1000, np.int64)
    labels[123] = 1
    # WHEN rows are chosen THEN it is one of them
    assert 123 in choose_rows(labels, np.arange(1000), seed=1)


def test_the_same_seed_chooses_the_same_rows() -> None:
    labels, clusters = np.zeros(100, np.int64), np.repeat(np.arange(10), 10)
    first, again, other = (choose_rows(labels, clusters, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_each_of_several_labels_has_a_regression_of_its_own(
    mpnet: Path, examples: list[Example]
) -> None:
    # GIVEN rows of which all have the first label, some the second, and none the third
    rows = [
        replace(row, label=UNLABELLED, labels=(0, 1) if row.label else (0,)) for row in examples
    ]
    model, tokenizer = load_pretrained(str(mpnet), ("all", "some", "none"), pooling="mean")
    assert isinstance(model, EncoderClassifier)
    # WHEN the head is fitted to them
    fit_head(model, tokenizer, rows, SETTINGS, CPU, None)
    # THEN the second label has the probabilities of scikit-learn's own model
    token_ids = text_model.encode(tokenizer, [row.text for row in rows])
    features = text_model.compute_features(model, token_ids, CPU)
    some = [len(row.labels or ()) > 1 for row in rows]
    expected = LogisticRegression(max_iter=1000).fit(features, some).predict_proba(features)[:, 1]
    answers = expit(text_model.compute_logits(model, token_ids, CPU))
    np.testing.assert_allclose(answers[:, 1], expected, atol=1e-4)
    # AND the others are constant
    assert answers[:, 0].min() > 0.95
    assert answers[:, 2].max() < 0.05
