import base64

from inference.local.front_door import from_answer, to_event


def test_a_request_becomes_a_payload_2_event() -> None:
    # GIVEN a request as it comes over HTTP
    headers = [("Host", "h"), ("Accept", "a"), ("accept", "b"), ("Cookie", "x=1; y=2")]
    # WHEN it is turned into an event
    event = to_event("POST", "/pre%20dict?a=1&a=2&b=", headers, '{"é": 1}'.encode())
    # THEN it has the form that API Gateway gives it
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/pre dict"
    assert event["rawQueryString"] == "a=1&a=2&b="
    assert event["queryStringParameters"] == {"a": "1,2", "b": ""}
    assert event["headers"] == {"host": "h", "accept": "a,b"}
    assert event["cookies"] == ["x=1", "y=2"]
    assert event["requestContext"]["http"]["method"] == "POST"
    assert (event["body"], event["isBase64Encoded"]) == ('{"é": 1}', False)


def test_a_body_that_is_not_text_is_base64() -> None:
    event = to_event("POST", "/", [], b"\xff\x00")
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_an_answer_becomes_status_headers_and_body() -> None:
    answer = {
        "statusCode": 201,
        "headers": {"a": "b"},
        "cookies": ["c=d"],
        "body": base64.b64encode(b"\xff").decode(),
        "isBase64Encoded": True,
    }
    assert from_answer(answer) == (201, [("a", "b"), ("set-cookie", "c=d")], b"\xff")


def test_an_answer_without_a_status_is_json() -> None:
    # GIVEN what a handler may also return (payload 2.0 infers the rest)
    assert from_answer({"a": 1}) == (200, [("content-type", "application/json")], b'{"a": 1}')
