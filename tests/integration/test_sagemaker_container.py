"""The image as a container of SageMaker; here the server that it starts, without the image."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from inference.api.server import make_server
from inference.local.emulator import free_ports
from tests.conftest import ROOT, SAMPLE_MODEL

JSON, CSV = "application/json", "text/csv"


@contextmanager
def container(**environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the server as the image does; gives its URL and its process."""
    (port,) = free_ports(1)
    code = f"from inference.api.server import serve; serve({port})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def await_answer(url: str) -> int:
    """Wait until the server answers, and return the status of its ping."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{url}/ping") as response:
                status: int = response.status
                return status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


def ask(url: str, body: bytes, media_type: str = JSON) -> tuple[int, str]:
    request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": media_type})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with container(MODEL_URI=SAMPLE_MODEL.as_uri()) as (url, _):
        assert await_answer(url) == 200
        yield url


def test_sagemaker_s_requests_are_answered(url: str) -> None:
    status, body = ask(url, b'{"instances": ["Life in Mars might be a real possibility"]}')
    assert (status, json.loads(body)["predictions"][0]["predicted_label"]) == (200, "Science")
    status, body = ask(url, b"Life in Mars might be a real possibility\n", CSV)
    assert (status, body.split(",")[0]) == (200, "Science")


def test_more_texts_are_read_than_by_the_api(url: str) -> None:
    status, body = ask(url, b"Stocks fall\n" * 1000, CSV)
    assert (status, len(body.splitlines())) == (200, 1000)


def test_an_error_is_one_string(url: str) -> None:
    status, body = ask(url, b"{")
    assert (status, list(json.loads(body))) == (400, ["error"])


def test_a_body_without_a_length_is_refused(url: str) -> None:
    # GIVEN a client that announces a body in chunks WHEN it asks THEN the answer is there at once
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        connection.putrequest("POST", "/invocations")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        response = connection.getresponse()
        assert (response.status, list(json.loads(response.read()))) == (411, ["error"])


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        # Half of a CSV is one, too.
        (b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 9\r\n\r\na\nb",
         400, "The body is shorter than its Content-Length."),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
         413, "Entity is too large"),
        (b"GET http://[ HTTP/1.1\r\n\r\n",
         400, "The target of the request is neither a path nor a URL."),
        (b'FOO"BAR /ping HTTP/1.1\r\n\r\n', 501, "Server does not support this operation"),
    ],
)  # fmt: skip
def test_a_request_that_is_broken_is_refused_in_words(
    url: str, request_: bytes, status: int, reason: str
) -> None:
    # GIVEN a broken request WHEN the client has sent all that it sends
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()
    # THEN it is told what is wrong
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert json.loads(body) == {"error": reason}


def test_the_container_ends_when_it_is_told_to() -> None:
    with container(MODEL_URI=SAMPLE_MODEL.as_uri()) as (url, process):
        await_answer(url)
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_the_container_is_not_healthy_without_its_model(tmp_path: Path) -> None:
    # GIVEN a container whose model is missing
    folder = tmp_path / "model"
    with container(MODEL_URI=folder.as_uri()) as (url, _):
        # WHEN it is asked THEN it is up, and not healthy
        assert await_answer(url) == 503


def test_pings_do_not_wait_for_a_long_request() -> None:
    # GIVEN a function that is busy
    started, finish = Event(), Event()

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        del event, context
        started.set()
        finish.wait(timeout=30)
        return {"statusCode": 200, "body": "done"}

    function = SimpleNamespace(handler=handler, loader=SimpleNamespace(is_loaded=True))
    with make_server(function, "127.0.0.1", 0) as server, ThreadPoolExecutor(1) as client:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            answer = client.submit(ask, url, b"{}")
            assert started.wait(timeout=10)
            # WHEN SageMaker pings THEN the answer comes at once
            with urllib.request.urlopen(f"{url}/ping", timeout=2) as ping:
                assert ping.status == 200
            assert not answer.done()
        finally:
            finish.set()
        assert answer.result() == (200, "done")
        server.shutdown()
