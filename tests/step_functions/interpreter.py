"""Execute definitions of state machines with LocalStack's interpreter of Step Functions.

    with start_interpreter(folder) as interpreter:
        interpreter.use(services)  # to answer for those that LocalStack lacks
        output = interpreter.execute(definition, {"any": "input"})  # or StateError

``make localstack`` installs it. S3, SNS and Step Functions itself are LocalStack's.
"""

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from inference.local.emulator import HOST, free_ports
from tests.conftest import ROOT

Input = dict[str, Any]
Services = Callable[
    [str, Input], Input | None
]  # ("lambda:Invoke", input) → output, or LocalStack's

INSTALLED = ROOT / "build" / "localstack"  # by make
START_SECONDS = 600  # it takes 10 on an idle machine
RUN_SECONDS = 240
KEYS = ("test", "test")  # of LocalStack's account 000000000000
# The same for every task, so that LocalStack makes one client of each service only: that is the
# larger part of its work.
ASSUMED = {
    "AccessKeyId": "test",
    "SecretAccessKey": "test",
    "SessionToken": "test",
    "Expiration": "2099-01-01T00:00:00Z",
}
ROLE = "arn:aws:iam::000000000000:role/states"


class StateError(Exception):
    """An execution failed."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class AwsError(Exception):
    """An error of a service; Services raise it."""

    def __init__(self, code: str, message: str = "refused", status_code: int = 400) -> None:
        super().__init__(code)
        self.fields = {"code": code, "message": message, "status_code": status_code}


class FunctionError(Exception):
    """An error of a Lambda function, by its name in the state machine; Services raise it."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error)
        self.error, self.cause = error, cause
        payload = json.dumps({"errorType": error, "errorMessage": cause})
        self.output = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload}


def no_services(_event: str, _given: Input) -> Input | None:
    """Leave every call to LocalStack."""
    return None


@dataclass
class Interpreter:
    """A running LocalStack."""

    endpoint: str = ""
    services: Services = no_services
    pauses: list[float] = field(default_factory=list)  # between attempts, in seconds
    waits: list[float] = field(default_factory=list)  # of Wait states, in seconds
    _clients: dict[str, Any] = field(default_factory=dict)
    _machines: dict[str, str] = field(default_factory=dict)  # ARNs by definition
    _executions: list[str] = field(default_factory=list)  # ARNs
    _failures: list[Exception] = field(default_factory=list)
    _changed: threading.Event = field(default_factory=threading.Event)  # an execution, its status

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        if service not in self._clients:
            # In a session of its own: a test may replace boto3.client.
            session: Any = boto3.Session(*KEYS, region_name="us-east-1")
            self._clients[service] = session.client(service, endpoint_url=self.endpoint)
        return self._clients[service]

    def close(self) -> None:
        """Close the connections of the clients."""
        for client in self._clients.values():
            client.close()

    def create(self, definition: str) -> str:
        """Create a state machine, unless there is one with this definition; return its ARN."""
        if definition not in self._machines:
            machine = self.client("stepfunctions").create_state_machine(
                name=f"machine-{uuid.uuid4()}", definition=definition, roleArn=ROLE
            )
            self._machines[definition] = machine["stateMachineArn"]
        return self._machines[definition]

    def execute(self, definition: str, given: Any) -> Any:
        """Execute a definition to its end; return the output.

        Raises:
            StateError: the execution failed.
        """
        machine, states = self.create(definition), self.client("stepfunctions")
        started = states.start_execution(stateMachineArn=machine, input=json.dumps(given))
        execution = started["executionArn"]
        self._executions.append(execution)
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            end = states.describe_execution(executionArn=execution)
            if self._failures:
                raise self._failures.pop()
            if end["status"] == "SUCCEEDED":
                return json.loads(end["output"])
            if end["status"] != "RUNNING":
                raise StateError(end.get("error", end["status"]), end.get("cause", ""))
            self._changed.wait(1)
            self._changed.clear()
        raise TimeoutError(f"the execution did not end within {RUN_SECONDS} seconds")

    def use(self, services: Services) -> None:
        """Let a test answer for services, with empty records of pauses and waits."""
        self.services, self.pauses, self.waits, self._executions = services, [], [], []

    def visited(self) -> set[str]:
        """Return the names of the states that the executions of this test entered."""
        states = self.client("stepfunctions")
        names = set()
        for execution in self._executions:
            pages = states.get_paginator("get_execution_history").paginate(executionArn=execution)
            details = [
                event.get("stateEnteredEventDetails") for page in pages for event in page["events"]
            ]
            names |= {one["name"] for one in details if one}
        return names

    def answer(self, event: str, given: Input) -> Input:
        """Answer what server.py asks."""
        if event == "events:PutEvents":  # about the status of an execution
            self._changed.set()
            return {"output": {"FailedEntryCount": 0, "Entries": []}}
        if event == "sts:AssumeRole":
            return {"output": {"Credentials": ASSUMED}}
        if event in ("pause", "wait"):
            {"pause": self.pauses, "wait": self.waits}[event].append(given["seconds"])
        try:
            output = self.services(event, given)
        except AwsError as error:
            return {"error": error.fields}
        except FunctionError as error:
            return {"output": error.output}
        except Exception as error:  # fails the test, which waits in another thread
            self._failures.append(error)
            return {"error": {"code": "TestFailed", "message": str(error)}}
        return {} if output is None else {"output": output}


@contextmanager
def start_interpreter(folder: Path) -> Iterator[Interpreter]:
    """Run LocalStack until the end of the block; its log and data go into a folder.

    Skips the test where LocalStack is not installed.
    """
    environment = Path(os.environ.get("LOCALSTACK", INSTALLED))
    if not (environment / "installed").exists():
        pytest.skip("LocalStack is not installed (make localstack does it, with Python 3.13)")
    interpreter = Interpreter()
    with _answer_questions(interpreter) as url, (folder / "log").open("wb") as log:
        (port,) = free_ports(1)
        interpreter.endpoint = f"http://{HOST}:{port}"
        command = [str(environment / "bin" / "python"), str(Path(__file__).with_name("server.py"))]
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LOCALSTACK_VOLUME_DIR": str(folder),
            "GATEWAY_LISTEN": f"{HOST}:{port}",
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",  # which it would report to its makers
            "LS_LOG": "warning",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "TEST_URL": url,
        }
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        try:
            _await_health(interpreter.endpoint, process)
            yield interpreter
        finally:
            interpreter.close()
            process.kill()  # it has nothing to save, and would take 15 seconds to find that out
            process.wait()


def _await_health(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"LocalStack ended with {process.returncode}: see its log")
        try:
            with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"LocalStack did not start within {START_SECONDS} seconds: see its log")


@contextmanager
def _answer_questions(interpreter: Interpreter) -> Iterator[str]:
    """Answer what server.py asks, until the end of the block; gives the URL to ask."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(interpreter.answer(**_arguments(question))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _arguments(question: Input) -> Input:
    return {"event": question["event"], "given": question["input"]}
