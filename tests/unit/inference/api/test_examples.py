from http import HTTPStatus

import msgspec
import pytest

from inference.api.answers import Answer, OneAnswer
from inference.api.examples import DETAILS, REQUESTS, TEXT, answer_examples, problem_example
from inference.api.openapi import PROBLEMS
from inference.api.problems import Problem
from inference.local.checkout import SAMPLE_MODEL
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier


def example_answers() -> list[Answer]:
    one = msgspec.convert(answer_examples()["one"], OneAnswer)
    return [one, *msgspec.convert(answer_examples()["many"]["predictions"], list[Answer])]


@pytest.mark.parametrize("answer", example_answers())
def test_an_example_answer_agrees_with_itself(answer: Answer) -> None:
    shares = answer.probabilities
    assert sum(shares.values()) == pytest.approx(1)
    assert answer.confidence == max(shares.values()) == shares[answer.predicted_label]


def test_the_example_answers_are_those_of_the_shipped_model() -> None:
    # GIVEN the shipped model WHEN it classifies the example requests
    classifier = Classifier.load(read_verified(SAMPLE_MODEL))
    predictions = classifier.predict([TEXT, *REQUESTS["many"]])
    # THEN it answers as the examples say, but for the last digits
    for answer, prediction in zip(example_answers(), predictions, strict=True):
        assert answer.probabilities == pytest.approx(prediction.probabilities, abs=0.01)
        expected = msgspec.UNSET if prediction.abstained is None else prediction.abstained
        assert answer.abstained == expected


@pytest.mark.parametrize("status", DETAILS)
def test_an_example_problem_has_its_status(status: int) -> None:
    problem = msgspec.convert(problem_example(HTTPStatus(status)), Problem)
    assert problem.status == status
    assert problem.title == HTTPStatus(status).phrase
    assert status in PROBLEMS
