"""One HTTP/1.1 connection of a client.

h11 parses it and knows the rules of the protocol; only the socket is handled here. uvicorn builds
on h11 too, but it drops a connection whose body ends early, waits forever for a body that stalls,
and answers every fault with a 400 in plain text.
"""

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from http.client import responses

import h11

from inference.runtime.payload import HttpResponse

READ_SECONDS = 10.0  # for the next bytes of a request that has begun
IDLE_SECONDS = 60.0  # for the next request
LINGER_SECONDS = 2.0  # for a client that still sends after the last response
HEAD_LIMIT = 64 * 1024  # bytes of the request line and the headers
CHUNK = 64 * 1024  # bytes
OURS = {"connection", "content-length", "date", "transfer-encoding"}  # headers of a response
# h11 repeats what it could not read at the end of its messages.
QUOTE = re.compile(r": (bytearray\()?b['\"].*", re.DOTALL)


class HttpError(Exception):
    """A request that the function does not get, or an answer that the client does not get."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        """Describe the error in words that the client may read."""
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass(frozen=True)
class HttpRequest:
    """A request with its whole body."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class Connection:
    """Reads requests from a socket and writes their responses, one after the other."""

    def __init__(self, client: socket.socket, body_limit: int) -> None:
        """Take over a connected socket; ``body_limit`` is in bytes."""
        self._socket, self._body_limit = client, body_limit
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._method = b""

    def read_request(self) -> HttpRequest | None:
        """Read the next request; None when either side ends the connection.

        Raises:
            HttpError: The request breaks the rules of HTTP, is too large or does not end.
            OSError: The connection broke.
        """
        self._method = b""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        try:
            head = self._next_event()
            return self._read_body(head) if isinstance(head, h11.Request) else None
        except h11.RemoteProtocolError as error:
            raise HttpError(HTTPStatus(error.error_status_hint), _describe(error)) from error

    def send(self, response: HttpResponse, *, is_last: bool = False) -> None:
        """Send a response; the last one says that the connection ends with it.

        Raises:
            OSError: The connection broke.
        """
        is_empty = response.status == HTTPStatus.NO_CONTENT
        headers = [pair for pair in response.headers if pair[0].lower() not in OURS]
        headers.append(("Date", formatdate(usegmt=True)))
        headers += [] if is_empty else [("Content-Length", str(len(response.body)))]
        headers += [("Connection", "close")] if is_last else []
        reason = responses.get(response.status, "")
        head = h11.Response(status_code=response.status, headers=headers, reason=reason)
        # The response to HEAD has the headers of the one to GET, and no body.
        has_body = response.body and not is_empty and self._method != b"HEAD"
        body = [h11.Data(data=response.body)] if has_body else []
        sent = [self._http.send(event) or b"" for event in (head, *body, h11.EndOfMessage())]
        self._socket.settimeout(READ_SECONDS)
        self._socket.sendall(b"".join(sent))  # at once: small writes would each take a packet

    def linger(self) -> None:
        """Give the client time to read the last response.

        Closing while it still sends would reset the connection, and the response could be lost:
        RFC 9112, section 9.6.
        """
        deadline = time.monotonic() + 3 * READ_SECONDS
        self._socket.settimeout(LINGER_SECONDS)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline and self._socket.recv(CHUNK):
                pass

    def _read_body(self, head: h11.Request) -> HttpRequest:
        self._method = head.method
        self._require_answerable(head)
        body = bytearray()
        while isinstance(part := self._next_event(), h11.Data):
            body += part.data
            self._require_length(len(body))
        headers = [(name.decode(), value.decode("latin-1")) for name, value in head.headers]
        return HttpRequest(head.method.decode(), head.target.decode(), headers, bytes(body))

    def _require_answerable(self, head: h11.Request) -> None:
        headers = dict(head.headers)
        if not head.http_version.startswith(b"1."):
            detail = "This server speaks HTTP/1.1."
            raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, detail)
        if head.method == b"CONNECT":
            raise HttpError(HTTPStatus.NOT_IMPLEMENTED, "This server is not a proxy.")
        if b"content-length" in headers and b"transfer-encoding" in headers:
            detail = "The request has both Content-Length and Transfer-Encoding."
            raise HttpError(HTTPStatus.BAD_REQUEST, detail)
        self._require_length(int(headers.get(b"content-length", b"0")))

    def _require_length(self, length: int) -> None:
        if length > self._body_limit:
            detail = f"The body has more than {self._body_limit} bytes."
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)

    def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                proceed = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
                self._socket.sendall(self._http.send(proceed))
            self._http.receive_data(self._receive())
        return event

    def _receive(self) -> bytes:
        """Receive some bytes; none when the client sends no more."""
        is_idle = self._http.their_state is h11.IDLE and not self._http.trailing_data[0]
        self._socket.settimeout(IDLE_SECONDS if is_idle else READ_SECONDS)
        try:
            return self._socket.recv(CHUNK)
        except TimeoutError:
            if is_idle:
                return b""
            detail = f"The request is incomplete, and no more came for {READ_SECONDS:.0f} seconds."
            raise HttpError(HTTPStatus.BAD_REQUEST, detail) from None


def _describe(error: h11.RemoteProtocolError) -> str:
    """Say which rule a request breaks, without what it holds."""
    if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return f"The request line and the headers have more than {HEAD_LIMIT} bytes."
    return f"The request is not valid HTTP: {QUOTE.sub('', str(error))}."
