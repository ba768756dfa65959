"""The system as `make demo` and `make serve` run it: real S3 protocol, real Lambda runtime."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from inference.bundle import read_verified
from inference.local.emulator import emulator_binary
from tests.conftest import ROOT, SAMPLE_MODEL

LOCAL = [sys.executable, "-m", "inference.local"]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`make serve` on a free port: its URL and its process."""
    process = subprocess.Popen(
        [*LOCAL, "serve", "--environments", "2"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    url = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
    yield url, process
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def ask(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"{url}/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_the_url_is_on_this_machine_only(server: tuple[str, subprocess.Popen[str]]) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server[0])


def test_a_headline_is_answered_by_the_shipped_model(
    server: tuple[str, subprocess.Popen[str]],
) -> None:
    # GIVEN the served sample model WHEN it is asked THEN it is right and names its version
    answer = ask(server[0], {"inputs": "Life in Mars might be a real possibility"})
    assert answer["predicted_label"] == "Science"
    assert answer["model_version"] == read_verified(SAMPLE_MODEL)[1]


def test_many_clients_at_once_are_all_answered(
    server: tuple[str, subprocess.Popen[str]],
) -> None:
    texts = [f"Shares fall {n} percent after profit warning" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: ask(server[0], {"inputs": text}), texts))
    assert {answer["predicted_label"] for answer in answers} == {"Business"}


def test_a_taken_port_is_one_clear_sentence() -> None:
    # GIVEN a port that something listens on
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        # WHEN the server is to have it
        done = subprocess.run(
            [*LOCAL, "serve", "--port", port], cwd=ROOT, capture_output=True, text=True, check=False
        )
    # THEN it says so
    assert done.returncode == 1
    assert done.stderr == f"error: port {port} is taken: choose another with PORT=number\n"


@pytest.mark.skipif(emulator_binary() is None, reason="the emulator runs on Linux only")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_leaves_no_process(number: signal.Signals) -> None:
    # GIVEN a server whose processes bear a mark in their environment
    mark = f"LOCAL_TEST_MARK={number}-{os.getpid()}"
    process = subprocess.Popen(
        [*LOCAL, "serve"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | dict([mark.split("=")]),
    )
    assert process.stdout
    assert any("http://" in line for line in process.stdout)
    assert len(marked(mark)) > 3
    # WHEN it is asked to stop
    process.send_signal(number)
    # THEN it ends well and takes all of them with it
    assert process.wait(timeout=20) == 0
    assert marked(mark) == []


def marked(mark: str) -> list[int]:
    """Processes with this in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def test_a_demo_shows_each_request_and_its_answer() -> None:
    # GIVEN the sample requests
    # WHEN the demo runs
    done = subprocess.run([*LOCAL, "demo"], cwd=ROOT, capture_output=True, text=True, check=False)
    # THEN each is shown with its answer
    assert done.returncode == 0, done.stderr
    for file in (ROOT / "sample-requests").glob("*.json"):
        assert f"sample-requests/{file.name}" in done.stdout
    assert done.stdout.count('"model_version"') == 3
    assert "422 in" in done.stdout
    assert "200 in" in done.stdout


@pytest.mark.skipif(emulator_binary() is None, reason="the emulator runs on Linux only")
def test_the_demo_runs_in_the_real_lambda_runtime() -> None:
    subprocess.run([*LOCAL, "demo"], cwd=ROOT, capture_output=True, check=True)
    log = (ROOT / "build" / "local" / "function.log").read_text()
    assert "(rapid)" in log
    assert "model loaded" in log
