"""The system as `make demo` and `make serve` run it: real S3 protocol, real Lambda runtime."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inference.local.emulator import EmulatorError, emulator_binary, emulators
from inference.local.system import reserve_log
from inference.model.bundle import read_verified
from tests.conftest import ROOT, SAMPLE_MODEL
from tests.e2e.conftest import SERVER_MARK, TEXTCLF, ask, serving

needs_proc = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="reads the /proc of Linux"
)
needs_emulator = pytest.mark.skipif(
    emulator_binary() is None, reason="the emulator runs on Linux only"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `textclf` to its end."""
    return subprocess.run(
        [*TEXTCLF, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def log_of(done: subprocess.CompletedProcess[str]) -> Path:
    """Return the file of the function's log that a demo has named."""
    match = re.search(r"log in (\S+)", done.stdout)
    assert match, done.stderr
    return ROOT / match[1]


def test_the_url_names_this_machine(server: str) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server)


@needs_proc
def test_everything_listens_on_this_machine_only(server: str) -> None:
    # GIVEN a server that has answered
    ask(server, {"inputs": "Fed holds rates"})
    # WHEN the addresses that its processes listen on are read
    addresses = listening_addresses(processes_with(SERVER_MARK))
    # THEN there are the front door, the S3 and two ports for each emulator, all on the loopback
    assert len(addresses) >= 6
    assert {address.partition(":")[0] for address in addresses} == {"0100007F"}


def test_a_headline_is_classified_by_the_shipped_model(server: str) -> None:
    answer = ask(server, {"inputs": "Life in Mars might be a real possibility"})
    assert answer["predicted_label"] == "Science"
    assert answer["model_version"] == read_verified(SAMPLE_MODEL).version


def test_many_clients_at_once_are_all_answered(server: str) -> None:
    texts = [f"Shares fall {n} percent after profit warning" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: ask(server, {"inputs": text}), texts))
    assert {answer["predicted_label"] for answer in answers} == {"Business"}


def test_a_port_in_use_is_one_clear_sentence() -> None:
    # GIVEN a port that something listens on
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        # WHEN the server is started on it
        done = run("serve", "--port", port)
    # THEN the error says what to do
    assert done.returncode == 1
    assert done.stderr == f"error: port {port} is in use: choose another with --port\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--environments", "0"), ("--environments", "-1"), ("--port", "-1"), ("--port", "65536")],
)
def test_a_number_out_of_its_range_is_refused(option: str, value: str) -> None:
    done = run("serve", option, value)
    assert done.returncode == 2
    assert option in done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_leaves_the_log_of_a_running_server_alone(server: str) -> None:
    # GIVEN a server that has answered, which holds a lock on its log
    ask(server, {"inputs": "Fed holds rates"})
    in_use = {
        log: log.read_bytes() for log in (ROOT / "build" / "local").glob("*.log") if held(log)
    }
    assert any(b'"predicted"' in content for content in in_use.values()) or not emulator_binary()
    # WHEN a demo runs at the same time THEN it writes to another file
    assert log_of(run("demo")) not in in_use
    # AND the log of the server has lost nothing
    for log, content in in_use.items():
        assert log.read_bytes().startswith(content)


def held(log: Path) -> bool:
    """Tell whether another process holds the lock on a log."""
    with log.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_log_is_free_again_when_its_system_ends(tmp_path: Path) -> None:
    with reserve_log(tmp_path) as first, reserve_log(tmp_path) as second:
        assert [first.name, second.name] == ["function.log", "function-2.log"]
        first.write_text("old")
    with reserve_log(tmp_path) as again:
        assert again == first
        assert again.read_text() == ""


def test_a_chunked_request_behind_a_prefix_is_answered(server: str) -> None:
    # GIVEN the real server WHEN a client streams its request to a mapped path
    with closing(HTTPConnection(urlsplit(server).netloc, timeout=30)) as connection:
        parts = iter([b'{"inputs": ', b'"Fed holds rates"}'])
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/news/predict/", parts, headers, encode_chunked=True)
        answer = json.load(connection.getresponse())
    # THEN it is answered
    assert answer["predicted_label"] == "Business"


def test_a_folder_without_a_bundle_is_one_clear_sentence(tmp_path: Path) -> None:
    done = run("demo", "--bundle", str(tmp_path))
    assert done.returncode == 1
    expected = f"error: there is no model in {tmp_path}: give --bundle a bundle's folder\n"
    assert done.stderr == expected


@needs_emulator
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_server_leaves_no_process(number: signal.Signals) -> None:
    # GIVEN a server that has answered, whose processes have a mark in their environment
    mark = f"LOCAL_TEST_MARK={number}-{os.getpid()}"
    environment = os.environ | dict([mark.split("=")])
    with serving(environment) as (url, process):
        ask(url, {"inputs": "Fed holds rates"})
        assert len(processes_with(mark)) >= 4  # itself, two emulators, a runtime
        # WHEN it gets the signal
        process.send_signal(number)
        # THEN it exits without an error and takes all of them along
        assert process.wait(timeout=20) == 0
    assert processes_with(mark) == []


@needs_emulator
def test_an_emulator_that_is_closed_during_a_request_does_not_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a function that is busy
    (tmp_path / "busy.py").write_text("import time\ndef handler(*_): time.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("LOCAL_TEST_MARK", str(tmp_path))
    with ThreadPoolExecutor(1) as threads:
        with emulators("busy.handler", 1, tmp_path / "log") as pool:
            request = threads.submit(pool.invoke, {}, 60)
            time.sleep(1)
        # WHEN the emulators are stopped THEN the request fails
        with pytest.raises(EmulatorError):
            request.result(timeout=20)
    # AND no process is left
    assert processes_with(f"LOCAL_TEST_MARK={tmp_path}") == []


def processes_with(mark: str) -> list[int]:
    """Find the processes that have a variable in their environment."""
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                processes.append(int(folder.name))
        except OSError:
            continue  # it has ended, or belongs to another user
    return processes


def listening_addresses(processes: list[int]) -> list[str]:
    """Return the hexadecimal address:port pairs that processes listen on."""
    links = [fd for pid in processes for fd in Path(f"/proc/{pid}/fd").iterdir()]
    sockets = {str(fd.readlink()) for fd in links if fd.exists() or fd.is_symlink()}
    addresses = []
    for protocol in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                addresses.append(fields[1])
    return addresses


def test_a_demo_shows_each_request_and_its_answer() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    for file in (ROOT / "sample-requests").glob("*.json"):
        assert f"sample-requests/{file.name}" in done.stdout
    assert done.stdout.count('"model_version"') == 3
    assert "422 in" in done.stdout
    assert "200 in" in done.stdout


@needs_emulator
def test_the_demo_runs_in_the_real_lambda_runtime() -> None:
    log = log_of(run("demo")).read_text()
    assert "(rapid)" in log
    assert "model loaded" in log
