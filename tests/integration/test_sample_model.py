"""The model that ships with the repository."""

import pytest

from inference.bundle import read_verified
from inference.classifier import Classifier
from tests.conftest import HEADLINES, SAMPLE_MODEL
from training import data, tasks


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(SAMPLE_MODEL, read_verified(SAMPLE_MODEL)[0])


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in SAMPLE_MODEL.iterdir()) < 24_000_000


def test_it_beats_the_baseline_and_says_so() -> None:
    metrics = read_verified(SAMPLE_MODEL)[0].metrics
    assert metrics["int8"]["accuracy"] - metrics["baseline"]["accuracy"] >= 0.005


def test_the_shipped_model_holds_on_headlines_of_another_decade(classifier: Classifier) -> None:
    # GIVEN headlines written for this project, in the manner of ten years later
    rows = data.read(str(HEADLINES), tasks.NEWS).examples
    # WHEN the shipped model labels them THEN nine in ten are right
    found = classifier.predict([row.text for row in rows])
    labels = classifier.manifest.labels
    right = sum(p.label == labels[row.label] for p, row in zip(found, rows, strict=True))
    assert right / len(rows) >= 0.9
