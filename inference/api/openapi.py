"""Describe the API as an OpenAPI 3.1 document: every request, response and status."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from inference.api.answers import Health, ManyAnswers, OneAnswer
from inference.api.examples import REQUESTS, answer_examples, problem_example
from inference.api.problems import Problem
from inference.api.requests import FIELDS, LIST_FIELD, RequestParser

SCHEMAS = "#/components/schemas/"
PROBLEMS = {
    400: "The body is not JSON in UTF-8; `detail` says what is wrong.",
    413: "The body is too large.",
    415: "The Content-Type is not JSON in UTF-8, or the body is compressed.",
    422: "The request is not valid; `errors` has an entry for each wrong field.",
    429: "There were too many requests; API Gateway itself sends this response.",
    500: "The service failed; `detail` contains the id of the request.",
    503: "The model is not available yet; `Retry-After` says when to try again.",
}


def describe_api(parser: RequestParser, prefix: str = "") -> dict[str, Any]:
    """Return the OpenAPI document of a service with the limits of this parser.

    Args:
        parser: Of the requests.
        prefix: Where the API is on its host, such as ``/news``.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Text classifier",
            "version": "1",
            "description": "Labels texts with the model that `GET /model` describes.",
        },
        **({"servers": [{"url": prefix}]} if prefix else {}),
        "paths": {
            "/predict": {"post": _predict()},
            "/health": {
                "get": _read("Tell whether the service can answer", "health", _reference("Health"))
            },
            "/model": {"get": _read("Show the model card", "model", {"type": "object"})},
        },
        "components": {"schemas": _answer_schemas() | {"Request": _request_schema(parser)}},
    }


def _predict() -> dict[str, Any]:
    examples = _examples({name: {LIST_FIELD: inputs} for name, inputs in REQUESTS.items()})
    body = {"application/json": {"schema": _reference("Request"), "examples": examples}}
    answers = {"oneOf": [_reference("OneAnswer"), _reference("ManyAnswers")]}
    answered = _json("An object for one text, a list for a list.", answers)
    answered["content"]["application/json"]["examples"] = _examples(answer_examples())
    return {
        "summary": "Classify one text or a list of texts",
        "operationId": "predict",
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": answered,
            **_problems(*PROBLEMS),
        },
    }


def _read(summary: str, operation: str, schema: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": _json(summary + ".", schema), **_problems(429, 500, 503)}
    return {"summary": summary, "operationId": operation, "responses": responses}


def _answer_schemas() -> dict[str, Any]:
    models: list[type[BaseModel]] = [OneAnswer, ManyAnswers, Health, Problem]
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models], ref_template=SCHEMAS + "{model}"
    )
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions


def _request_schema(parser: RequestParser) -> dict[str, Any]:
    text = parser.text.json_schema()
    text_or_list = {"anyOf": [text, parser.texts.json_schema()]}
    return {
        "description": "One text in any of these fields, or a list of texts in `inputs`.",
        "oneOf": [
            {
                "type": "object",
                "properties": {name: text_or_list if name == LIST_FIELD else text},
                "required": [name],
                "additionalProperties": False,
            }
            for name in FIELDS
        ],
    }


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        message = {"type": "object", "properties": {"message": {"type": "string"}}}
        response = _json(PROBLEMS[status], message)
        response["content"]["application/json"]["example"] = {"message": "Too Many Requests"}
        return response
    response = {
        "description": PROBLEMS[status],
        "content": {
            "application/problem+json": {
                "schema": _reference("Problem"),
                "example": problem_example(HTTPStatus(status)),
            }
        },
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        header = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        response["headers"] = {"Retry-After": header}
    return response


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _examples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in values.items()}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": SCHEMAS + name}
