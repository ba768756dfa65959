"""An HTTP server in front of the handler, in the place of API Gateway's HTTP API."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from inference.errors import TextClassifierError
from inference.local.emulator import HOST, EmulatorError, Pool
from inference.local.payload import HttpResponse, from_answer, to_event

TIMEOUT_SECONDS = 30.0  # API Gateway waits no longer
EVENT_LIMIT = 6 * 1024 * 1024  # bytes; Lambda accepts no larger event


class FrontDoorError(TextClassifierError):
    """The port cannot be used."""


@contextmanager
def front_door(pool: Pool, port: int = 0) -> Iterator[str]:
    """Serve a pool over HTTP until the end of the block; gives the URL.

    Args:
        pool: The execution environments that answer.
        port: 0 for a free one.

    Raises:
        FrontDoorError: The port is in use or not allowed.
    """
    try:
        server = _Server(port, pool)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise FrontDoorError(f"port {port} is in use: choose another with --port") from error
        raise FrontDoorError(f"port {port} cannot be used: {error.strerror}") from error
    with serve_in_thread(server) as url:
        yield url


@contextmanager
def serve_in_thread(server: ThreadingHTTPServer) -> Iterator[str]:
    """Run a server in a thread until the end of the block; gives the URL."""
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    protocol_version = "HTTP/1.1"
    # With Nagle's algorithm, a response in several small writes would wait 40 ms for an
    # acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = TIMEOUT_SECONDS
    server: "_Server"

    def __getattr__(self, name: str) -> Any:
        """Serve as ``do_METHOD`` for every method: which ones exist is for the function to say."""
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
        body = self.rfile.read(int(length))
        event = to_event(self.command, self.path, list(self.headers.items()), body)
        if len(json.dumps(event)) > EVENT_LIMIT:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            answer = self.server.pool.invoke(event, TIMEOUT_SECONDS)
        except EmulatorError as error:
            self.log_error("%s", error)
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._reply(from_answer(answer))

    def handle_expect_100(self) -> bool:
        """Flush the interim response, so that the client sends its body now."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def _refuse(self, status: HTTPStatus) -> None:
        """Reply as API Gateway does, and close the connection because its body is unread."""
        self.close_connection = True
        body = json.dumps({"message": status.phrase}).encode()
        self._reply(HttpResponse(status, [("content-type", "application/json")], body))

    def _reply(self, response: HttpResponse) -> None:
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing: the function logs its requests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, pool: Pool) -> None:
        self.pool = pool
        super().__init__((HOST, port), _Handler)
