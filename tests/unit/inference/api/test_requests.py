import base64
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from inference.api.problems import FieldError, ProblemError
from inference.api.requests import PredictRequest, RequestParser, Text
from inference.model.explanation import MAX_CHARACTERS, MAX_TEXTS
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
    assert parse({field: "Fed holds rates"}) == PredictRequest(
        [Text("Fed holds rates")], is_list=False
    )


def test_a_list_of_texts_comes_as_inputs() -> None:
    assert parse({"inputs": ["one"]}) == PredictRequest([Text("one")], is_list=True)


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


def test_a_wrong_text_of_a_list_may_be_answered_in_its_own_place() -> None:
    # GIVEN a list with two wrong texts WHEN its errors are wanted by item
    request = parse({"inputs": ["a", "", 7], "on_error": "item"})
    # THEN the right one is classified, and the others have an error in their place
    assert request.texts == ["a"]
    assert request.items[0] == Text("a")
    assert [type(item) for item in request.items[1:]] == [FieldError, FieldError]
    assert [item.field for item in request.items[1:] if isinstance(item, FieldError)] == [
        "inputs.1",
        "inputs.2",
    ]


def test_a_list_of_the_wrong_length_is_refused_as_a_whole() -> None:
    for inputs in ([], ["a"] * 4):
        with pytest.raises(ProblemError) as raised:
            parse({"inputs": inputs, "on_error": "item"})
        assert [error.field for error in raised.value.errors] == ["inputs"]


def test_a_single_wrong_text_is_refused_whatever_the_option_says() -> None:
    with pytest.raises(ProblemError):
        parse({"text": "", "on_error": "item"})


def test_the_beginning_of_a_long_text_is_read_if_that_is_wanted() -> None:
    request = parse({"inputs": ["a" * 25, "b"], "truncate": True})
    assert request.items == [Text("a" * 20, is_cut=True), Text("b")]


def test_a_text_that_begins_with_white_space_alone_is_blank() -> None:
    with pytest.raises(ProblemError) as raised:
        parse({"text": " " * 20 + "a", "truncate": True})
    assert "white space" in raised.value.errors[0].message


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("on_error", "ignore"),
        ("on_error", True),
        ("truncate", "yes"),
        ("truncate", 1),
        ("top_k", 0),
        ("top_k", "2"),
        ("top_k", 1.5),
        ("top_k", True),
        ("explain", 1),
        ("explain", "true"),
        ("explain", None),
    ],
)
def test_a_wrong_option_is_named(option: str, value: Any) -> None:
    with pytest.raises(ProblemError) as raised:
        parse({"text": "a", option: value})
    assert [error.field for error in raised.value.errors] == [option]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert parse('{"text": "a", "top_k": 2.0}').top_k == 2


def test_options_alone_are_no_request() -> None:
    with pytest.raises(ProblemError) as raised:
        parse({"top_k": 2})
    assert [error.field for error in raised.value.errors] == ["inputs"]


def test_a_direct_request_has_no_limit_of_texts() -> None:
    content = {"inputs": ["a"] * 1000}
    assert len(RequestParser(SETTINGS).read(content).texts) == 1000


def test_texts_are_explained_only_if_that_is_wanted() -> None:
    assert parse({"text": "Fed", "explain": True}).explain is True
    assert parse({"inputs": ["Fed"], "explain": True}).explain is True
    assert parse({"text": "Fed", "explain": False}).explain is False
    assert parse({"text": "Fed"}).explain is False


def test_fewer_texts_can_be_explained_than_classified_whatever_the_door() -> None:
    # GIVEN a parser without a limit of texts, as for direct invocations
    parser = RequestParser(SETTINGS)
    content = {"inputs": ["a"] * MAX_TEXTS, "explain": True}
    assert len(parser.read(content).texts) == MAX_TEXTS
    # WHEN one text more is to be explained THEN the request is refused, and says why
    with pytest.raises(ProblemError) as raised:
        parser.read({"inputs": ["a"] * (MAX_TEXTS + 1), "explain": True, "on_error": "item"})
    (error,) = raised.value.errors
    assert error.message == "List should have at most 8 items to explain, not 9"
    # AND a lower limit of the settings holds, too
    with pytest.raises(ProblemError, match="not valid"):
        parse({"inputs": ["a"] * 4, "explain": True})


def test_a_text_to_explain_has_a_limit_that_the_settings_cannot_raise() -> None:
    # GIVEN settings that allow longer texts
    parser = RequestParser(Settings(model_uri="file:///models", max_characters=50_000))
    text = "a" * (MAX_CHARACTERS + 1)
    assert parser.read({"text": text}).texts == [text]
    # WHEN a text beyond the limit is to be explained THEN it is refused, or cut if that is wanted
    with pytest.raises(ProblemError) as raised:
        parser.read({"text": text, "explain": True})
    assert "at most 10000 characters" in raised.value.errors[0].message
    (item,) = parser.read({"text": text, "explain": True, "truncate": True}).items
    assert item == Text(text[:MAX_CHARACTERS], is_cut=True)
