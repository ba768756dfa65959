"""The API's requests, answers and errors (problem+json, RFC 9457)."""

import json
from base64 import b64decode
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inference.classifier import Prediction
from inference.settings import Settings

RETRY_SECONDS = 5  # what a client is asked to wait while the model cannot be had
TEXT_NAMES = ("text", "headline", "query", "review")  # accepted for one text, besides inputs


class ProblemError(Exception):
    """An error the client is told about."""

    def __init__(self, status: HTTPStatus, detail: str, errors: Sequence[dict[str, str]] = ()):
        """Say what is wrong in words; ``errors`` names the fields."""
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, list(errors)


class PredictRequest(BaseModel):
    """``{"inputs": "text"}``, ``{"inputs": ["text", ...]}`` or one text under another name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    inputs: str | list[str] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _other_names(cls, body: Any) -> Any:
        if isinstance(body, dict) and len(body) == 1:
            name, value = next(iter(body.items()))
            if name in TEXT_NAMES and isinstance(value, str):
                return {"inputs": value}
        return body

    @property
    def texts(self) -> list[str]:
        """The texts in the order they were given."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs


def parse_request(event: APIGatewayProxyEventV2, settings: Settings) -> PredictRequest:
    """Read the body of an event.

    Raises:
        ProblemError: it is not JSON, not a request, or too large.
    """
    body = event.body or ""
    try:
        data = b64decode(body, validate=True) if event.is_base64_encoded else body.encode()
        content = json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    try:
        request = PredictRequest.model_validate(content)
    except ValidationError as error:
        fields = [
            {"field": ".".join(str(part) for part in one["loc"]), "message": one["msg"]}
            for one in error.errors(include_url=False, include_input=False)
        ]
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid.", fields
        ) from None
    if len(request.texts) > settings.max_texts:
        detail = f"{len(request.texts)} texts in one request; at most {settings.max_texts}."
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    for index, text in enumerate(request.texts):
        if not text.strip():
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"Text {index} is blank.")
        if len(text) > settings.max_characters:
            detail = f"Text {index} has over {settings.max_characters} characters."
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return request


def answer(
    request: PredictRequest, predictions: Sequence[Prediction], version: str
) -> Response[str]:
    """One object for one text, a list for a list."""
    found = [
        {
            "predicted_label": prediction.label,
            "confidence": prediction.confidence,
            "probabilities": prediction.probabilities,
            "truncated": prediction.truncated,
        }
        for prediction in predictions
    ]
    if isinstance(request.inputs, str):
        return json_response({**found[0], "model_version": version})
    return json_response({"predictions": found, "model_version": version})


def json_response(content: Any) -> Response[str]:
    """A 200 answer."""
    return Response(200, "application/json", json.dumps(content, ensure_ascii=False))


def problem_response(problem: ProblemError) -> Response[str]:
    """An error answer; it never holds an exception's text."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    if problem.errors:
        content["errors"] = problem.errors
    headers: dict[str, str | list[str]] = {}
    if problem.status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return Response(problem.status.value, "application/problem+json", json.dumps(content), headers)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
