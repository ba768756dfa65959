"""The OpenAPI document (3.1): what every route takes and every status it can answer."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from inference.api.requests import (
    LISTED,
    NAMES,
    Health,
    ManyAnswers,
    OneAnswer,
    Problem,
    RequestReader,
)

EXAMPLE = "Life in Mars might be a real possibility"
SCHEMAS = "#/components/schemas/"

_WHEN = {
    400: "The body is not JSON.",
    413: "The body is too large.",
    415: "The body is not said to be JSON in UTF-8.",
    422: "The request is not valid; `errors` has an entry for each field.",
    429: "Too many requests; this answer is API Gateway's own.",
    500: "A fault of the service; the detail has the id of the request.",
    503: "The model is not available yet; `Retry-After` says when to ask again.",
}


def document(reader: RequestReader) -> dict[str, Any]:
    """The document of a service that reads requests with this reader."""
    models: list[type[BaseModel]] = [OneAnswer, ManyAnswers, Health, Problem]
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models], ref_template=SCHEMAS + "{model}"
    )
    components = schemas["$defs"] | {"Request": _request_schema(reader)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Text classifier",
            "version": "1",
            "description": "Labels texts with the model that `GET /model` describes.",
        },
        "paths": {
            "/predict": {
                "post": {
                    "summary": "Classify one text or a list of them",
                    "operationId": "predict",
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": _reference("Request"),
                                "examples": {
                                    "one": {"value": {LISTED: EXAMPLE}},
                                    "many": {"value": {LISTED: [EXAMPLE, "Fed holds rates"]}},
                                },
                            }
                        },
                    },
                    "responses": {
                        "200": _json(
                            "One object for one text, a list for a list.",
                            {"oneOf": [_reference("OneAnswer"), _reference("ManyAnswers")]},
                        ),
                        **_problems(400, 413, 415, 422, 429, 500, 503),
                    },
                }
            },
            "/health": _read("Whether the function can answer", "health", _reference("Health")),
            "/model": _read("The model card", "model", {"type": "object"}),
        },
        "components": {"schemas": components},
    }


def _request_schema(reader: RequestReader) -> dict[str, Any]:
    text = reader.text.json_schema()
    listed = {"anyOf": [text, reader.texts.json_schema()]}
    return {
        "description": "One text under any of these names, or a list of them as `inputs`.",
        "oneOf": [
            {
                "type": "object",
                "properties": {name: listed if name == LISTED else text},
                "required": [name],
                "additionalProperties": False,
            }
            for name in NAMES
        ],
    }


def _read(summary: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": _json(summary + ".", schema), **_problems(429, 500, 503)}
    return {"get": {"summary": summary, "operationId": name, "responses": responses}}


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        message = {"type": "object", "properties": {"message": {"type": "string"}}}
        return _json(_WHEN[status], message)
    answer = {
        "description": _WHEN[status],
        "content": {"application/problem+json": {"schema": _reference("Problem")}},
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        header = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        answer["headers"] = {"Retry-After": header}
    return answer


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": SCHEMAS + name}
