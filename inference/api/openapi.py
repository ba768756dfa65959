"""Describe the API as an OpenAPI 3.1 document: every request, response and status."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from inference.api.answers import Answer, Health, ItemError, ManyAnswers, OneAnswer
from inference.api.examples import (
    DETAILS,
    FEEDBACK,
    FEEDBACK_ANSWER,
    REQUESTS,
    answer_examples,
    problem_example,
)
from inference.api.feedback import FeedbackAnswer, FeedbackRequest
from inference.api.problems import Problem
from inference.api.requests import FIELDS, LIST_FIELD, Options, RequestParser
from inference.model.explanation import MAX_TEXTS
from inference.model.labelling import Labelling

SCHEMAS = "#/components/schemas/"
ERROR = "PlainError"
PROBLEMS = {
    400: "The body is not JSON in UTF-8; `detail` says what is wrong.",
    404: "There is no such prediction, or it has expired.",
    413: "The body is too large.",
    415: "The Content-Type is not JSON in UTF-8, or the body is compressed.",
    422: "The request is not valid; `errors` has an entry for each wrong field.",
    429: "There were too many requests; API Gateway itself sends this response.",
    500: "The service failed; `detail` contains the id of the request.",
    503: "The model or the table is not available yet; `Retry-After` says when to try again.",
}
OF_PREDICTIONS = (400, 413, 415, 422, 429, 500, 503)
OF_FEEDBACK = (400, 404, 413, 415, 422, 429, 500, 503)


def describe_api(
    parser: RequestParser,
    prefix: str = "",
    *,
    has_feedback: bool = False,
    labelling: Labelling | None = None,
) -> dict[str, Any]:
    """Return the OpenAPI document of a service with the limits of this parser.

    Args:
        parser: Of the requests.
        prefix: Where the API is on its host, such as ``/news``.
        has_feedback: Whether the service takes feedback.
        labelling: Of the model, if it may give a text several labels.
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
            **({"/feedback": {"post": _take_feedback()}} if has_feedback else {}),
            "/health": {
                "get": _read("Tell whether the service can answer", "health", _reference("Health"))
            },
            "/model": {"get": _read("Show the model card", "model", {"type": "object"})},
            "/hf": {"post": _predict_for_hugging_face(parser, labelling)},
            "/invocations": {"post": _predict_for_sagemaker()},
            "/ping": {"get": _ping()},
        },
        "components": {
            "schemas": _answer_schemas(has_feedback=has_feedback)
            | {"Request": _request_schema(parser), "Instances": _instances_schema(parser)}
            | {ERROR: _object({"error": {"type": "string"}}, ["error"])}
        },
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
            **_problems(*OF_PREDICTIONS),
        },
    }


def _take_feedback() -> dict[str, Any]:
    body = {"schema": _reference("FeedbackRequest"), "example": FEEDBACK}
    answered = _json(
        "It is stored, in place of earlier feedback on this prediction.",
        _reference("FeedbackAnswer"),
    )
    answered["content"]["application/json"]["example"] = FEEDBACK_ANSWER
    return {
        "summary": "Send the right label for the text of a prediction",
        "operationId": "feedback",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": answered, **_problems(*OF_FEEDBACK)},
    }


def _predict_for_hugging_face(parser: RequestParser, labelling: Labelling | None) -> dict[str, Any]:
    text = parser.text_schema
    parameters = {
        "top_k": _option_schemas()["top_k"],
        "function_to_apply": {"enum": ["sigmoid" if labelling else "softmax", None]},
        "truncation": {"type": ["boolean", "null"]},
    }
    schema = _closed(
        {
            LIST_FIELD: {"anyOf": [text, _texts_schema(parser)]},
            "parameters": {**_object(parameters), "type": ["object", "null"]},
            "options": {"description": "Ignored."},
        },
        LIST_FIELD,
    )
    score = {"type": "number", "minimum": 0, "maximum": 1}
    ranking = _object({"label": {"type": "string"}, "score": score}, ["label", "score"])
    rankings = {"type": "array", "items": {"type": "array", "items": ranking}}
    example_request = {LIST_FIELD: REQUESTS["one"], "parameters": {"top_k": 2}}
    body = {"schema": schema, "example": example_request}
    answered = _json("The labels of each text with their scores, the best one first.", rankings)
    example = [[{"label": "Science", "score": 0.9744}, {"label": "Health", "score": 0.0123}]]
    answered["content"]["application/json"]["example"] = example
    return {
        "summary": "Classify texts for a client of Hugging Face",
        "operationId": "hf",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": answered, **_plain_errors(*OF_PREDICTIONS)},
    }


