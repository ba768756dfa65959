"""A proxy in front of the local S3 that breaks things as networks do."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal["silent", "drip", "reset", "reset once", "error once"]


@contextmanager
def faulty_proxy(target: str, fault: Fault) -> Iterator[str]:
    """A URL that passes GET requests on to ``target``, with a fault."""
    seen: set[str] = set()
    ended = threading.Event()

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            first = self.path not in seen
            seen.add(self.path)
            if fault == "silent":
                ended.wait()
                return
            if fault == "error once" and first:
                self.send_error(500)
                return
            status, headers, body = forward(target + self.path, dict(self.headers))
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            if fault == "drip":
                for byte in body:
                    if ended.wait(0.2):
                        return
                    self.wfile.write(bytes([byte]))
            elif fault == "reset" or (fault == "reset once" and first):
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            else:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


def forward(url: str, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
    """The answer of the real server."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
            return response.status, response.getheaders(), response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.items(), error.read()
