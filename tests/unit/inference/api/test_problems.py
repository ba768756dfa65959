import json
from http import HTTPStatus

import pytest

from inference.api.loader import ModelUnavailableError
from inference.api.problems import (
    FieldError,
    ProblemError,
    repeat,
    to_plain_response,
    to_response,
)

INVALID = HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_problem_is_answered_as_it_is() -> None:
    # GIVEN a problem with a field and a header WHEN it is answered
    errors = [FieldError(field="text", message="Too long")]
    problem = ProblemError(INVALID, "The request is not valid.", errors, {"Allow": "POST"})
    response = to_response(problem, "the-id")
    # THEN the response has the form of RFC 9457
    assert (response.status_code, response.headers["Allow"]) == (422, "POST")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.body or "") == {
        "type": "about:blank",
        "title": INVALID.phrase,
        "status": 422,
        "detail": "The request is not valid.",
        "errors": [{"field": "text", "message": "Too long"}],
    }


def test_an_answer_has_no_more_errors_than_lambda_can_send() -> None:
    errors = [FieldError(field=str(number), message="wrong") for number in range(1000)]
    body = to_response(ProblemError(INVALID, "Wrong.", errors), "the-id").body
    assert len(json.loads(body or "")["errors"]) == 100


def test_a_missing_model_is_a_503_that_says_when_to_try_again() -> None:
    response = to_response(ModelUnavailableError(), "the-id")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


def test_any_other_exception_is_logged_but_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    # GIVEN an exception with a secret in its message WHEN it is answered
    try:
        raise RuntimeError("the secret")
    except RuntimeError as error:
        response = to_response(error, "the-id")
    # THEN the client gets the id of the request, and the log the cause
    assert response.status_code == 500
    assert "the-id" in (response.body or "")
    assert "secret" not in (response.body or "")
    assert "the secret" in caplog.text


def test_a_name_of_the_client_is_repeated_in_a_form_that_can_be_sent() -> None:
    assert repeat("x" * 150) == "x" * 100
    assert repeat("half a pair: \ud800") == "half a pair: ?"


def test_other_clients_read_the_error_as_one_string() -> None:
    # GIVEN a problem with a wrong field WHEN a client of Hugging Face or SageMaker gets it
    errors = [FieldError(field="inputs.3", message="Too long")]
    response = to_plain_response(ProblemError(INVALID, "The request is not valid.", errors), "id")
    # THEN one string says everything
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body or "") == {
        "error": "The request is not valid. inputs.3: Too long"
    }


def test_a_string_keeps_several_errors_apart() -> None:
    errors = [FieldError(field="", message="Not an object"), FieldError(field="a", message="Long")]
    body = to_plain_response(ProblemError(INVALID, "Not valid.", errors), "id").body
    assert json.loads(body or "") == {"error": "Not valid. Not an object; a: Long"}


def test_other_clients_are_not_shown_an_exception_either() -> None:
    response = to_plain_response(RuntimeError("the secret"), "the-id")
    assert (response.status_code, response.body) == (500, '{"error": "Request the-id failed."}')