def _predict_for_sagemaker() -> dict[str, Any]:
    request = {"anyOf": [_reference("Request"), _reference("Instances")]}
    answers = {"oneOf": [_reference("OneAnswer"), _reference("ManyAnswers")]}
    answered = _json("As that of `/predict`, in the format that `Accept` names.", answers)
    answered["content"]["application/json"]["examples"] = _examples(answer_examples())
    answered["content"]["text/csv"] = {"schema": {"type": "string"}, "example": "Science,0.98\n"}
    answered["content"]["application/jsonlines"] = {"schema": {"type": "string"}}
    content = {"application/json": {"schema": request, "example": {"instances": REQUESTS["many"]}}}
    # No schema can say which strings are valid CSV.
    others = "Or `text/csv`, with a text in each row and no header, or `application/jsonlines`."
    return {
        "summary": "Classify texts for a client of SageMaker",
        "operationId": "invocations",
        "requestBody": {"required": True, "description": others, "content": content},
        "responses": {"200": answered, **_plain_errors(*OF_PREDICTIONS)},
    }


def _ping() -> dict[str, Any]:
    healthy = _json("The service can answer.", _reference("Health"))
    return {
        "summary": "Tell SageMaker whether the service can answer",
        "operationId": "ping",
        "responses": {"200": healthy, **_plain_errors(429, 500, 503)},
    }


def _instances_schema(parser: RequestParser) -> dict[str, Any]:
    """Describe the requests of SageMaker's built-in algorithms."""
    text = parser.text_schema
    texts = [_closed({name: text}, name) for name in FIELDS]
    instances = {**_texts_schema(parser), "items": {"anyOf": [text, *texts]}}
    return {"oneOf": _list_schemas("instances", instances, [])}


def _list_schemas(
    name: str, texts: dict[str, Any], others: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Describe a field with a list of texts; by item, each of them may be wrong.

    Fewer texts can be explained.

    Args:
        name: Of the field.
        texts: What the list is without that option.
        others: What the field may be besides a list.
    """
    explained = {**texts, "maxItems": min(texts["maxItems"], MAX_TEXTS)}
    schemas = []
    for explain, some in ((False, texts), (True, explained)):
        options = _option_schemas()
        options["explain"]["enum"] = [explain]
        if explain:
            del options["explain"]["default"]
        required = ["explain"] if explain else []
        any_items = {key: value for key, value in some.items() if key != "items"}
        for on_error, choice in (("request", some), ("item", any_items)):
            given = options | {"on_error": {**options["on_error"], "enum": [on_error]}}
            fields = {name: {"anyOf": [*others, choice]}, **given}
            also = ["on_error"] if on_error == "item" else []
            schemas.append(_closed(fields, name, *also, *required))
    return schemas


def _texts_schema(parser: RequestParser) -> dict[str, Any]:
    text = parser.text_schema
    return {"items": text, "maxItems": parser.max_texts, "minItems": 1, "type": "array"}


def _option_schemas() -> dict[str, Any]:
    schema = msgspec.json.schema(Options)
    properties: dict[str, Any] = schema["$defs"][Options.__name__]["properties"]
    return properties


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """Describe an object that has no other fields."""
    return {**_object(properties, required), "additionalProperties": False}


def _object(properties: dict[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _plain_errors(*statuses: int) -> dict[str, Any]:
    """Describe errors as the clients of Hugging Face and SageMaker know them."""
    responses = _problems(*statuses)
    for status in map(str, statuses):
        if "application/problem+json" in responses[status]["content"]:
            example = {"error": DETAILS[int(status)]}
            content = {"schema": _reference(ERROR), "example": example}
            responses[status]["content"] = {"application/json": content}
    return responses


def _read(summary: str, operation: str, schema: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": _json(summary + ".", schema), **_problems(429, 500, 503)}
    return {"summary": summary, "operationId": operation, "responses": responses}


def _answer_schemas(*, has_feedback: bool) -> dict[str, Any]:
    models: list[type[msgspec.Struct]] = [OneAnswer, Answer, ItemError, Health, Problem]
    models += [FeedbackRequest, FeedbackAnswer] if has_feedback else []
    _, schemas = msgspec.json.schema_components(models, ref_template=SCHEMAS + "{name}")
    version = schemas[OneAnswer.__name__]["properties"]["model_version"]
    # msgspec describes no unions of objects, which it could not tell apart when decoding.
    items = {"anyOf": [_reference("Answer"), _reference("ItemError")]}
    fields = {"predictions": {"type": "array", "items": items}, "model_version": version}
    many = {"title": "ManyAnswers", "description": ManyAnswers.__doc__, **_object(fields, fields)}
    return {**schemas, "ManyAnswers": many}


def _request_schema(parser: RequestParser) -> dict[str, Any]:
    text = parser.text_schema
    one_text = [
        _closed({name: text, **_option_schemas()}, name) for name in FIELDS if name != LIST_FIELD
    ]
    return {
        "description": "One text in any of these fields, or a list of texts in `inputs`.",
        "oneOf": [*_list_schemas(LIST_FIELD, _texts_schema(parser), [text]), *one_text],
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
