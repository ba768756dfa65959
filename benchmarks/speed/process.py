"""Processes to measure: each in a mode, from a source tree, its messages in a log."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from benchmarks.speed.errors import BenchError
from benchmarks.speed.modes import Mode
from inference.local.checkout import ROOT

# The variables that the image of the function sets for Python and its libraries.
IMAGE_VARIABLES = re.compile(r"^ENV ((?:OMP|OPENBLAS|PYTHON)\w*)=(\S+)$", re.MULTILINE)
OURS = Path(__file__).with_name("ours.py")


@dataclass(frozen=True)
class Usage:
    """What a process took: milliseconds by the clock and of CPU time, and megabytes at its peak."""

    wall: float
    cpu: float
    peak: float
    output: str  # what it wrote to stdout, after the line that was waited for


@dataclass(frozen=True)
class Launcher:
    """Starts processes from one source tree in one mode."""

    mode: Mode
    log: Path  # a folder
    tree: Path = ROOT

    def start(
        self,
        command: Sequence[str | Path],
        name: str,
        environment: Mapping[str, str] = MappingProxyType({}),
        stdin: int | None = None,
    ) -> "Process":
        """Start a Python command.

        Args:
            command: what follows ``python``.
            name: of the log.
            environment: variables that it gets in addition.
            stdin: as ``subprocess`` has it.

        Raises:
            BenchError: its mode is not possible here.
        """
        log = self.log / f"{name}.log"
        threads = str(len(self.mode.cores))
        variables = {
            "PYTHONPATH": str(self.tree),
            "BENCH_STDOUT": str(self.log / f"{name}.out"),
            "CI": "true",  # no questions about telemetry
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": threads,
            "TQDM_DISABLE": "1",
            "TRANSFORMERS_VERBOSITY": "error",
        }
        started = time.perf_counter()
        with log.open("wb") as stderr:
            try:
                process = subprocess.Popen(
                    [sys.executable, *map(str, command)],
                    cwd=self.tree,
                    env={**os.environ, **variables, **environment},
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    text=True,
                    preexec_fn=self.mode.enter,  # safe, because this process has no threads
                    start_new_session=True,  # so that it can be ended together with its workers
                )
            except subprocess.SubprocessError as error:
                raise BenchError(f"a process cannot run on {self.mode.name}: {error}") from error
        return Process(process, log, started)

    def ours(self, *arguments: str | Path) -> list[str | Path]:
        """Return the command that classifies with the tree's own code."""
        return ["-P", OURS, *arguments]

    def image_variables(self) -> dict[str, str]:
        """Return what the image of the tree sets."""
        return dict(IMAGE_VARIABLES.findall((self.tree / "docker" / "Dockerfile").read_text()))


@dataclass(frozen=True)
class Process:
    """A process that was started, the file with its messages, and when it was."""

    popen: "subprocess.Popen[str]"
    log: Path
    started: float

    def time(self, *, until: str = "") -> Usage:
        """Wait for the end and return what it took.

        Args:
            until: the time by the clock ends with the line of stdout that begins with this.

        Raises:
            BenchError: the process failed, or ended without that line.
        """
        assert self.popen.stdout
        try:
            with self.popen.stdout as stdout:
                if until and not any(line.startswith(until) for line in stdout):
                    raise self.fail()
                wall = time.perf_counter() - self.started
                output = stdout.read()
            _, status, used = os.wait4(self.popen.pid, 0)
        except BaseException:
            self.end()
            raise
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        if self.popen.returncode:
            raise self.fail()
        if not until:
            wall = time.perf_counter() - self.started
        cpu = used.ru_utime + used.ru_stime
        return Usage(1000 * wall, 1000 * cpu, used.ru_maxrss / 1024, output)

    def read(self) -> str:
        """Wait for the end and return what was written to stdout.

        Raises:
            BenchError: the process failed.
        """
        try:
            output, _ = self.popen.communicate()
        except BaseException:
            self.end()
            raise
        if self.popen.returncode:
            raise self.fail()
        return output

    def fail(self) -> BenchError:
        """Return an error with the last line of the log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return BenchError(f"{lines[-1] if lines else 'no message'} (more in {self.log})")

    def end(self) -> None:
        """Kill the process and what it started, if it still runs."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


@dataclass(frozen=True)
class Calls:
    """Milliseconds that each of some calls took."""

    wall: list[float]
    cpu: list[float]


class Server:
    """A process that classifies when asked."""

    def __init__(self, launcher: Launcher, command: Sequence[str | Path], name: str) -> None:
        """Start it, without waiting until it has loaded its model."""
        self._is_ready = False
        environment = launcher.image_variables() if OURS in command else {}
        self._process = launcher.start(
            command, name, environment=environment, stdin=subprocess.PIPE
        )

    def wait(self) -> Self:
        """Wait until it has loaded its model.

        Raises:
            BenchError: it cannot.
        """
        if not self._is_ready and self._read() != "ready\n":
            raise self._process.fail()
        self._is_ready = True
        return self

    def call(self, name: str, value: object, times: int) -> Calls:
        """Let it classify something several times.

        Raises:
            BenchError: it cannot.
        """
        stdin = self._process.popen.stdin
        assert stdin
        try:
            stdin.write(json.dumps({"call": name, "input": value, "times": times}) + "\n")
            stdin.flush()
        except BrokenPipeError:
            raise self._process.fail() from None
        answer = self._read()
        if not answer:
            raise self._process.fail()
        return Calls(**json.loads(answer))

    def end(self) -> None:
        """End it."""
        self._process.end()

    def _read(self) -> str:
        stdout = self._process.popen.stdout
        assert stdout
        return stdout.readline()
