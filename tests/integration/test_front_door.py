"""The HTTP server in front of the handler, over real connections."""

import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from inference.local import connection as http
from inference.local.emulator import EmulatorError, FunctionError, Pool
from inference.local.front_door import EVENT_LIMIT, FrontDoorError, front_door


class Echo:
    """Answers with the event; fails for the path /error, and wrongly for /nonsense."""

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        del timeout
        if event.get("fail"):
            raise FunctionError({"errorType": "KeyError", "errorMessage": "'a'"})
        if "rawPath" not in event:
            return {"event": event}
        if event["rawPath"] == "/error":
            raise EmulatorError("the function failed: KeyError")
        if event["rawPath"] == "/nonsense":
            return {"statusCode": 200, "headers": {"two": "lines\r\nfollow"}, "body": ""}
        headers = {"content-type": "application/json"}
        return {"statusCode": 200, "headers": headers, "body": json.dumps(event)}


@pytest.fixture
def connection() -> Iterator[HTTPConnection]:
    """A connection to a front door with an environment that echoes."""
    with front_door(Pool([Echo()])) as url:
        address = urlsplit(url).netloc
        with closing(HTTPConnection(address, timeout=10)) as connection:
            yield connection


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """A socket that is connected to a front door with an environment that echoes."""
    with (
        front_door(Pool([Echo()])) as url,
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as client,
    ):
        yield client


def read_response(client: socket.socket, method: str = "POST") -> tuple[HTTPResponse, Any]:
    """Read one response from a socket, and its body as JSON."""
    with closing(HTTPResponse(client, method=method)) as response:
        response.begin()
        body = response.read()
    return response, json.loads(body) if body else None


def response_to(connection: HTTPConnection, method: str, path: str, **options: Any) -> HTTPResponse:
    connection.request(method, path, **options)
    return connection.getresponse()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "BREW"])
def test_the_function_gets_requests_of_any_method(connection: HTTPConnection, method: str) -> None:
    response = response_to(connection, method, "/tea?milk=no", body="two cups")
    assert response.status == 200
    event = json.loads(response.read())
    assert event["requestContext"]["http"]["method"] == method
    assert event["queryStringParameters"] == {"milk": "no"}
    assert event["body"] == "two cups"


INVOKE = "/2015-03-31/functions/classifier/invocations"


def test_a_direct_invocation_passes_its_event_on_as_it_is(connection: HTTPConnection) -> None:
    response = response_to(connection, "POST", f"{INVOKE}?Qualifier=live", body=b'{"a": 1}')
    assert (response.status, json.loads(response.read())) == (200, {"event": {"a": 1}})
    assert "X-Amz-Function-Error" not in response.headers


def test_a_direct_invocation_that_fails_says_so_as_lambda_does(
    connection: HTTPConnection,
) -> None:
    response = response_to(connection, "POST", INVOKE, body=b'{"fail": true}')
    assert (response.status, response.headers["X-Amz-Function-Error"]) == (200, "Unhandled")
    assert json.loads(response.read())["errorType"] == "KeyError"


def test_a_direct_invocation_needs_json(connection: HTTPConnection) -> None:
    response = response_to(connection, "POST", INVOKE, body=b"{")
    assert response.status == 400
    assert json.loads(response.read())["detail"] == "The event is not JSON."


def test_a_connection_is_kept_for_the_next_request(connection: HTTPConnection) -> None:
    for _ in range(2):
        response = response_to(connection, "GET", "/")
        assert response.read()
        assert not response.will_close


def test_the_answer_to_head_has_headers_alone(connection: HTTPConnection) -> None:
    response = response_to(connection, "HEAD", "/")
    assert int(response.headers["content-length"]) > 0
    assert response.read() == b""


