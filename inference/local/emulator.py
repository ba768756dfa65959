"""Execution environments: the handler in the real Lambda runtime, several side by side.

Each is AWS's runtime interface emulator with `awslambdaric` under it. One emulator holds one
request at a time, as one Lambda execution environment does, so a pool of them plays Lambda.
"""

import importlib
import importlib.util
import json
import os
import platform
import queue
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

HOST = "127.0.0.1"
START_SECONDS = 30
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class EmulatorError(Exception):
    """No execution environment answers; the message says why."""


class Environment(Protocol):
    """Something that runs the handler."""

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        """The handler's answer to an event."""


def emulator_binary() -> Path | None:
    """The emulator inside aws-sam-cli's wheel; none where it cannot run (it is for Linux)."""
    machine = MACHINES.get(platform.machine().lower())
    found = importlib.util.find_spec("samcli")
    if platform.system() != "Linux" or machine is None or found is None or found.origin is None:
        return None
    binary = Path(found.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    return binary if binary.exists() else None


class Emulator:
    """One execution environment in processes of its own."""

    def __init__(self, binary: Path, handler: str, log: Path) -> None:
        """Start it; it gets this process's environment variables."""
        self._binary, self._handler, self._log = binary, handler, log
        self._start()

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        """The handler's answer to an event.

        Raises:
            EmulatorError: the handler raised, or there was no answer in time.
        """
        url = f"http://{self._address}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, json.dumps(event).encode())
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
                answer = json.load(response)
        except (OSError, ValueError, HTTPException) as error:
            # It may still be at work or be dead; either way it can take no other request.
            self.stop()
            self._start()
            raise EmulatorError(f"no answer from the function: {error}") from error
        if isinstance(answer, dict) and "errorType" in answer:
            raise EmulatorError(f"the function failed: {answer['errorType']}")
        return answer

    def stop(self) -> None:
        """End it and everything it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(timeout=5)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def _start(self) -> None:
        self._address, runtime = (f"{HOST}:{port}" for port in free_ports(2))
        command = [
            *(str(self._binary), "--runtime-interface-emulator-address", self._address),
            *("--runtime-api-address", runtime),
            *(sys.executable, "-m", "awslambdaric", self._handler),
        ]
        with self._log.open("ab") as output:
            # A session of its own: a Ctrl-C in the terminal reaches only the process that
            # then stops this one, and stopping it stops all that it started.
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, start_new_session=True
            )
        try:
            self._await_port()
        except BaseException:
            self.stop()
            raise

    def _await_port(self) -> None:
        host, port = self._address.split(":")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.02)
        raise EmulatorError("the runtime interface emulator did not start")


class InProcess:
    """The handler in this very process, where the emulator does not run."""

    def __init__(self, handler: str) -> None:
        """Import it; it reads this process's environment variables."""
        module, _, function = handler.rpartition(".")
        self._handler = getattr(importlib.import_module(module), function)

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        """The handler's answer to an event; ``timeout`` is not enforced here."""
        del timeout
        try:
            return self._handler(dict(event), Context(str(uuid.uuid4())))
        except Exception as error:
            raise EmulatorError(f"the function failed: {type(error).__name__}") from error


@dataclass(frozen=True)
class Context:
    """What the runtime tells a handler of an invocation."""

    aws_request_id: str
    function_name: str = "classifier"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 2048
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:classifier"


class Pool:
    """Environments that take turns: one request each at a time."""

    def __init__(self, environments: list[Environment]) -> None:
        """Take environments that nobody else uses."""
        self._idle: queue.LifoQueue[Environment] = queue.LifoQueue()
        for environment in environments:
            self._idle.put(environment)

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        """The answer of the next free environment.

        Raises:
            EmulatorError: none was free or none answered in time.
        """
        deadline = time.monotonic() + timeout
        try:
            environment = self._idle.get(timeout=timeout)
        except queue.Empty:
            raise EmulatorError("all environments are busy") from None
        try:
            return environment.invoke(event, max(0.1, deadline - time.monotonic()))
        finally:
            self._idle.put(environment)


@contextmanager
def emulators(handler: str, count: int, log: Path) -> Iterator[Pool]:
    """A pool of ready environments that ends with the block."""
    binary = emulator_binary()
    if binary is None:
        yield Pool([InProcess(handler)])
        return
    with ExitStack() as stack:
        environments: list[Environment] = []
        for _ in range(count):
            emulator = Emulator(binary, handler, log)
            stack.callback(emulator.stop)
            environments.append(emulator)
        yield Pool(environments)


def free_ports(count: int) -> list[int]:
    """Different ports that nothing listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
