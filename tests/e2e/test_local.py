"""The system as `make demo` and `make serve` run it: real S3 protocol, real Lambda runtime."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from inference.local.emulator import emulator_binary
from inference.model.bundle import read_verified
from tests.conftest import ROOT, SAMPLE_MODEL
from tests.e2e.conftest import LOCAL, SERVER_MARK, serving


def ask(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"{url}/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_the_url_names_this_machine(server: str) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_everything_listens_on_this_machine_only(server: str) -> None:
    # GIVEN the processes of a server at work
    ask(server, {"inputs": "Fed holds rates"})
    # WHEN the addresses that they listen on are looked at
    addresses = listening(marked(SERVER_MARK))
    # THEN there are the front door, the S3 and two ports an emulator, all on the loopback
    assert len(addresses) >= 6
    assert {address.partition(":")[0] for address in addresses} == {"0100007F"}


def test_a_headline_is_answered_by_the_shipped_model(
    server: str,
) -> None:
    # GIVEN the served sample model WHEN it is asked THEN it is right and names its version
    answer = ask(server, {"inputs": "Life in Mars might be a real possibility"})
    assert answer["predicted_label"] == "Science"
    assert answer["model_version"] == read_verified(SAMPLE_MODEL)[1]


def test_many_clients_at_once_are_all_answered(
    server: str,
) -> None:
    texts = [f"Shares fall {n} percent after profit warning" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: ask(server, {"inputs": text}), texts))
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
    # GIVEN a server at work, whose processes bear a mark in their environment
    mark = f"LOCAL_TEST_MARK={number}-{os.getpid()}"
    environment = os.environ | dict([mark.split("=")])
    with serving(environment) as (url, process):
        ask(url, {"inputs": "Fed holds rates"})
        assert len(marked(mark)) >= 4  # itself, two emulators, a runtime
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


def listening(processes: list[int]) -> list[str]:
    """The hexadecimal address:port pairs that processes listen on."""
    links = [fd for pid in processes for fd in Path(f"/proc/{pid}/fd").iterdir()]
    sockets = {str(fd.readlink()) for fd in links if fd.exists() or fd.is_symlink()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1])
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
