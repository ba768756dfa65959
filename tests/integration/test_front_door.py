"""The HTTP server in front of the handler, over real connections."""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from inference.local.emulator import EmulatorError, Pool
from inference.local.front_door import EVENT_LIMIT, FrontDoorError, front_door


class Echo:
    """Answers with the event; raises an error for the path /error."""

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        del timeout
        if event["rawPath"] == "/error":
            raise EmulatorError("the function failed: KeyError")
        headers = {"content-type": "application/json"}
        return {"statusCode": 200, "headers": headers, "body": json.dumps(event)}


@pytest.fixture
def connection() -> Iterator[HTTPConnection]:
    """A connection to a front door with an environment that echoes."""
    with front_door(Pool([Echo()])) as url:
        address = urlsplit(url).netloc
        with closing(HTTPConnection(address, timeout=10)) as connection:
            yield connection


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


def test_a_connection_is_kept_for_the_next_request(connection: HTTPConnection) -> None:
    for _ in range(2):
        response = response_to(connection, "GET", "/")
        assert response.read()
        assert not response.will_close


def test_the_answer_to_head_has_headers_alone(connection: HTTPConnection) -> None:
    response = response_to(connection, "HEAD", "/")
    assert int(response.headers["content-length"]) > 0
    assert response.read() == b""


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/", {"headers": {"Transfer-Encoding": "chunked"}}, 411),
        ("/", {"headers": {"Content-Length": "many"}}, 411),
        ("/", {"headers": {"Content-Length": str(EVENT_LIMIT + 1)}}, 413),
        ("/", {"body": b"\xff" * (EVENT_LIMIT - 1000)}, 413),  # too large once it is base64
        ("/error", {}, 503),
    ],
)
def test_a_refusal_is_worded_as_by_api_gateway_and_ends_the_connection(
    connection: HTTPConnection,
    path: str,
    options: dict[str, Any],
    status: int,
) -> None:
    # GIVEN a request that Lambda would not get, or a function that fails
    response = response_to(connection, "POST", path, **options)
    # THEN the answer has the status and its usual phrase, and nothing of the cause
    assert response.status == status
    assert json.loads(response.read()) == {"message": response.reason}
    # AND the connection is closed, perhaps before all of the body was sent
    with suppress(ConnectionError):
        assert connection.sock.recv(1) == b""


def test_a_client_that_waits_before_it_sends_its_body_is_told_to_go_on() -> None:
    with (
        front_door(Pool([Echo()])) as url,
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as client,
    ):
        # GIVEN a client that announces a body and waits, as curl does from 1 MB
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        # WHEN the front door has read that THEN it says so at once
        started = time.monotonic()
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        assert time.monotonic() - started < 1
        # AND answers when the body has come
        client.sendall(b"{}")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_a_port_in_use_is_an_error_that_names_the_option() -> None:
    with front_door(Pool([])) as url:
        port = urlsplit(url).port or 0
        expected = f"port {port} is in use: choose another with --port"
        with pytest.raises(FrontDoorError, match=expected), front_door(Pool([]), port):
            pass
