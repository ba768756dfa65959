"""The examples of the OpenAPI document: requests, what the shipped model answers, and problems."""

from http import HTTPStatus
from typing import Any

from inference.api.answers import Answer, ManyAnswers, OneAnswer
from inference.api.problems import FieldError, Problem

VERSION = "0123456789abcdef"
LABELS = ("Business", "Science", "Entertainment", "Health")
TEXT = "Life in Mars might be a real possibility"
TEXTS = {
    "Central bank holds interest rates as inflation cools": (0.9698, 0.0121, 0.0102, 0.0079),
    "New vaccine halves hospital stays in late trial": (0.0147, 0.0055, 0.0099, 0.9699),
    "Festival opens with a film nobody was allowed to see": (0.0057, 0.0079, 0.9771, 0.0093),
}
REQUESTS = {"one": TEXT, "many": list(TEXTS)}
DETAILS = {
    400: "The body is not JSON: expecting value at line 1, column 12.",
    404: "There is no such prediction; it may have expired.",
    413: "The body has 1234567 bytes; at most 1000000 are read.",
    415: "The body is compressed (gzip). Send it uncompressed.",
    422: "The request is not valid.",
    500: "Request c6af9ac6-7b61-11e6-9a41-93e8deadbeef failed.",
    503: "The model is not available yet.",
}
FEEDBACK = {
    "prediction_id": f"{VERSION}.c6af9ac6-7b61-11e6-9a41-93e8deadbeef.0",
    "label": "Health",
}
FEEDBACK_ANSWER = {**FEEDBACK, "predicted_label": "Science"}
WRONG_FIELD = FieldError(field="inputs.3", message="String should have at least 1 character")


def answer_examples() -> dict[str, Any]:
    """Return the answers to ``REQUESTS``, by the same names."""
    one = _answer((0.0056, 0.9744, 0.0077, 0.0123)).to_dict()
    many = ManyAnswers(predictions=list(map(_answer, TEXTS.values())), model_version=VERSION)
    return {
        "one": OneAnswer(**one, model_version=VERSION).to_dict(),
        "many": many.to_dict(),
    }


def problem_example(status: HTTPStatus) -> dict[str, Any]:
    """Return a problem of this status."""
    problem = Problem(title=status.phrase, status=int(status), detail=DETAILS[status])
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        problem.errors = [WRONG_FIELD]
    return problem.to_dict()


def _answer(shares: tuple[float, ...]) -> Answer:
    probabilities = dict(zip(LABELS, shares, strict=True))
    best = max(probabilities, key=probabilities.__getitem__)
    return Answer(
        predicted_label=best,
        confidence=probabilities[best],
        probabilities=probabilities,
        truncated=False,
        abstained=False,
    )
