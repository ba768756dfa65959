import base64
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from inference.api.problems import ProblemError
from inference.api.requests import PredictRequest, RequestParser
from inference.runtime.settings import Settings

SETTINGS = Settings(model_uri="file:///models", max_texts=3, max_characters=20, max_body_bytes=200)


def parse(
    body: Any, media_type: str | None = "application/json", is_base64: bool = False
) -> PredictRequest:
    event = {
        "headers": {} if media_type is None else {"content-type": media_type},
        "body": body if isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": is_base64,
    }
    return RequestParser(SETTINGS).parse(APIGatewayProxyEventV2(event))


@pytest.mark.parametrize("field", ["inputs", "text", "headline", "query", "review"])
def test_one_text_comes_in_any_of_five_fields(field: str) -> None:
    assert parse({field: "Fed holds rates"}) == PredictRequest(["Fed holds rates"], is_list=False)


def test_a_list_of_texts_comes_as_inputs() -> None:
    assert parse({"inputs": ["one"]}) == PredictRequest(["one"], is_list=True)


def test_a_body_may_be_base64() -> None:
    body = base64.b64encode(b'{"text": "Fed"}').decode()
    assert parse(body, is_base64=True).texts == ["Fed"]


@pytest.mark.parametrize(
    "media_type", [None, "Application/JSON; charset=UTF-8", "application/vnd.api+json"]
)
def test_json_is_recognised_however_it_is_spelled(media_type: str | None) -> None:
    assert parse({"text": "Fed"}, media_type).texts == ["Fed"]


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ("{", 400, []),
        ('{"text": NaN}', 400, []),
        ('{"text": "a", "text": "b"}', 400, []),
        ({"text": "a" * 200}, 413, []),
        (["a"], 422, [""]),
        ({}, 422, ["inputs"]),
        ({"text": "a", "query": "b"}, 422, ["text", "query"]),
        ({"text": "a", "words": 1, "more": 2}, 422, ["words", "more"]),
        ({"text": ["a"]}, 422, ["text"]),
        ({"text": "a" * 21}, 422, ["text"]),
        ({"inputs": ["a", "", 7]}, 422, ["inputs.1", "inputs.2"]),
        ({"inputs": ["a"] * 4}, 422, ["inputs"]),
        ({"inputs": []}, 422, ["inputs"]),
    ],
)
def test_a_bad_body_is_refused_with_the_wrong_fields(
    body: Any, status: int, fields: list[str]
) -> None:
    with pytest.raises(ProblemError) as raised:
        parse(body)
    assert raised.value.status == status
    assert [error.field for error in raised.value.errors] == fields


def test_another_media_type_is_refused() -> None:
    with pytest.raises(ProblemError) as raised:
        parse({"text": "a"}, "text/plain")
    assert raised.value.status == 415
    assert raised.value.detail.startswith("The Content-Type is text/plain.")


def test_a_body_that_is_wrongly_marked_as_base64_is_refused_as_that() -> None:
    with pytest.raises(ProblemError, match="marked as base64"):
        parse('{"text": "a"}', is_base64=True)


def test_a_content_encoding_is_refused_before_the_body_is_read() -> None:
    event = {"headers": {"content-encoding": "br"}, "body": "x" * 1000}
    with pytest.raises(ProblemError, match="compressed \\(br\\)"):
        RequestParser(SETTINGS).parse(APIGatewayProxyEventV2(event))


def test_an_error_repeats_only_the_beginning_of_an_unknown_name() -> None:
    with pytest.raises(ProblemError) as raised:
        parse({"x" * 150: "a"})
    assert raised.value.errors[0].field == "x" * 100
