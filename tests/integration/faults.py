"""Faults to put between the function and its model; each is gone when its block ends."""

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

Break = Literal[
    "403 AccessDenied",
    "500 InternalError",
    "503 SlowDown",
    "silent",  # takes the request and says nothing
    "drip",  # five bytes a second
    "slow",  # pauses midway
    "meet",  # answers two clients at a time, so that both are at work
    "cut",  # ends each body midway
    "reset",  # resets the connection midway
    "flip",  # changes one bit of each body
]


class Network:
    """The way to the local S3: a proxy for GET requests that breaks as networks do."""

    def __init__(self, target: str) -> None:
        """Start the proxy; ``target`` is the URL of the S3."""
        self._target = target
        self._fault: Break | None = None
        self._once: set[str] | None = None
        self._mended = threading.Event()
        self._meeting = threading.Barrier(2, timeout=20)
        network = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                network._pass_on(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        """End the proxy."""
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def broken(self, fault: Break, once: bool = False) -> Iterator[None]:
        """Break every answer, or the first of each object."""
        self._fault, self._once = fault, set() if once else None
        self._mended.clear()
        try:
            yield
        finally:
            self._fault = None
            self._mended.set()

    def _fault_for(self, path: str) -> Break | None:
        if self._once is None:
            return self._fault
        if path in self._once:
            return None
        self._once.add(path)
        return self._fault

    def _pass_on(self, request: BaseHTTPRequestHandler) -> None:
        fault = self._fault_for(request.path)
        status, headers, body = forward(self._target + request.path, dict(request.headers))
        half = len(body) // 2
        if fault == "silent":
            self._mended.wait()
            return
        if fault == "meet":
            self._meeting.wait()
        if fault and fault[0].isdigit():
            number, _, code = fault.partition(" ")
            body = f"<Error><Code>{code}</Code><Message>Injected</Message></Error>".encode()
            status, headers, half = int(number), [("Content-Length", str(len(body)))], len(body)
        if fault == "flip":
            body = flipped(body)
        request.send_response_only(status)
        for name, value in headers:
            request.send_header(name, value)
        request.end_headers()
        if fault == "drip":
            for byte in body:
                if self._mended.wait(0.2):
                    return
                request.wfile.write(bytes([byte]))
            return
        request.wfile.write(body[:half])
        if fault == "cut":
            return
        if fault == "reset":
            # Closed by hand and with no time to linger, a connection is reset.
            no_time = struct.pack("ii", 1, 0)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_time)
            os.close(request.connection.detach())
            return
        if fault == "slow":
            time.sleep(0.3)
        request.wfile.write(body[half:])


def forward(url: str, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
    """The answer of the real server."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
            return response.status, response.getheaders(), response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.items(), error.read()


@dataclass(frozen=True)
class Store:
    """A model store with one model: the objects, and the network on the way to them."""

    s3: S3Client
    network: Network
    uri: str

    def read(self, name: str) -> bytes:
        """What a file of the model holds."""
        bucket, key = self._place(name)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, name: str, data: bytes) -> None:
        """Let a file of the model hold something."""
        bucket, key = self._place(name)
        self.s3.put_object(Bucket=bucket, Key=key, Body=data)

    def delete(self, name: str) -> None:
        """Take a file of the model away."""
        bucket, key = self._place(name)
        self.s3.delete_object(Bucket=bucket, Key=key)

    def _place(self, name: str) -> tuple[str, str]:
        bucket, _, prefix = self.uri.removeprefix("s3://").partition("/")
        return bucket, f"{prefix}/{name}"


Fault = Callable[[Store], AbstractContextManager[None]]


def network(fault: Break, once: bool = False) -> Fault:
    """The network is broken."""
    return lambda store: store.network.broken(fault, once)


@contextmanager
def nobody_listens(_: Store) -> Iterator[None]:
    """The store cannot be connected to."""
    with mock.patch.dict(os.environ, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9"):  # discard
        yield


def changed(name: str, change: Callable[[bytes], bytes]) -> Fault:
    """An object of the store holds something else."""

    @contextmanager
    def fault(store: Store) -> Iterator[None]:
        whole = store.read(name)
        store.write(name, change(whole))
        yield
        store.write(name, whole)

    return fault


def missing(name: str) -> Fault:
    """An object of the store is not there."""

    @contextmanager
    def fault(store: Store) -> Iterator[None]:
        whole = store.read(name)
        store.delete(name)
        yield
        store.write(name, whole)

    return fault


def flipped(data: bytes) -> bytes:
    """The same with one bit in the middle changed."""
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]


def truncated(data: bytes) -> bytes:
    """The same without its second half."""
    return data[: len(data) // 2]
