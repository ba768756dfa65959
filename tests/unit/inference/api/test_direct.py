from pathlib import Path
from typing import Any

import pytest

from inference.api import direct
from inference.api.direct import ServiceFaultError, answer_event
from inference.api.loader import ClassifierLoader
from inference.api.predictor import Predictor
from inference.api.requests import RequestParser
from inference.runtime.settings import Settings


@pytest.fixture
def answer(parser: RequestParser, predictor: Predictor) -> Any:
    return lambda event: answer_event(event, parser, predictor, "the-id")


def test_an_event_in_the_form_of_a_request_is_answered_like_one(
    answer: Any, loader: ClassifierLoader
) -> None:
    one = answer({"inputs": "Fed holds rates"})
    fields = {"predicted_label", "confidence", "probabilities", "truncated", "model_version"}
    if loader.get_model().manifest.can_abstain:
        fields.add("abstained")
    assert set(one) - {"abstention_reason"} == fields
    many = answer({"inputs": ["Fed holds rates"]})
    assert many["predictions"][0]["predicted_label"] == one["predicted_label"]


def test_more_texts_are_answered_than_over_http(answer: Any) -> None:
    assert len(answer({"inputs": ["Fed"] * 200})["predictions"]) == 200


@pytest.mark.parametrize("event", [{"inputs": ""}, {"input": "a"}, ["a"], "a", None])
def test_a_wrong_event_is_answered_with_the_problem(answer: Any, event: Any) -> None:
    problem = answer(event)
    assert (problem["status"], problem["title"]) == (422, "Unprocessable Entity")
    assert problem["errors"]


def test_an_answer_that_lambda_cannot_send_is_refused_in_words(
    answer: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN texts whose answer is too large WHEN they are sent THEN the caller reads what to do
    monkeypatch.setattr(direct, "MAX_ANSWER_BYTES", 300)
    problem = answer({"inputs": ["Fed", "A film"]})
    assert problem["status"] == 413
    assert "Send fewer texts" in problem["detail"]
    # AND no metric counts what was not answered
    assert "Predictions" not in capsys.readouterr().out


def test_a_fault_of_the_service_is_an_error_so_that_lambda_tries_again(
    parser: RequestParser, tmp_path: Path
) -> None:
    # GIVEN a function whose model is missing WHEN it is invoked
    settings = Settings(model_uri=(tmp_path / "nothing").as_uri())
    predictor = Predictor(settings, ClassifierLoader(settings))
    # THEN the invocation fails, and says no more than the API would
    with pytest.raises(ServiceFaultError, match=r"^The model is not available yet\.$"):
        answer_event({"inputs": "Fed"}, parser, predictor, "the-id")


def test_an_exception_is_not_shown(parser: RequestParser) -> None:
    with pytest.raises(ServiceFaultError, match=r"^Request the-id failed\.$") as raised:
        answer_event({"inputs": "Fed"}, parser, None, "the-id")  # type: ignore[arg-type]
    assert raised.value.__context__ is None


def test_a_direct_invocation_can_ask_for_an_explanation(answer: Any) -> None:
    one = answer({"inputs": "Fed holds rates", "explain": True})
    assert [word for word, _ in one["explanation"]] == ["Fed", "holds", "rates"]
    many = answer({"inputs": ["Fed holds rates"], "explain": True})
    assert many["predictions"][0]["explanation"] == one["explanation"]
    assert answer({"inputs": ["Fed"] * 9, "explain": True})["status"] == 422
