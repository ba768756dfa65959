"""Executes the definition of a state machine, the very file that is deployed, on a simulated clock.

    machine = StateMachine(definition, {"arn:...:function:score": score}, s3)
    output = machine.run({"any": "input"})  # or StateError, as the execution would fail

It implements what AWS documents of the Amazon States Language for the states and fields below, and
refuses all others, so a definition that runs has been executed to the letter.

Other interpreters fall short: that of moto 5.2 reads no JSON Lines, does not write the results of a
map, tolerates no failures and sleeps between attempts.
"""

import json
import random
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mypy_boto3_s3 import S3Client

from tests.state_expressions import (
    Fields,
    StateError,
    UnsupportedError,
    copy_json,
    evaluate,
    fill_template,
    holds,
    place_result,
)

__all__ = ["MapRun", "StateError", "StateMachine", "UnsupportedError", "assert_valid_asl"]

Integration = Callable[[Any], Any]

MAX_BYTES = 256 * 1024  # of the data that one state passes to the next
UNCAUGHT = ("States.DataLimitExceeded", "States.Runtime")  # not even by States.ALL
COMMON = {"Type", "Comment", "Next", "End"}
PATHS = {"InputPath", "Parameters", "ResultSelector", "ResultPath", "OutputPath"}
FAULTS = {"Retry", "Catch"}
FIELDS = {
    "Pass": PATHS | {"Result"},
    "Task": PATHS | FAULTS | {"Resource", "TimeoutSeconds"},
    "Wait": {"InputPath", "OutputPath", "Seconds", "SecondsPath"},
    "Choice": {"InputPath", "OutputPath", "Choices", "Default"},
    "Parallel": PATHS | FAULTS | {"Branches"},
    "Map": {"InputPath", "ResultSelector", "ResultPath", "OutputPath"}
    | FAULTS
    | {"Label", "ItemReader", "ItemSelector", "ItemProcessor", "ResultWriter"}
    | {"MaxConcurrency", "MaxConcurrencyPath", "ToleratedFailurePercentage"},
    "Succeed": {"InputPath", "OutputPath"},
    "Fail": {"Error", "Cause", "ErrorPath", "CausePath"},
}
MACHINE_FIELDS = {"Comment", "StartAt", "States", "TimeoutSeconds", "Version"}
RETRY_FIELDS = {"Comment", "ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts"}
RETRY_FIELDS |= {"MaxDelaySeconds", "JitterStrategy"}
PROCESSOR = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


@dataclass
class MapRun:
    """The outcome of a distributed map."""

    label: str
    max_concurrency: int
    total: int
    failed: int = 0


