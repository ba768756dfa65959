import base64

import pytest

from inference.runtime.payload import from_answer, to_event


def test_a_request_becomes_an_event_of_payload_format_2() -> None:
    # GIVEN a request as it arrives over HTTP
    headers = [("Host", "h"), ("Accept", "a"), ("accept", "b"), ("Cookie", "x=1; y=2")]
    # WHEN it becomes an event
    event = to_event("POST", "/pre%20dict?a=1&a=2&b=", headers, '{"é": 1}'.encode())
    # THEN the event has the form that API Gateway gives it
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/pre dict"
    assert event["rawQueryString"] == "a=1&a=2&b="
    assert event["queryStringParameters"] == {"a": "1,2", "b": ""}
    assert event["headers"] == {"host": "h", "accept": "a,b"}
    assert event["cookies"] == ["x=1", "y=2"]
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["domainName"] == "h"
    assert (event["body"], event["isBase64Encoded"]) == ('{"é": 1}', False)


def test_a_request_without_body_or_query_has_no_such_fields() -> None:
    event = to_event("GET", "/docs", [], b"")
    assert not {"body", "queryStringParameters", "cookies"} & set(event)


def test_a_body_that_is_not_text_is_encoded_in_base64() -> None:
    event = to_event("POST", "/", [], b"\xff\x00")
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_an_answer_becomes_a_response() -> None:
    answer = {
        "statusCode": 201,
        "headers": {"a": "b"},
        "cookies": ["c=d"],
        "body": base64.b64encode(b"\xff").decode(),
        "isBase64Encoded": True,
    }
    assert from_answer(answer) == (201, [("a", "b"), ("set-cookie", "c=d")], b"\xff")


def test_an_answer_without_a_status_is_a_json_body() -> None:
    # GIVEN an answer of another form, which payload format 2.0 allows
    assert from_answer({"a": 1}) == (200, [("content-type", "application/json")], b'{"a": 1}')


@pytest.mark.parametrize("target", ["http://[", "http://", "ftp://h/", "page", "", "h:443", "?a=b"])
def test_a_target_that_is_neither_a_path_nor_a_url_is_an_error(target: str) -> None:
    with pytest.raises(ValueError, match="neither a path nor a URL"):
        to_event("GET", target, [], b"")


def test_a_path_that_starts_with_two_slashes_is_no_host() -> None:
    assert to_event("GET", "//predict?a=//b", [], b"")["rawPath"] == "//predict"


def test_a_chunked_body_has_a_length_in_the_event() -> None:
    event = to_event("POST", "/", [("Transfer-Encoding", "chunked")], b"{}")
    assert event["headers"] == {"content-length": "2"}
