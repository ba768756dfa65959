"""The subsegments that the X-Ray daemon receives."""

import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from inference.runtime.tracing import traced
from tests.integration.conftest import Call

ROOT, PARENT = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
SAMPLED = f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=a87bd80c:1"


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a daemon, while a request is sampled."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        host, port = listener.getsockname()
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"{host}:{port}")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", SAMPLED)
        yield listener


def receive(daemon: socket.socket) -> dict[str, Any]:
    header, document = daemon.recv(65_536).split(b"\n")
    assert json.loads(header) == {"format": "json", "version": 1}
    content: dict[str, Any] = json.loads(document)
    return content


def test_a_block_is_a_subsegment_of_the_request(daemon: socket.socket) -> None:
    # GIVEN a sampled request
    before = time.time()
    # WHEN a block of code is traced
    with traced("work"):
        time.sleep(0.01)
    # THEN the daemon receives its subsegment
    document = receive(daemon)
    started, ended = document.pop("start_time"), document.pop("end_time")
    assert before <= started <= ended - 0.01 <= time.time()
    assert re.fullmatch("[0-9a-f]{16}", document.pop("id"))
    assert document == {
        "type": "subsegment",
        "name": "work",
        "trace_id": ROOT,
        "parent_id": PARENT,
        "fault": False,
    }


def test_a_block_that_raises_is_a_fault(daemon: socket.socket) -> None:
    with pytest.raises(RuntimeError), traced("work"):
        raise RuntimeError("the secret")
    document = receive(daemon)
    assert document["fault"] is True
    assert "the secret" not in str(document)


@pytest.mark.parametrize("header", [None, "", f"Root={ROOT};Parent={PARENT};Sampled=0", "Root"])
def test_without_a_sampled_request_nothing_is_sent(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch, header: str | None
) -> None:
    # GIVEN no request, or one that is not sampled
    monkeypatch.delenv("_X_AMZN_TRACE_ID")
    if header is not None:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    # WHEN a block of code is traced THEN the daemon receives nothing
    with traced("work"):
        pass
    with pytest.raises(BlockingIOError):
        daemon.recv(1)


@pytest.mark.parametrize("address", [None, "", "127.0.0.1", "127.0.0.1:9", "127.0.0.1:http"])
def test_a_missing_daemon_does_no_harm(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.delenv("AWS_XRAY_DAEMON_ADDRESS")
    if address is not None:
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)
    with traced("work"):
        done = True
    assert done


def test_a_request_shows_load_and_predict(daemon: socket.socket, call: Call) -> None:
    # GIVEN a function that has loaded its model while it was traced
    assert receive(daemon)["name"] == "load model"
    # WHEN it predicts THEN that is traced too
    assert call("POST", "/predict", {"inputs": "Fed holds rates"})[0] == 200
    assert receive(daemon)["name"] == "predict"