@dataclass
class StateMachine:
    """A definition, and the functions that stand in for the resources of its tasks.

    A task calls its integration with its input, also for AWS SDK and ``.sync`` integrations. An
    exception fails the task: a StateError under its own name, any other under the name of its
    class, as with Lambda.
    """

    definition: Fields
    integrations: Mapping[str, Integration]
    s3: S3Client | None = None
    name: str = "execution"
    arn: str = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"
    waits: list[tuple[str, float]] = field(default_factory=list)  # (state, seconds), in order
    visited: list[str] = field(default_factory=list)
    map_runs: list[MapRun] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311

    @property
    def execution(self) -> str:
        """The ARN of the execution."""
        return f"{self.arn.replace(':stateMachine:', ':execution:')}:{self.name}"

    def run(self, given: Any) -> Any:
        """Execute the machine; return its output.

        Raises:
            StateError: the execution failed.
            UnsupportedError: the definition uses something that is not simulated.
        """
        _refuse(set(self.definition) - MACHINE_FIELDS, "a state machine")
        context = {
            "Execution": {"Id": self.execution, "Name": self.name, "Input": given},
            "StateMachine": {"Id": self.arn},
        }
        return self._run_states(self.definition, given, context)

    def _run_states(self, flow: Fields, data: Any, context: dict[str, Any]) -> Any:
        name: str | None = flow["StartAt"]
        while name:
            self.visited.append(name)
            state = flow["States"][name]
            _refuse(set(state) - FIELDS[state["Type"]] - COMMON, name)
            own = {**context, "State": {"Name": name}}
            data, name = self._run_state(name, state, data, own)
            if len(json.dumps(data).encode()) > MAX_BYTES:
                raise StateError("States.DataLimitExceeded", f"the output of {own['State']}")
        return data

    def _run_state(
        self, name: str, state: Fields, data: Any, context: dict[str, Any]
    ) -> tuple[Any, str | None]:
        """Run a state with its retries; return its output and the name of the next state."""
        attempts: dict[int, int] = {}
        while True:
            context["State"]["RetryCount"] = sum(attempts.values())
            try:
                return self._attempt(name, state, data, context)
            except StateError as error:
                wait = self._delay_retry(state, error, attempts)
                if wait is None:
                    return _catch(state, error, data)
                self.waits.append((name, wait))

    def _delay_retry(
        self, state: Fields, error: StateError, attempts: dict[int, int]
    ) -> float | None:
        """Return the seconds until the next attempt, or None if there is none."""
        for number, rule in enumerate(state.get("Retry", [])):
            _refuse(set(rule) - RETRY_FIELDS, "Retry")
            if not _matches(rule["ErrorEquals"], error):
                continue
            done = attempts.get(number, 0)
            if done == rule.get("MaxAttempts", 3):
                return None
            attempts[number] = done + 1
            delay = float(rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2) ** done)
            delay = min(delay, rule.get("MaxDelaySeconds", delay))
            jitter = rule.get("JitterStrategy", "NONE")
            return self._random.uniform(0, delay) if jitter == "FULL" else delay
        return None

    def _attempt(
        self, name: str, state: Fields, data: Any, context: dict[str, Any]
    ) -> tuple[Any, str | None]:
        following = state.get("Next")
        given = evaluate(state.get("InputPath", "$"), data, context)
        match state["Type"]:
            case "Fail":
                _fail(state, given, context)
            case "Choice":
                following = _choose(name, state, given, context)
                output = given
            case "Wait":
                path = state.get("SecondsPath")
                seconds = evaluate(path, given, context) if path else state["Seconds"]
                self.waits.append((name, seconds))
                output = given
            case "Succeed":
                output = given
            case _:
                output = self._work(name, state, data, given, context)
        return evaluate(state.get("OutputPath", "$"), output, context), following

    def _work(
        self, name: str, state: Fields, data: Any, given: Any, context: dict[str, Any]
    ) -> Any:
        """Run a state that has a result; return its input with the result in its place."""
        if "Parameters" in state:
            given = fill_template(state["Parameters"], given, context)
        match state["Type"]:
            case "Pass":
                result = state.get("Result", given)
            case "Parallel":
                result = [self._run_states(flow, given, context) for flow in state["Branches"]]
            case "Map":
                result = self._map(name, state, given, context)
            case _:
                result = self._call(state["Resource"], given)
        if "ResultSelector" in state:
            result = fill_template(state["ResultSelector"], result, context)
        return place_result(state.get("ResultPath", "$"), data, result)

    def _call(self, resource: str, given: Any) -> Any:
        if resource not in self.integrations:
            raise UnsupportedError(resource)
        try:
            return copy_json(self.integrations[resource](copy_json(given)))
        except StateError:
            raise
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            raise StateError(type(error).__name__, cause) from error

    # Distributed maps

    def _map(self, name: str, state: Fields, given: Any, context: dict[str, Any]) -> Any:
        processor = state["ItemProcessor"]
        if processor["ProcessorConfig"] != PROCESSOR:
            raise UnsupportedError(f"{name}: {processor['ProcessorConfig']}")
        limit = state.get("MaxConcurrency", 0)
        if "MaxConcurrencyPath" in state:
            limit = evaluate(state["MaxConcurrencyPath"], given, context)
        if not isinstance(limit, int) or limit < 0:
            raise StateError("States.Runtime", f"{name}: MaxConcurrency is {limit!r}")
        items = self._read_items(state["ItemReader"], given, context)
        run = MapRun(state.get("Label", name), limit, len(items))
        self.map_runs.append(run)
        children = []
        for index, item in enumerate(items):
            own = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
            child = self._run_child(processor, fill_template(state["ItemSelector"], given, own))
            children.append(child)
            run.failed += child["Status"] == "FAILED"
            if 100 * run.failed > state.get("ToleratedFailurePercentage", 0) * len(items):
                raise StateError("States.ExceedToleratedFailureThreshold", name)
        place = _writer_parameters(state["ResultWriter"], given, context)
        return self._write_results(place["Bucket"], place["Prefix"], run, children)

    def _read_items(self, reader: Fields, given: Any, context: dict[str, Any]) -> list[Any]:
        if not (
            reader["Resource"].endswith(":states:::s3:getObject")
            and reader["ReaderConfig"] == {"InputType": "JSONL"}
        ):
            raise UnsupportedError(f"ItemReader: {reader}")
        assert self.s3
        parameters = fill_template(reader["Parameters"], given, context)
        try:
            body = self.s3.get_object(**parameters)["Body"].read()
            return [json.loads(line) for line in body.splitlines()]
        except Exception as error:
            raise StateError("States.ItemReaderFailed", str(error)) from error

    def _run_child(self, processor: Fields, given: Any) -> dict[str, Any]:
        """Run a child execution; describe it as the ResultWriter does."""
        name = str(uuid.UUID(int=self._random.getrandbits(128)))
        child = {"Name": name, "Input": json.dumps(given)}
        context = {"Execution": {"Name": name, "Input": given}}
        try:
            output = self._run_states(processor, given, context)
        except StateError as error:
            return {**child, "Status": "FAILED", "Error": error.error, "Cause": error.cause}
        return {**child, "Status": "SUCCEEDED", "Output": json.dumps(output)}

    def _write_results(
        self, bucket: str, prefix: str, run: MapRun, children: list[dict[str, Any]]
    ) -> Any:
        """Write the children by status, and a manifest; return the result of the map."""
        assert self.s3
        number = uuid.UUID(int=self._random.getrandbits(128))
        files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for status, listed in files.items():
            of_status = [child for child in children if child["Status"] == status]
            if of_status:
                body = json.dumps(of_status).encode()
                key = f"{prefix}/{number}/{status}_0.json"
                self.s3.put_object(Bucket=bucket, Key=key, Body=body)
                listed.append({"Key": key, "Size": len(body)})
        arn = f"arn:aws:states:us-east-1:123456789012:mapRun:machine/{run.label}:{number}"
        manifest = {"DestinationBucket": bucket, "MapRunArn": arn, "ResultFiles": files}
        key = f"{prefix}/{number}/manifest.json"
        self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())
        return {"MapRunArn": arn, "ResultWriterDetails": {"Bucket": bucket, "Key": key}}


