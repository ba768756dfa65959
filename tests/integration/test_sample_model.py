"""The model that ships with the repository."""

import pytest

from benchmarks.faithfulness import METHODS, choose_texts, measure
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import HEADLINES, SAMPLE_MODEL
from training.data.read import read
from training.tasks import NEWS


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(read_verified(SAMPLE_MODEL))


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in SAMPLE_MODEL.iterdir()) < 24_000_000


def test_it_beats_the_baseline_and_its_manifest_says_so() -> None:
    metrics = read_verified(SAMPLE_MODEL).manifest.metrics
    assert metrics["int8"]["accuracy"] - metrics["baseline"]["accuracy"] >= 0.005


def test_it_holds_on_headlines_of_another_year(classifier: Classifier) -> None:
    # GIVEN headlines that were written for this project, in the manner of another year
    rows = read(str(HEADLINES), NEWS).examples
    # WHEN the shipped model labels them
    predictions = classifier.predict([row.text for row in rows])
    # THEN about as many are right as the documentation says
    labels = classifier.labels
    right = sum(p.label == labels[row.label] for p, row in zip(predictions, rows, strict=True))
    assert right / len(rows) >= 0.9


def test_the_words_that_an_explanation_names_decide_the_label(classifier: Classifier) -> None:
    # GIVEN headlines that the model was not trained on
    texts = choose_texts([row.text for row in read(str(HEADLINES), NEWS).examples])[::3]
    assert len(texts) > 150
    # WHEN the words that contribute most are removed, or as many words by chance
    explained = measure(classifier, texts, METHODS["both, as the API answers"])
    chance = measure(classifier, texts, METHODS["chance"])
    # THEN the probability of the label falls several times as far, however many are removed
    for fall, by_chance in zip(explained.falls, chance.falls, strict=True):
        assert fall > 3 * by_chance
    assert explained.changed > 3 * chance.changed
    # AND these words alone preserve most of it
    assert explained.kept > chance.kept + 0.2
