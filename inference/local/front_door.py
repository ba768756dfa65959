"""HTTP in front of the handler: what API Gateway's HTTP API does, on one machine.

Requests become events of payload format 2.0 and answers become responses
(https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
"""

import base64
import errno
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from inference.local.emulator import HOST, EmulatorError, Pool

TIMEOUT_SECONDS = 30.0  # API Gateway waits no longer
EVENT_LIMIT = 6 * 1024 * 1024  # bytes; Lambda takes no larger event


class FrontDoorError(Exception):
    """The port cannot be had; the message says what to do."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # Small writes each waiting for an acknowledgement would cost 40 ms an answer.
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = TIMEOUT_SECONDS
    server: "_Server"

    def __getattr__(self, name: str) -> Any:
        """``do_METHOD`` for whatever method a client thinks of: the function has the answer."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
            return
        if int(length) > EVENT_LIMIT:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        headers, body = list(self.headers.items()), self.rfile.read(int(length))
        event = to_event(self.command, self.path, headers, body)
        if len(json.dumps(event)) > EVENT_LIMIT:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            answer = self.server.pool.invoke(event, TIMEOUT_SECONDS)
        except EmulatorError as error:
            self.log_error("%s", error)
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._reply(answer)

    def handle_expect_100(self) -> bool:
        """Let the client send its body now: what is written here waits in a buffer."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer in API Gateway's own words and end the connection: its body is not read."""
        self.close_connection = True
        content = {"content-type": "application/json"}, json.dumps({"message": status.phrase})
        self._reply({"statusCode": status, "headers": content[0], "body": content[1]})

    def _reply(self, answer: Any) -> None:
        status, headers, body = from_answer(answer)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing: the function keeps the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, pool: Pool) -> None:
        self.pool = pool
        super().__init__((HOST, port), _Handler)


@contextmanager
def front_door(pool: Pool, port: int = 0) -> Iterator[str]:
    """Serve a pool over HTTP until the block ends; gives the URL.

    Raises:
        FrontDoorError: the port is taken.
    """
    try:
        server = _Server(port, pool)
    except OverflowError:
        raise FrontDoorError(f"port {port} is not between 0 and 65535") from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise FrontDoorError(f"port {port} cannot be had: {error.strerror}") from error
        raise FrontDoorError(f"port {port} is taken: choose another with PORT=number") from error
    with served(server) as url:
        yield url


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[str]:
    """Serve in a thread until the block ends; gives the URL."""
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def to_event(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes
) -> dict[str, Any]:
    """The payload 2.0 event of a request."""
    url = urlsplit(target)
    merged: dict[str, list[str]] = {}
    for name, value in headers:
        merged.setdefault(name.lower(), []).append(value)
    cookies = merged.pop("cookie", [])
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(url.path),
        "rawQueryString": url.query,
        "headers": {name: ",".join(values) for name, values in merged.items()},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": merged.get("host", [HOST])[0],
            "http": {
                "method": method,
                "path": unquote(url.path),
                "protocol": "HTTP/1.1",
                "sourceIp": HOST,
                "userAgent": merged.get("user-agent", [""])[0],
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = [part.strip() for line in cookies for part in line.split(";")]
    if url.query:
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(url.query, keep_blank_values=True):
            query.setdefault(name, []).append(value)
        event["queryStringParameters"] = {name: ",".join(v) for name, v in query.items()}
    if body:
        try:
            event["body"] = body.decode("utf-8")
        except UnicodeDecodeError:
            event["body"] = base64.b64encode(body).decode()
            event["isBase64Encoded"] = True
    return event


def from_answer(answer: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of a handler's answer."""
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        return 200, [("content-type", "application/json")], json.dumps(answer).encode()
    body = answer.get("body") or ""
    data = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    headers = [(name, str(value)) for name, value in (answer.get("headers") or {}).items()]
    headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or []]
    return int(answer["statusCode"]), headers, data