def _refuse(unknown: set[str], where: str) -> None:
    if unknown:
        raise UnsupportedError(f"{where}: {', '.join(sorted(unknown))}")


def _matches(names: list[str], error: StateError) -> bool:
    """Tell whether an error is one of those that a Retry or a Catch names."""
    if error.error in names:
        return True
    if error.error in UNCAUGHT:
        return False
    failed = "States.TaskFailed" in names and error.error != "States.Timeout"
    return "States.ALL" in names or failed


def _catch(state: Fields, error: StateError, data: Any) -> tuple[Any, str | None]:
    for catcher in state.get("Catch", []):
        if _matches(catcher["ErrorEquals"], error):
            caught = {"Error": error.error, "Cause": error.cause}
            return place_result(catcher.get("ResultPath", "$"), data, caught), catcher["Next"]
    raise error


def _choose(name: str, state: Fields, given: Any, context: Fields) -> str:
    for rule in state["Choices"]:
        if holds(rule, given, context):
            return str(rule["Next"])
    if "Default" not in state:
        raise StateError("States.NoChoiceMatched", name)
    return str(state["Default"])


def _fail(state: Fields, given: Any, context: Fields) -> NoReturn:
    error, cause = state.get("Error", ""), state.get("Cause", "")
    if "ErrorPath" in state:
        error = evaluate(state["ErrorPath"], given, context)
    if "CausePath" in state:
        cause = evaluate(state["CausePath"], given, context)
    raise StateError(error, cause)


def _writer_parameters(writer: Fields, given: Any, context: Fields) -> Any:
    if not writer["Resource"].endswith(":states:::s3:putObject") or "WriterConfig" in writer:
        raise UnsupportedError(f"ResultWriter: {writer}")
    return fill_template(writer["Parameters"], given, context)


def assert_valid_asl(definition: str, folder: Path) -> None:
    """Validate a definition with asl-validator, which finds what cfn-lint misses.

    Skips the test without npm.
    """
    if not shutil.which("npx"):
        pytest.skip("npx is not installed (it comes with Node.js)")
    path = folder / "definition.json"
    path.write_text(definition)
    command = ["npx", "--yes", "asl-validator@4.0.0", "--json-path", str(path)]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=90, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if "npm error" in done.stderr:
        pytest.skip("asl-validator could not be downloaded from npm")
    assert done.returncode == 0, done.stdout + done.stderr