def test_a_chunked_body_reaches_the_function_in_one_piece(client: socket.socket) -> None:
    # GIVEN a body in chunks, with an extension and a trailer
    chunks = b"3\r\ntwo\r\n5;a=b\r\n cups\r\n0\r\nChecksum: 1\r\n\r\n"
    client.sendall(b"POST /tea HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    # WHEN it is read THEN the function gets it as API Gateway would pass it on
    _, event = read_response(client)
    assert event["body"] == "two cups"
    assert event["headers"] == {"host": "h", "content-length": "8"}


def test_requests_that_are_sent_at_once_are_answered_in_their_order(client: socket.socket) -> None:
    # GIVEN three requests that do not wait for each other
    request = b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
    client.sendall(b"".join(request % number for number in range(3)))
    client.shutdown(socket.SHUT_WR)
    # WHEN they are answered THEN the responses come in their order
    with client.makefile("rb") as answers:
        assert re.findall(rb'"rawPath": "(/\d)"', answers.read()) == [b"/0", b"/1", b"/2"]


def test_the_connection_of_an_http_1_0_client_is_closed(client: socket.socket) -> None:
    # GIVEN a client that would like to keep its connection, as ApacheBench does with -k
    client.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    # WHEN it is answered THEN the response says that it may not, and the connection ends
    response, _ = read_response(client)
    assert (response.status, response.headers["Connection"]) == (200, "close")
    assert client.recv(1) == b""


REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        (REQUEST + b"Content-Length: many\r\n\r\n", 400, "bad Content-Length"),
        (REQUEST + b"Content-Length: -1\r\n\r\n", 400, "bad Content-Length"),
        (REQUEST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, "bad Content-Length"),
        (REQUEST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400, "conflicting"),
        (REQUEST + b"Content-Length: 1, 2\r\n\r\nxx", 400, "conflicting"),
        (REQUEST + b"Content-Length: 9\r\n\r\nshort", 400, "received 5 bytes, expected 9"),
        (REQUEST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "both"),
        (REQUEST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "chunk header"),
        (REQUEST + b"Transfer-Encoding: chunked\r\n\r\n3\r\ntwo", 400, "incomplete chunked"),
        (REQUEST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "chunked is supported"),
        (REQUEST + b"name : value\r\n\r\n", 400, "illegal header line"),
        (REQUEST + b"Long: " + b"x" * 200_000 + b"\r\n\r\n", 431, "more than 65536 bytes"),
        (REQUEST + f"Content-Length: {EVENT_LIMIT + 1}\r\n\r\n".encode(), 413, str(EVENT_LIMIT)),
        (REQUEST, 400, "unexpectedly closed"),
        (b"POST / HTTP/1.1\r\n\r\n", 400, "Missing mandatory Host"),
        (b"\r\n" + REQUEST + b"\r\n", 400, "no request line"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "illegal request line"),  # TLS
        (b"GET /\r\n\r\n", 400, "illegal request line"),
        (b"GET http://[ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "neither a path nor a URL"),
        (b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "neither a path nor a URL"),
        (b"GET page HTTP/1.1\r\nHost: h\r\n\r\n", 400, "neither a path nor a URL"),
        (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501, "not a proxy"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"),
        (b"GET /error HTTP/1.1\r\nHost: h\r\n\r\n", 503, "The function failed"),
        (b"GET /nonsense HTTP/1.1\r\nHost: h\r\n\r\n", 500, "not a response"),
    ],
)
def test_a_fault_is_answered_in_words_before_the_connection_ends(
    client: socket.socket, sent: bytes, status: int, detail: str
) -> None:
    # GIVEN a request that the function cannot get, or an answer that cannot be sent
    client.sendall(sent)
    client.shutdown(socket.SHUT_WR)
    # WHEN it is answered THEN the response is a problem (RFC 9457) that says what is wrong
    response, problem = read_response(client)
    assert response.status == problem["status"] == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["title"] == response.reason
    assert detail in problem["detail"]
    # AND repeats nothing of the request
    assert "b'" not in problem["detail"]
    # AND the connection is closed, as the response says
    assert response.headers["Connection"] == "close"
    assert client.recv(1) == b""


def test_a_body_that_stops_coming_is_answered(
    client: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a client that waits for an answer before it has sent its whole body
    monkeypatch.setattr(http, "READ_SECONDS", 0.2)
    client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nshort")
    # WHEN no more comes THEN the answer says so
    response, problem = read_response(client)
    assert response.status == 400
    assert "incomplete" in problem["detail"]


def test_a_connection_that_is_idle_is_closed_without_a_word(
    client: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "IDLE_SECONDS", 0.2)
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert read_response(client)[0].status == 200
    assert client.recv(1) == b""


@pytest.mark.parametrize(
    "size",
    [
        EVENT_LIMIT - 1000,  # too large once it is base64
        4 * EVENT_LIMIT,  # more than the buffers of the sockets hold
    ],
)
def test_a_client_that_sends_too_much_gets_its_answer_and_may_go_on(
    connection: HTTPConnection, size: int
) -> None:
    # GIVEN a client that sends its whole body before it reads the response
    response = response_to(connection, "POST", "/", body=b"\xff" * size)
    # WHEN it reads THEN the response is there, and announces the end of the connection
    assert response.status == 413
    assert "more than" in json.loads(response.read())["detail"]
    assert response.will_close
    # AND its next request, for which http.client connects again, is answered
    assert response_to(connection, "GET", "/").status == 200


def test_an_endless_chunked_body_is_refused(connection: HTTPConnection) -> None:
    parts = (b"x" * 2**20 for _ in range(10))
    response = response_to(connection, "POST", "/", body=parts, encode_chunked=True)
    assert response.status == 413


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("//predict", "//predict", ""),
        ("/a%20b?x=%2F", "/a b", "x=%2F"),
        ("http://h/predict?x=1", "/predict", "x=1"),
        ("http://h", "/", ""),
    ],
)
def test_a_target_is_a_path_or_a_url(
    client: socket.socket, target: str, path: str, query: str
) -> None:
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    _, event = read_response(client)
    assert (event["rawPath"], event["rawQueryString"]) == (path, query)


