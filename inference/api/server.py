"""Serve the handler over HTTP, as a container of SageMaker: ``docker run IMAGE serve``.

SageMaker unpacks the model into /opt/ml/model and asks ``GET /ping`` and ``POST /invocations``:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
The other paths of the API are there too. Requests are answered one at a time, because a single
one keeps the processor busy; only the pings of SageMaker, which give up after two seconds, do not
wait for their turn.
"""

import os
import signal
import sys
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, Protocol

from inference.api.loader import ClassifierLoader
from inference.runtime.context import Context
from inference.runtime.payload import HttpResponse, from_answer, to_event

PORT = 8080
PING = "/ping"
MAX_BYTES = 100 * 1024 * 1024  # the most that batch transform sends
MAX_DIGITS = 18  # of a length; Python converts no string of thousands
READ_SECONDS = 60.0  # for the next bytes of a request
# What SageMaker allows, where Lambda and API Gateway allow less.
DEFAULTS = {
    "MODEL_URI": "file:///opt/ml/model",
    "MAX_TEXTS": "10000",
    "MAX_BODY_BYTES": str(25 * 1024 * 1024),
}


class Function(Protocol):
    """What the server needs of the module with the handler."""

    loader: ClassifierLoader

    def handler(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an event."""


def serve(port: int = PORT) -> None:
    """Serve until SIGTERM, with the settings of the environment and ``DEFAULTS`` for the others."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # As the first process of a container, Python would ignore the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from inference.api import handler  # reads the settings and loads the model

    with make_server(handler, "0.0.0.0", port) as server:  # noqa: S104  # in a container
        server.serve_forever()


def make_server(function: Function, host: str, port: int) -> "Server":
    """Make a server in front of a handler."""
    return Server((host, port), function)


class Server(ThreadingHTTPServer):
    """Passes on the requests of all connections to one function."""

    def __init__(self, address: tuple[str, int], function: Function) -> None:
        """Listen at an address."""
        self.function = function
        self.lock = Lock()  # Powertools keeps the current event in the class
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered, so that a response is one packet
    timeout = READ_SECONDS
    error_content_type = "application/json"
    # Not the "message", which may repeat the request with its quotes.
    error_message_format = '{"error": "%(explain)s"}'

    def answer(self) -> None:
        """Answer a request."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        if len(length) > MAX_DIGITS or int(length) > MAX_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # half of a CSV would be answered as if it was whole
            self.refuse("The body is shorter than its Content-Length.")
            return
        try:
            event = to_event(self.command, self.path, self.headers.items(), body)
        except ValueError as error:
            self.refuse(str(error))
            return
        if (self.command, self.path) == ("GET", PING) and self.server.function.loader.is_loaded:
            self.respond(HttpResponse(HTTPStatus.OK, [], b""))
            return
        with self.server.lock:
            answer = self.server.function.handler(event, Context(str(uuid.uuid4())))
        self.respond(from_answer(answer))

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def refuse(self, reason: str) -> None:
        """Refuse a request that the function cannot get."""
        self.send_error(HTTPStatus.BAD_REQUEST, explain=reason)

    def respond(self, response: HttpResponse) -> None:
        """Send a response; the one to HEAD has no body."""
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the handler does."""
