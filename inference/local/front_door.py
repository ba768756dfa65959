"""An HTTP server in front of the handler, in the place of API Gateway's HTTP API.

It takes direct invocations too, at the path that the Lambda API has for them, so that clients of
AWS reach the function as well: ``aws lambda invoke --endpoint-url http://127.0.0.1:8080 …``
(https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
"""

import errno
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from threading import Thread

import h11

from inference.errors import TextClassifierError
from inference.local.connection import Connection, HttpError, HttpRequest
from inference.local.emulator import HOST, EmulatorError, FunctionError, Pool
from inference.runtime.payload import HttpResponse, from_answer, to_event

TIMEOUT_SECONDS = 30.0  # API Gateway waits no longer
POLL_SECONDS = 0.05  # how soon a server notices that it shall stop
EVENT_LIMIT = 6 * 1024 * 1024  # bytes; Lambda accepts no larger event

INVOKE = re.compile(r"/2015-03-31/functions/[^/?]+/invocations(\?.*)?")
UNSENDABLE = HttpError(
    HTTPStatus.INTERNAL_SERVER_ERROR, "The answer of the function is not a response."
)

logger = logging.getLogger(__name__)


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
def serve_in_thread(server: TCPServer) -> Iterator[str]:
    """Run a server in a thread until the end of the block; gives the URL."""
    thread = Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, pool: Pool) -> None:
        self.pool = pool
        super().__init__((HOST, port), _Handler)


class _Handler(StreamRequestHandler):
    """Handles the requests of one connection."""

    # With Nagle's algorithm, the next response could wait 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        """Answer requests until either side ends the connection."""
        connection = Connection(self.connection, EVENT_LIMIT)
        with suppress(OSError):  # the client has gone
            try:
                while request := connection.read_request():
                    connection.send(_respond(request, self.server.pool))
            except HttpError as error:
                connection.send(_problem(error), is_last=True)
            except (h11.LocalProtocolError, TypeError, ValueError):
                logger.exception("the answer of the function is no HTTP response")
                connection.send(_problem(UNSENDABLE), is_last=True)
            connection.linger()


def _respond(request: HttpRequest, pool: Pool) -> HttpResponse:
    """Let the function answer a request.

    Raises:
        HttpError: The function cannot get this request, or fails.
    """
    if request.method == "POST" and INVOKE.fullmatch(request.target):
        return _invoke(request.body, pool)
    try:
        event = to_event(request.method, request.target, request.headers, request.body)
    except ValueError as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from error
    if len(json.dumps(event)) > EVENT_LIMIT:
        detail = f"The request makes an event of more than {EVENT_LIMIT} bytes."
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    try:
        return from_answer(pool.invoke(event, TIMEOUT_SECONDS))
    except EmulatorError as error:
        raise _unavailable(error) from error


def _invoke(body: bytes, pool: Pool) -> HttpResponse:
    """Pass on the event of a direct invocation, and answer as Lambda does.

    Raises:
        HttpError: The body is no event, or the function did not answer.
    """
    try:
        event = json.loads(body or b"{}")
    except ValueError as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, "The event is not JSON.") from error
    headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
    try:
        answer = pool.invoke(event, TIMEOUT_SECONDS)
    except FunctionError as error:
        headers.append(("X-Amz-Function-Error", "Unhandled"))
        answer = error.answer
    except EmulatorError as error:
        raise _unavailable(error) from error
    return HttpResponse(HTTPStatus.OK, headers, json.dumps(answer).encode())


def _unavailable(error: EmulatorError) -> HttpError:
    logger.error("%s", error)
    detail = "The function failed or did not answer in time; its log says more."
    return HttpError(HTTPStatus.SERVICE_UNAVAILABLE, detail)


def _problem(error: HttpError) -> HttpResponse:
    """Turn an error into a response in the form of the API's own (RFC 9457)."""
    status = error.status
    problem = {"type": "about:blank", "title": status.phrase, "status": status}
    body = json.dumps({**problem, "detail": error.detail}).encode()
    return HttpResponse(status, [("Content-Type", "application/problem+json")], body)
