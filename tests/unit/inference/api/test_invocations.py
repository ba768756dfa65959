import csv
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from inference.api.answers import answer
from inference.api.invocations import find_format, parse, write
from inference.api.predictor import Predictor
from inference.api.problems import ProblemError
from inference.api.requests import PredictRequest, RequestParser


def request(
    body: Any, media_type: str = "application/json", accept: str = ""
) -> APIGatewayProxyEventV2:
    headers = {"content-type": media_type} | ({"accept": accept} if accept else {})
    text = body if isinstance(body, str) else json.dumps(body)
    return APIGatewayProxyEventV2({"headers": headers, "body": text})


def read(parser: RequestParser, *given: Any) -> PredictRequest:
    return parse(request(*given), parser, 3)


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ({"instances": ["a", "b"]}, "application/json"),
        ({"instances": [{"text": "a"}, {"inputs": "b"}]}, "application/json; charset=utf-8"),
        ({"inputs": ["a", "b"]}, "application/json"),
        ("a\nb\n", "text/csv"),
        ('"a"\r\nb', "text/csv; header=absent"),
        ('"a"\n{"headline": "b"}\n', "application/jsonlines"),
        ('"a"\n"b"', "application/x-jsonlines"),
    ],
)
def test_texts_come_in_any_of_the_formats(
    parser: RequestParser, body: Any, media_type: str
) -> None:
    asked = read(parser, body, media_type)
    assert asked.texts == ["a", "b"]
    assert asked.is_list


def test_one_text_is_asked_as_at_the_api(parser: RequestParser) -> None:
    asked = read(parser, {"inputs": "a", "top_k": 2})
    assert (asked.texts, asked.is_list, asked.top_k) == (["a"], False, 2)


def test_a_text_of_a_csv_may_hold_commas_quotes_and_lines(parser: RequestParser) -> None:
    assert read(parser, '"Stocks fall, ""bonds""\nrise"\n', "text/csv").texts == [
        'Stocks fall, "bonds"\nrise'
    ]


@pytest.mark.parametrize(
    ("body", "media_type", "field"),
    [
        ("Stocks fall, bonds rise\n", "text/csv", "row.0"),
        ("a\n\nb\n", "text/csv", "row.1"),
        ('a\n"b" c\n', "text/csv", "row.1"),
        ('"a" b\nc\n', "text/csv", "row.0"),
        ("a\nb\nc\nd\n", "text/csv", "row"),
        ("", "text/csv", "row"),
        ('"a"\n1\n', "application/jsonlines", "line.1"),
        ({"instances": "a"}, "application/json", "instances"),
        ({"instances": ["a", {"words": "b"}]}, "application/json", "instances.1"),
        ({"instances": ["a"], "inputs": "b"}, "application/json", "instances"),
    ],
)
def test_a_wrong_row_is_named(
    parser: RequestParser, body: Any, media_type: str, field: str
) -> None:
    with pytest.raises(ProblemError) as raised:
        read(parser, body, media_type)
    assert raised.value.status == 422
    assert raised.value.errors[0].field == field


@pytest.mark.parametrize(
    ("body", "reason"), [('"a"\n\n"b"\n', "is empty"), ('"a"\n"b\n"c"', "is not JSON")]
)
def test_a_line_that_is_not_json_is_named(parser: RequestParser, body: str, reason: str) -> None:
    with pytest.raises(ProblemError) as raised:
        read(parser, body, "application/jsonlines")
    assert raised.value.status == 400
    assert raised.value.detail.startswith(f"line.1: The body {reason}")


@pytest.mark.parametrize("media_type", ["text/plain", "text/csv; charset=latin-1"])
def test_another_format_is_refused(parser: RequestParser, media_type: str) -> None:
    with pytest.raises(ProblemError) as raised:
        read(parser, "a", media_type)
    assert raised.value.status == 415


@pytest.mark.parametrize(
    ("media_type", "accept", "expected"),
    [
        ("application/json", "", "application/json"),
        ("application/json", "*/*", "application/json"),
        ("application/json", "text/html, text/csv;q=0.5", "text/csv"),
        ("text/csv", "", "text/csv"),
        ("text/csv", "*/*", "text/csv"),
        ("text/csv", "application/json", "application/json"),
        ("application/x-jsonlines", "", "application/jsonlines"),
    ],
)
def test_the_answer_has_the_format_that_is_accepted_or_else_was_sent(
    media_type: str, accept: str, expected: str
) -> None:
    assert find_format(request("a", media_type, accept)) == expected


def test_a_csv_has_a_row_for_each_text(parser: RequestParser, predictor: Predictor) -> None:
    # GIVEN three texts WHEN they are answered in each format
    asked = read(parser, {"inputs": ["Fed holds rates", "", "A film"], "on_error": "item"})
    answered = answer(predictor.classify(asked, "id"))
    # THEN each format has three answers, in their order
    rows = list(csv.reader(write(answered, "text/csv").splitlines()))
    lines = [json.loads(line) for line in write(answered, "application/jsonlines").splitlines()]
    predictions = json.loads(write(answered, "application/json"))["predictions"]
    assert lines == predictions
    labels = [one.get("predicted_label", "") for one in predictions]
    assert [row[0] for row in rows] == labels
    assert labels[1] == ""
    assert float(rows[0][1]) == predictions[0]["confidence"]


def test_json_answers_have_an_explanation_if_it_is_wanted_and_a_csv_has_no_column_for_it(
    parser: RequestParser, predictor: Predictor
) -> None:
    # GIVEN instances to explain WHEN they are answered in each of the formats
    asked = read(parser, {"instances": ["Fed holds rates"], "explain": True})
    answered = answer(predictor.classify(asked, "id"))
    body = json.loads(write(answered, "application/json"))
    (line,) = write(answered, "application/jsonlines").splitlines()
    (row,) = csv.reader(write(answered, "text/csv").splitlines())
    # THEN those in JSON have the words
    words = [word for word, _ in body["predictions"][0]["explanation"]]
    assert words == ["Fed", "holds", "rates"]
    assert json.loads(line) == body["predictions"][0]
    assert len(row) == 2
