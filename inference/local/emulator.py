"""Lambda execution environments on this machine: the handler in the real Lambda runtime.

Each environment is AWS's runtime interface emulator running `awslambdaric`. Like an execution
environment of Lambda, it handles one request at a time; a pool of them serves several.
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
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

from inference.errors import TextClassifierError
from inference.runtime.context import Context

HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 5  # before a process that ignores SIGTERM is killed
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class EmulatorError(TextClassifierError):
    """An execution environment failed to start or to answer."""


class FunctionError(EmulatorError):
    """The handler raised an exception."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        """Take over what Lambda answers in place of the handler."""
        super().__init__(f"the function failed: {answer['errorType']}")
        self.answer = answer


class ExecutionEnvironment(Protocol):
    """Runs the handler, one request at a time."""

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        """Call the handler with an event and return its answer."""


def emulator_binary() -> Path | None:
    """Find the emulator in the wheel of aws-sam-cli; it runs on Linux only."""
    machine = MACHINES.get(platform.machine().lower())
    samcli = importlib.util.find_spec("samcli")
    if platform.system() != "Linux" or machine is None or samcli is None or samcli.origin is None:
        return None
    binary = Path(samcli.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    return binary if binary.exists() else None


class Emulator:
    """An execution environment in its own processes."""

    def __init__(self, binary: Path, handler: str, log: Path) -> None:
        """Start the emulator; it inherits the environment variables of this process."""
        self._binary, self._handler, self._log = binary, handler, log
        self._is_closed, self._restarting = False, threading.Lock()
        self._start()

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        """Call the handler with an event and return its answer.

        Raises:
            FunctionError: the handler raised an exception.
            EmulatorError: it did not answer in time.
        """
        url = f"http://{self._address}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, json.dumps(event).encode())
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
                answer = json.load(response)
        except (OSError, ValueError, HTTPException) as error:
            # It may be busy or dead; either way it cannot take another request.
            with self._restarting:
                if not self._is_closed:
                    self.stop()
                    self._start()
            raise EmulatorError(f"no answer from the function: {error}") from error
        if isinstance(answer, dict) and "errorType" in answer:
            raise FunctionError(answer)
        return answer

    def close(self) -> None:
        """Stop the emulator for good, even if a request is in progress."""
        with self._restarting:
            self._is_closed = True
            self.stop()

    def stop(self) -> None:
        """End the emulator and every process that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(timeout=STOP_SECONDS)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def _start(self) -> None:
        self._address, runtime_api = (f"{HOST}:{port}" for port in free_ports(2))
        command = [
            *(str(self._binary), "--runtime-interface-emulator-address", self._address),
            *("--runtime-api-address", runtime_api),
            *(sys.executable, "-m", "awslambdaric", self._handler),
        ]
        with self._log.open("ab") as output:
            # In its own session, Ctrl-C in the terminal does not reach it. This process stops it,
            # and its whole process group with it.
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
        raise EmulatorError(f"the runtime interface emulator did not start: see {self._log}")


class InProcess:
    """An execution environment inside this process, for systems without an emulator."""

    def __init__(self, handler: str) -> None:
        """Import the handler; it reads the environment variables of this process."""
        module, _, function = handler.rpartition(".")
        self._handler = getattr(importlib.import_module(module), function)

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        """Call the handler with an event and return its answer; there is no time limit here."""
        del timeout
        try:
            return self._handler(dict(event), Context(str(uuid.uuid4())))
        except Exception as error:
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
            raise FunctionError(answer) from error


class Pool:
    """Execution environments that take turns, each with one request at a time."""

    def __init__(self, environments: list[ExecutionEnvironment]) -> None:
        """Take over environments; only this pool may call them from now on."""
        self._idle: queue.LifoQueue[ExecutionEnvironment] = queue.LifoQueue()
        for environment in environments:
            self._idle.put(environment)

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        """Wait for an idle environment and return its answer to an event.

        Raises:
            EmulatorError: every environment stayed busy, or the one that was called failed.
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
    """Start execution environments and stop them at the end of the block.

    Without an emulator for this system, one environment runs in this process.

    Args:
        handler: Where the handler is, such as ``package.module.function``.
        count: How many requests can be handled at once.
        log: The file that the output of the emulators is appended to.
    """
    binary = emulator_binary()
    if binary is None:
        yield Pool([InProcess(handler)])
        return
    with ExitStack() as stack:
        environments: list[ExecutionEnvironment] = []
        for _ in range(count):
            emulator = Emulator(binary, handler, log)
            stack.callback(emulator.close)
            environments.append(emulator)
        yield Pool(environments)


def free_ports(count: int) -> list[int]:
    """Find different ports that no process listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
