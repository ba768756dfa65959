"""The system as `make serve` runs it, for all tests that talk to it over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.conftest import ROOT

expect.set_options(timeout=30_000)  # a first answer on a machine that is doing other work

SERVER_MARK = f"LOCAL_TEST_MARK=server-{os.getpid()}"
TEXTCLF = [sys.executable, "-m", "textclf"]


def ask(url: str, body: Any) -> Any:
    """Post a body to the API and return its answer."""
    request = urllib.request.Request(
        f"{url}/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


@contextmanager
def serving(
    environment: Mapping[str, str],
    command: Sequence[str] = (*TEXTCLF, "serve"),
    folder: Path = ROOT,
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a command that serves on a free port; gives the URL it prints, and its process."""
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _read_url(process), process
        finally:
            process.terminate()  # if the test has not stopped it


def _read_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    for line in process.stdout:
        if match := re.search(r"http://\S+", line):
            return match[0]
    raise AssertionError("the command ended without printing a URL")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server that all tests share."""
    environment = os.environ | dict([SERVER_MARK.split("=")])
    with serving(environment) as (url, process):
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
