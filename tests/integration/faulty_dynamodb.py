"""A DynamoDB that fails in the ways that networks and services do."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any, Literal

from inference.local.front_door import serve_in_thread

Fault = Literal[
    "silent",
    "silent once",
    "drip",
    "reset",
    "slow",
    "500",
    "500 once",
    "throttled",
    "throttled once",
    "unprocessed",
    "unprocessed for 1 s",
    "half unprocessed",
]


@contextmanager
def faulty_dynamodb(target: str, fault: Fault) -> Iterator[str]:
    """Give a URL that forwards calls to ``target``, with a fault."""
    calls: list[float] = []  # when they arrived
    ended = Event()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.append(time.monotonic())
            first = len(calls) == 1
            if fault == "silent" or (fault == "silent once" and first):
                ended.wait()
                self.close_connection = True
            elif fault == "reset":
                self.close_connection = True
            elif fault == "500" or (fault == "500 once" and first):
                self.answer(500, {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"})
            elif fault == "throttled" or (fault == "throttled once" and first):
                name = "ProvisionedThroughputExceededException"
                self.answer(400, {"__type": f"com.amazonaws.dynamodb.v20120810#{name}"})
            elif fault == "unprocessed" or (
                fault == "unprocessed for 1 s" and calls[-1] - calls[0] < 1
            ):
                self.answer(200, {"UnprocessedItems": json.loads(body)["RequestItems"]})
            elif fault == "half unprocessed":
                ((table, puts),) = json.loads(body)["RequestItems"].items()
                half = (len(puts) + 1) // 2
                self.forward(json.dumps({"RequestItems": {table: puts[:half]}}).encode())
                rest = {table: puts[half:]} if puts[half:] else {}
                self.answer(200, {"UnprocessedItems": rest})
            else:
                if fault == "slow":
                    time.sleep(0.4)
                status, content = self.forward(body)
                self.answer(status, content)

        def forward(self, body: bytes) -> tuple[int, Any]:
            names = ("Authorization", "Content-Type", "X-Amz-Target")
            headers = {name: self.headers[name] for name in names}
            try:
                with urllib.request.urlopen(urllib.request.Request(target, body, headers)) as reply:
                    return reply.status, json.load(reply)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)

        def answer(self, status: int, content: Any) -> None:
            data = json.dumps(content).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if fault != "drip":
                self.wfile.write(data)
                return
            for byte in data:
                if ended.wait(0.1):
                    return
                self.wfile.write(bytes([byte]))

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Proxy)) as url:
        try:
            yield url
        finally:
            ended.set()
