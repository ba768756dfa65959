"""Faults between the function and its model; each lasts until its block ends."""

import os
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from unittest import mock

from mypy_boto3_s3 import S3Client

from inference.s3_uri import S3Uri

Break = Literal[
    "403 AccessDenied",
    "500 InternalError",
    "503 SlowDown",
    "silent",  # accepts the request and never answers
    "drip",  # five bytes a second
    "slow",  # pauses midway
    "meet",  # answers two clients at a time, so that both are at work
    "cut",  # ends each body midway
    "reset",  # resets the connection midway
    "flip",  # changes one bit of each body
]


class Network:
    """The network to the local S3: a proxy for GET requests that fails as networks do."""

    def __init__(self, target: str) -> None:
        """Start the proxy to the S3 at the URL ``target``."""
        self._target = target
        self._fault: Break | None = None
        self._seen: set[str] | None = None  # the paths so far, if only first requests fail
        self._repaired = threading.Event()
        self._meeting = threading.Barrier(2, timeout=20)
        network = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                network._forward(self)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        """Stop the proxy."""
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def broken(self, fault: Break, once: bool = False) -> Iterator[None]:
        """Break every answer, or only the first for each object."""
        self._fault, self._seen = fault, set() if once else None
        self._repaired.clear()
        try:
            yield
        finally:
            self._fault = None
            self._repaired.set()

    def _fault_for(self, path: str) -> Break | None:
        if self._seen is None:
            return self._fault
        if path in self._seen:
            return None
        self._seen.add(path)
        return self._fault

    def _forward(self, request: BaseHTTPRequestHandler) -> None:
        fault = self._fault_for(request.path)
        status, headers, body = forward(self._target + request.path, dict(request.headers))
        if fault == "silent":
            self._repaired.wait()
            return
        if fault == "meet":
            self._meeting.wait()
        if fault and fault[0].isdigit():
            number, _, code = fault.partition(" ")
            body = f"<Error><Code>{code}</Code><Message>Injected</Message></Error>".encode()
            status, headers = int(number), [("Content-Length", str(len(body)))]
        if fault == "flip":
            body = flip_a_bit(body)
        request.send_response_only(status)
        for name, value in headers:
            request.send_header(name, value)
        request.end_headers()
        self._send_body(request, body, fault)

    def _send_body(self, request: BaseHTTPRequestHandler, body: bytes, fault: Break | None) -> None:
        if fault == "drip":
            for byte in body:
                if self._repaired.wait(0.2):
                    return
                request.wfile.write(bytes([byte]))
            return
        half = len(body) // 2
        request.wfile.write(body[:half])
        if fault == "cut":
            return
        if fault == "reset":
            # A socket that is closed without time to linger resets its connection.
            no_time = struct.pack("ii", 1, 0)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_time)
            os.close(request.connection.detach())
            return
        if fault == "slow":
            time.sleep(0.3)
        request.wfile.write(body[half:])


def forward(url: str, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the answer of the real server."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
            return response.status, response.getheaders(), response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.items(), error.read()


@dataclass(frozen=True)
class Store:
    """A store with one model: its objects, and the network to them."""

    s3: S3Client
    network: Network
    uri: str

    def read(self, name: str) -> bytes:
        """Return the content of one of the model's files."""
        bucket, key = S3Uri.parse(self.uri) / name
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, name: str, data: bytes) -> None:
        """Replace the content of one of the model's files."""
        bucket, key = S3Uri.parse(self.uri) / name
        self.s3.put_object(Bucket=bucket, Key=key, Body=data)

    def delete(self, name: str) -> None:
        """Delete one of the model's files."""
        bucket, key = S3Uri.parse(self.uri) / name
        self.s3.delete_object(Bucket=bucket, Key=key)


Fault = Callable[[Store], AbstractContextManager[None]]


def network(fault: Break, once: bool = False) -> Fault:
    """Break the network."""
    return lambda store: store.network.broken(fault, once)


@contextmanager
def refuse_connections(_: Store) -> Iterator[None]:
    """Let connections to the store be refused."""
    with mock.patch.dict(os.environ, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9"):  # discard
        yield


def changed(name: str, change: Callable[[bytes], bytes]) -> Fault:
    """Change the content of an object."""

    @contextmanager
    def fault(store: Store) -> Iterator[None]:
        original = store.read(name)
        store.write(name, change(original))
        yield
        store.write(name, original)

    return fault


def missing(name: str) -> Fault:
    """Delete an object for a while."""

    @contextmanager
    def fault(store: Store) -> Iterator[None]:
        original = store.read(name)
        store.delete(name)
        yield
        store.write(name, original)

    return fault


def flip_a_bit(data: bytes) -> bytes:
    """Return the data with one bit in the middle changed."""
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]


def truncate(data: bytes) -> bytes:
    """Return the first half of the data."""
    return data[: len(data) // 2]
