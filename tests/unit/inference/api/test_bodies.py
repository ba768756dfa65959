from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import (
    ALBEvent,
    APIGatewayProxyEvent,
    APIGatewayProxyEventV2,
)

from inference.api.bodies import get_header, read_body
from inference.api.problems import ProblemError


@pytest.mark.parametrize(
    "event",
    [
        APIGatewayProxyEventV2({"headers": {"content-type": "text/csv"}}),
        APIGatewayProxyEvent({"headers": {"Content-Type": "text/csv"}}),
        ALBEvent({"multiValueHeaders": {"Content-Type": ["text/csv"]}}),
    ],
)
def test_a_header_is_found_in_the_event_of_any_door(event: Any) -> None:
    assert get_header(event, "content-type") == "text/csv"


def test_several_lines_of_a_header_make_one() -> None:
    event = ALBEvent({"multiValueHeaders": {"accept": ["text/csv", "text/html"]}})
    assert get_header(event, "accept") == "text/csv, text/html"


@pytest.mark.parametrize(
    "event", [{}, {"headers": None}, {"multiValueHeaders": None}, {"headers": {}}]
)
def test_a_missing_header_is_none(event: dict[str, Any]) -> None:
    assert get_header(APIGatewayProxyEvent(event), "content-type") is None


def test_a_body_is_decoded_only_if_the_event_says_so() -> None:
    event = {"body": "e30=", "isBase64Encoded": True}
    assert read_body(APIGatewayProxyEventV2(event), 10) == b"{}"
    event = {"body": "e30=", "isBase64Encoded": False}
    assert read_body(APIGatewayProxyEventV2(event), 10) == b"e30="


def test_no_body_is_an_empty_one() -> None:
    assert read_body(APIGatewayProxyEventV2({"body": None}), 10) == b""


def test_the_limit_is_one_of_bytes() -> None:
    with pytest.raises(ProblemError, match="has 12 bytes; at most 11 are read"):
        read_body(APIGatewayProxyEventV2({"body": "é" * 6}), 11)
