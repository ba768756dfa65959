"""SnapStart: AWS's runtime for Python, with a runtime API that takes a snapshot of it."""

import importlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import snapshot_restore_py

from inference.runtime.payload import to_event
from tests.conftest import ROOT, SAMPLE_MODEL
from tests.integration.conftest import Call, PredictionTable

HEADLINE = json.dumps({"inputs": "Fed holds rates"}).encode()
REQUEST = to_event("POST", "/predict", [("content-type", "application/json")], HEADLINE)


class RuntimeApi:
    """The runtime API of Lambda: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.bodies: dict[str, Any] = {}
        self.answered = threading.Event()

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        name = path.removeprefix("/2018-06-01/runtime/")
        self.calls.append(name)
        self.bodies[name] = json.loads(body) if body else None
        if name == "invocation/next" and not self.answered.is_set():
            return 200, json.dumps(REQUEST).encode()
        if name == "invocation/next":
            threading.Event().wait(60)  # there is no other request
        if name.endswith("/response"):
            self.answered.set()
        return (200, b"") if name == "restore/next" else (202, b"")


@contextmanager
def taking_snapshot(model_uri: str) -> Iterator[tuple[RuntimeApi, "subprocess.Popen[bytes]"]]:
    """Start the function as Lambda does to publish a version."""
    api = RuntimeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.respond(b"")

        def do_POST(self) -> None:
            self.respond(self.rfile.read(int(self.headers["content-length"])))

        def respond(self, body: bytes) -> None:
            status, answer = api.answer(self.path, body)
            self.send_response(status)
            self.send_header("Lambda-Runtime-Aws-Request-Id", "request-1")
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(1000 * time.time()) + 60_000))
            self.send_header("Content-Type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "AWS_LAMBDA_FUNCTION_NAME": "classifier",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_VERSION": "7",
        "MODEL_URI": model_uri,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "awslambdaric", "inference.api.handler.handler"],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield api, process
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()


def test_a_snapshot_with_the_model_is_taken_and_answers() -> None:
    # GIVEN a model WHEN Lambda publishes a version
    with taking_snapshot(SAMPLE_MODEL.as_uri()) as (api, _):
        assert api.answered.wait(60)
    # THEN the snapshot is taken before the first request, which is answered
    assert api.calls[:3] == ["restore/next", "invocation/next", "invocation/request-1/response"]
    assert api.bodies["invocation/request-1/response"]["statusCode"] == 200


def test_no_snapshot_without_a_model_is_taken() -> None:
    # GIVEN no model WHEN Lambda publishes a version
    with taking_snapshot("file:///nowhere") as (api, process):
        # THEN the runtime reports an error of the init phase, and ends
        assert process.wait(60) == 64
    assert api.calls == ["init/error"]
    assert api.bodies["init/error"]["errorType"] == "SnapshotError"
    assert "the model is not loaded" in api.bodies["init/error"]["errorMessage"]


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The hooks that the function registers when it starts for a snapshot."""
    registries: dict[str, list[Any]] = {"before": [], "after": []}
    monkeypatch.setattr(snapshot_restore_py, "_before_snapshot_registry", registries["before"])
    monkeypatch.setattr(snapshot_restore_py, "_after_restore_registry", registries["after"])
    return registries


def restore(hooks: dict[str, list[Any]]) -> None:
    for function, arguments, options in hooks["after"]:
        function(*arguments, **options)


def test_a_restored_environment_has_new_clients_and_another_randomness(
    start: Callable[..., Call], table: PredictionTable, hooks: dict[str, list[Any]]
) -> None:
    # GIVEN a snapshot of a function with a prediction log
    started = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "PREDICTION_TIMEOUT_MS": "10000"}
    call = start(SAMPLE_MODEL.as_uri(), PREDICTION_TABLE=table.name, **started)
    predictor = importlib.import_module("inference.api.handler").predictor
    client, state = predictor._log._client, random.getstate()
    # WHEN an environment starts from it
    restore(hooks)
    # THEN it has a client of its own, which writes, and random numbers of its own
    assert predictor._log._client is not client
    assert random.getstate() != state
    random.setstate(state)
    restore(hooks)
    assert random.getstate() != state
    assert call("POST", "/predict", {"inputs": "Fed holds rates"})[0] == 200
    assert len(table.items()) == 1


def test_without_snapstart_nothing_is_registered(
    start: Callable[..., Call], hooks: dict[str, list[Any]]
) -> None:
    start(SAMPLE_MODEL.as_uri())
    assert hooks == {"before": [], "after": []}