def test_a_client_that_waits_before_it_sends_its_body_is_told_to_go_on(
    client: socket.socket,
) -> None:
    # GIVEN a client that announces a body and waits, as curl does from 1 MB
    client.sendall(REQUEST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    # WHEN the front door has read that THEN it says so at once
    started = time.monotonic()
    assert client.recv(100).startswith(b"HTTP/1.1 100")
    assert time.monotonic() - started < 1
    # AND answers when the body has come
    client.sendall(b"{}")
    assert read_response(client)[1]["body"] == "{}"


def test_a_client_that_waits_with_too_much_is_refused_at_once(client: socket.socket) -> None:
    length = f"Content-Length: {10**9}\r\nExpect: 100-continue\r\n\r\n"
    client.sendall(REQUEST + length.encode())
    assert read_response(client)[0].status == 413


def test_a_client_that_leaves_disturbs_no_other(client: socket.socket) -> None:
    # GIVEN clients that go away in the middle of a request
    for _ in range(3):
        with socket.create_connection(client.getpeername(), timeout=10) as other:
            other.sendall(REQUEST + b"Content-Length: 100\r\n\r\nx")
    # WHEN another one asks THEN it is answered
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert read_response(client)[0].status == 200


def test_small_requests_wait_for_no_acknowledgement(connection: HTTPConnection) -> None:
    # GIVEN a connection, on which Nagle's algorithm would delay an answer by 40 ms
    response_to(connection, "POST", "/", body="x").read()
    started = time.monotonic()
    for _ in range(20):
        response_to(connection, "POST", "/", body="x").read()
    assert time.monotonic() - started < 20 * 0.02


def test_a_port_in_use_is_an_error_that_names_the_option() -> None:
    with front_door(Pool([])) as url:
        port = urlsplit(url).port or 0
        expected = f"port {port} is in use: choose another with --port"
        with pytest.raises(FrontDoorError, match=expected), front_door(Pool([]), port):
            pass
