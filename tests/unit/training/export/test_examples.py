"""The examples of a manifest, with the shipped model."""

import pytest

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import SAMPLE_MODEL
from training.export.examples import TEXTS, make_examples


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(read_verified(SAMPLE_MODEL))


def test_the_examples_are_what_the_classifier_answers(classifier: Classifier) -> None:
    # GIVEN a classifier WHEN its examples are made
    examples = make_examples(classifier)
    # THEN each text has the probabilities of all labels, in their order
    assert [example.text for example in examples] == [*TEXTS]
    for example in examples:
        (prediction,) = classifier.predict([example.text])
        assert list(example.probabilities) == list(classifier.labels)
        # int8 answers depend a little on the other texts of a list
        assert example.probabilities == pytest.approx(prediction.probabilities, abs=1e-5)


def test_the_examples_take_every_step(classifier: Classifier) -> None:
    predictions = classifier.predict(TEXTS)
    assert any(prediction.truncated for prediction in predictions)
    assert any(prediction.unknown_tokens for prediction in predictions)
    assert len({prediction.tokens for prediction in predictions}) == len(TEXTS)
