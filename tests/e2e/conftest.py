"""The system as `make serve` runs it, for all tests that talk to it over HTTP."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

SERVER_MARK = f"LOCAL_TEST_MARK=server-{os.getpid()}"
LOCAL = [sys.executable, "-m", "inference.local"]


@contextmanager
def serving(
    environment: dict[str, str],
    command: Sequence[str] = (*LOCAL, "serve", "--environments", "2"),
    folder: Path = ROOT,
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`make serve` on a free port, or another such command: its URL and its process."""
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        found = (re.search(r"http://\S+", line) for line in process.stdout)
        try:
            yield next(url[0] for url in found if url), process
        finally:
            process.terminate()  # where a test has failed before it did


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server that all tests share."""
    environment = os.environ | dict([SERVER_MARK.split("=")])
    with serving(environment) as (url, process):
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
