"""The prediction log connects to DynamoDB before the first request."""

import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from inference.prediction_log.writer import PredictionLog
from inference.runtime.settings import Settings

SETTINGS = Settings(model_uri="file:///models", prediction_table="predictions")


class Server(ThreadingHTTPServer):
    """A DynamoDB that notes its connections and what is asked."""

    def __init__(self) -> None:
        self.connections = list[tuple[str, int]]()
        self.asked = list[str]()
        self.greeted = Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        self.connections.append(address)
        return connection, address


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self, content: bytes) -> None:
        self.server.asked.append(f"{self.command} {self.headers.get('X-Amz-Target', '')}")
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.answer(b"healthy: dynamodb.us-east-1.amazonaws.com ")
        self.server.greeted.set()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b'{"UnprocessedItems": {}}')

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, whose address the client gets from the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with Server() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


def test_the_first_write_finds_its_connection_open(dynamodb: Server) -> None:
    # GIVEN a log that has been set up, before any request
    log = PredictionLog(SETTINGS)
    assert dynamodb.greeted.wait(5)
    assert dynamodb.asked == ["GET "]
    # WHEN the first items are written
    log._writer.submit(log._write, [{"id": {"S": "1"}}], time.monotonic() + 5).result(5)
    # THEN they went through the same connection
    assert dynamodb.asked[1:] == ["POST DynamoDB_20120810.BatchWriteItem"]
    assert len(dynamodb.connections) == 1


def test_a_log_that_cannot_connect_is_set_up_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    log = PredictionLog(SETTINGS)
    log._writer.submit(lambda: None).result(5)
