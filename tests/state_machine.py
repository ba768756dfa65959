"""Executes a state machine's definition: the very file that is deployed, on a simulated clock.

    machine = StateMachine(definition, {"arn:...:function:score": score}, s3)
    output = machine.run({"any": "input"})     # or StateError, as the execution would fail

It does what AWS documents of the Amazon States Language (JSONPath) for the states and fields
named here, and raises on all others, so a definition that runs has been executed to the letter:
https://states-language.net/spec.html, https://docs.aws.amazon.com/step-functions/latest/dg/

Other interpreters were looked at: moto 5.2's reads no JSON Lines, writes no results of a map,
tolerates no failures and sleeps between attempts.
"""

import json
import operator
import random
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client

State = Mapping[str, Any]
Integration = Callable[[Any], Any]

MAX_BYTES = 256 * 1024  # of what one state hands to the next
UNCAUGHT = ("States.DataLimitExceeded", "States.Runtime")  # not even by States.ALL
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
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "StringEquals": operator.eq,
    "StringEqualsPath": operator.eq,
    "StringMatches": lambda found, wanted: bool(
        re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), found, re.DOTALL)
    ),
    "BooleanEquals": operator.eq,
    "NumericEquals": operator.eq,
    "NumericLessThan": operator.lt,
    "NumericLessThanEquals": operator.le,
    "NumericGreaterThan": operator.gt,
    "NumericGreaterThanEquals": operator.ge,
}
INTRINSICS: dict[str, Callable[..., Any]] = {
    "States.Format": lambda text, *values: text.format(*values),
    "States.MathAdd": lambda one, other: int(one) + int(other),
    "States.StringToJson": json.loads,
    "States.JsonToString": lambda value: json.dumps(value, separators=(",", ":")),
    "States.JsonMerge": lambda one, other, deep: _merged(one, other, deep=deep),
    "States.UUID": lambda: str(uuid.uuid4()),
    "States.Array": lambda *values: list(values),
    "States.ArrayGetItem": lambda values, index: values[index],
    "States.ArrayLength": len,
}


class StateError(Exception):
    """An error by its name in the States Language; a task raises it to fail with this name."""

    def __init__(self, error: str, cause: str = "") -> None:
        """Name an error."""
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class UnsupportedError(Exception):
    """The definition has something that is not simulated here."""


@dataclass
class MapRun:
    """What became of a distributed map."""

    label: str
    max_concurrency: int
    total: int
    failed: int = 0


@dataclass
class StateMachine:
    """A definition and what its tasks do.

    A task's integration is called with its input; of an AWS SDK or ``.sync`` integration too.
    What it raises fails the task: a StateError by its name, any other by the name of its class,
    as Lambda does it.
    """

    definition: State
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
        """The output of an execution.

        Raises:
            StateError: it failed.
        """
        known = {"Comment", "StartAt", "States", "TimeoutSeconds", "Version"}
        _refuse(set(self.definition) - known, "a state machine")
        context = {
            "Execution": {"Id": self.execution, "Name": self.name, "Input": given},
            "StateMachine": {"Id": self.arn},
        }
        return self._flow(self.definition, given, context)

    def _flow(self, flow: State, data: Any, context: dict[str, Any]) -> Any:
        name: str | None = flow["StartAt"]
        while name:
            self.visited.append(name)
            state = flow["States"][name]
            own = {**context, "State": {"Name": name}}
            common = {"Type", "Comment", "Next", "End"}
            _refuse(set(state) - FIELDS[state["Type"]] - common, name)
            data, name = self._step(name, state, data, own)
            if len(json.dumps(data).encode()) > MAX_BYTES:
                raise StateError("States.DataLimitExceeded", f"the output of {own['State']}")
        return data

    def _step(
        self, name: str, state: State, data: Any, context: dict[str, Any]
    ) -> tuple[Any, str | None]:
        """The output of a state and the name of the next."""
        attempts: dict[int, int] = {}
        while True:
            context["State"]["RetryCount"] = sum(attempts.values())
            try:
                return self._attempt(name, state, data, context)
            except StateError as error:
                wait = self._retry(state, error, attempts)
                if wait is not None:
                    self.waits.append((name, wait))
                    continue
                for catcher in state.get("Catch", []):
                    if _matches(catcher["ErrorEquals"], error):
                        told = {"Error": error.error, "Cause": error.cause}
                        return _placed(catcher.get("ResultPath", "$"), data, told), catcher["Next"]
                raise

    def _retry(self, state: State, error: StateError, attempts: dict[int, int]) -> float | None:
        """The seconds to wait before the next attempt; None if there is none."""
        for number, rule in enumerate(state.get("Retry", [])):
            known = {"Comment", "ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts"}
            _refuse(set(rule) - known - {"MaxDelaySeconds", "JitterStrategy"}, "Retry")
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
        self, name: str, state: State, data: Any, context: dict[str, Any]
    ) -> tuple[Any, str | None]:
        kind, following = state["Type"], state.get("Next")
        given = _value(state.get("InputPath", "$"), data, context)
        if kind == "Fail":
            paths = (state.get("ErrorPath"), state.get("CausePath"))
            error, cause = (_value(path, given, context) if path else None for path in paths)
            raise StateError(error or state.get("Error", ""), cause or state.get("Cause", ""))
        if kind == "Choice":
            choices = (c["Next"] for c in state["Choices"] if _is_true(c, given, context))
            following = next(choices, state.get("Default"))
            if following is None:
                raise StateError("States.NoChoiceMatched", name)
        if kind in ("Choice", "Succeed", "Wait"):
            if kind == "Wait":
                path = state.get("SecondsPath")
                seconds = _value(path, given, context) if path else state["Seconds"]
                self.waits.append((name, seconds))
            return _value(state.get("OutputPath", "$"), given, context), following
        if "Parameters" in state:
            given = _filled(state["Parameters"], given, context)
        result = self._work(name, state, given, context)
        if "ResultSelector" in state:
            result = _filled(state["ResultSelector"], result, context)
        output = _placed(state.get("ResultPath", "$"), data, result)
        return _value(state.get("OutputPath", "$"), output, context), following

    def _work(self, name: str, state: State, given: Any, context: dict[str, Any]) -> Any:
        if state["Type"] == "Pass":
            return state.get("Result", given)
        if state["Type"] == "Parallel":
            return [self._flow(branch, given, context) for branch in state["Branches"]]
        if state["Type"] == "Map":
            return self._map(name, state, given, context)
        if state["Resource"] not in self.integrations:
            raise UnsupportedError(state["Resource"])
        try:
            result = self.integrations[state["Resource"]](_copied(given))
        except StateError:
            raise
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            raise StateError(type(error).__name__, cause) from error
        return _copied(result)

    # A distributed map

    def _map(self, name: str, state: State, given: Any, context: dict[str, Any]) -> Any:
        processor = state["ItemProcessor"]
        wanted = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        if processor["ProcessorConfig"] != wanted:
            raise UnsupportedError(f"{name}: {processor['ProcessorConfig']}")
        limit = state.get("MaxConcurrency", 0)
        if "MaxConcurrencyPath" in state:
            limit = _value(state["MaxConcurrencyPath"], given, context)
        if not isinstance(limit, int) or limit < 0:
            raise StateError("States.Runtime", f"{name}: MaxConcurrency is {limit!r}")
        items = self._items(state["ItemReader"], given, context)
        run = MapRun(state.get("Label", name), limit, len(items))
        self.map_runs.append(run)
        children = []
        for index, item in enumerate(items):
            own = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
            child = self._child(processor, _filled(state["ItemSelector"], given, own))
            children.append(child)
            run.failed += child["Status"] == "FAILED"
            if 100 * run.failed > state.get("ToleratedFailurePercentage", 0) * len(items):
                raise StateError("States.ExceedToleratedFailureThreshold", name)
        return self._write(state["ResultWriter"], given, context, run, children)

    def _items(self, reader: State, given: Any, context: dict[str, Any]) -> list[Any]:
        if not (
            reader["Resource"].endswith(":states:::s3:getObject")
            and reader["ReaderConfig"] == {"InputType": "JSONL"}
        ):
            raise UnsupportedError(f"ItemReader: {reader}")
        assert self.s3
        where = _filled(reader["Parameters"], given, context)
        try:
            body = self.s3.get_object(**where)["Body"].read()
            return [json.loads(line) for line in body.splitlines()]
        except Exception as error:
            raise StateError("States.ItemReaderFailed", str(error)) from error

    def _child(self, processor: State, given: Any) -> dict[str, Any]:
        """A child execution, as the ResultWriter tells of it."""
        name = str(uuid.UUID(int=self._random.getrandbits(128)))
        told = {"Name": name, "Input": json.dumps(given)}
        try:
            output = self._flow(processor, given, {"Execution": {"Name": name, "Input": given}})
        except StateError as error:
            return {**told, "Status": "FAILED", "Error": error.error, "Cause": error.cause}
        return {**told, "Status": "SUCCEEDED", "Output": json.dumps(output)}

    def _write(
        self,
        writer: State,
        given: Any,
        context: dict[str, Any],
        run: MapRun,
        children: list[dict[str, Any]],
    ) -> Any:
        if not writer["Resource"].endswith(":states:::s3:putObject") or "WriterConfig" in writer:
            raise UnsupportedError(f"ResultWriter: {writer}")
        assert self.s3
        where = _filled(writer["Parameters"], given, context)
        bucket = where["Bucket"]
        prefix = f"{where['Prefix']}/{uuid.UUID(int=self._random.getrandbits(128))}"
        files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for status, listed in files.items():
            body = json.dumps([one for one in children if one["Status"] == status]).encode()
            if len(body) > len("[]"):
                key = f"{prefix}/{status}_0.json"
                self.s3.put_object(Bucket=bucket, Key=key, Body=body)
                listed.append({"Key": key, "Size": len(body)})
        arn = f"arn:aws:states:us-east-1:123456789012:mapRun:machine/{run.label}:{prefix[-36:]}"
        manifest = {"DestinationBucket": bucket, "MapRunArn": arn, "ResultFiles": files}
        key = f"{prefix}/manifest.json"
        self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())
        return {"MapRunArn": arn, "ResultWriterDetails": {"Bucket": bucket, "Key": key}}


def _refuse(unknown: set[str], where: str) -> None:
    if unknown:
        raise UnsupportedError(f"{where}: {', '.join(sorted(unknown))}")


def _copied(value: Any) -> Any:
    """As JSON carries it from state to state."""
    return json.loads(json.dumps(value))


def _matches(names: list[str], error: StateError) -> bool:
    if error.error in names:
        return True
    if error.error in UNCAUGHT:
        return False
    failed = "States.TaskFailed" in names and error.error != "States.Timeout"
    return "States.ALL" in names or failed


def _is_true(rule: State, data: Any, context: State) -> bool:
    """Whether a rule of a Choice holds."""
    rest = {key: value for key, value in rule.items() if key not in ("Variable", "Next", "Comment")}
    if len(rest) != 1:
        raise UnsupportedError(f"Choice: {rule}")
    ((name, wanted),) = rest.items()
    if name == "Not":
        return not _is_true(wanted, data, context)
    if name in ("And", "Or"):
        return {"And": all, "Or": any}[name](_is_true(one, data, context) for one in wanted)
    if name == "IsPresent":
        return _is_present(rule["Variable"], data, context) is wanted
    if name not in COMPARISONS:
        raise UnsupportedError(f"Choice: {name}")
    if name.endswith("Path"):
        wanted = _value(wanted, data, context)
    found = _value(rule["Variable"], data, context)
    comparable = isinstance(found, (int, float) if name.startswith("Numeric") else type(wanted))
    return comparable and COMPARISONS[name](found, wanted)


def _is_present(path: str, data: Any, context: State) -> bool:
    try:
        _value(path, data, context)
    except StateError:
        return False
    return True


def _filled(template: Any, data: Any, context: State) -> Any:
    """A payload template: each key that ends in ``.$`` has its path or intrinsic resolved."""
    if isinstance(template, list):
        return [_filled(one, data, context) for one in template]
    if not isinstance(template, dict):
        return template
    return {
        key.removesuffix(".$"): _value(value, data, context)
        if key.endswith(".$")
        else _filled(value, data, context)
        for key, value in template.items()
    }


def _value(expression: str, data: Any, context: State) -> Any:
    """What a reference path or intrinsic function stands for."""
    if expression.startswith("States."):
        value, rest = _call(expression, data, context)
        if rest:
            raise UnsupportedError(expression)
        return value
    if filtered := re.fullmatch(r"(\$.*)\[\?\(@\.(\w+) == '(\w+)'\)\]\.(\w+)", expression):
        path, key, wanted, name = filtered.groups()
        return [one[name] for one in _value(path, data, context) if one.get(key) == wanted]
    if not re.fullmatch(r"\$\$?(\.\w+|\[\d+\])*", expression):
        raise UnsupportedError(expression)
    found: Any = context if expression.startswith("$$") else data
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", expression):
        try:
            found = found[name] if name else found[int(index)]
        except (KeyError, IndexError, TypeError):
            raise StateError("States.Runtime", f"{expression} is not in the input") from None
    return found


def _call(text: str, data: Any, context: State) -> tuple[Any, str]:
    """The value of an intrinsic function at the start of a text, and the rest of the text."""
    name, _, rest = text.partition("(")
    if name not in INTRINSICS:
        raise UnsupportedError(name)
    arguments = []
    while not rest.startswith(")"):
        rest = rest.lstrip(", ")
        if rest.startswith("States."):
            argument, rest = _call(rest, data, context)
        else:
            token = re.match(r"'[^'\\]*'|[^,)]+", rest)
            if not token:
                raise UnsupportedError(text)
            argument, rest = _argument(token[0], data, context), rest[token.end() :]
        arguments.append(argument)
    try:
        return INTRINSICS[name](*arguments), rest[1:]
    except (IndexError, TypeError, ValueError) as error:
        raise StateError("States.IntrinsicFailure", f"{text}: {error}") from error


def _merged(one: dict[str, Any], other: dict[str, Any], *, deep: bool) -> dict[str, Any]:
    if deep:
        raise StateError("States.IntrinsicFailure", "States.JsonMerge: only shallow merging")
    return one | other


def _argument(token: str, data: Any, context: State) -> Any:
    if token.startswith("'"):
        return token[1:-1]
    return _value(token, data, context) if token.startswith("$") else json.loads(token)


def _placed(path: str | None, data: Any, result: Any) -> Any:
    """The input of a state with its result where ``ResultPath`` says."""
    if path is None:
        return data
    if path == "$":
        return result
    if not re.fullmatch(r"\$(\.\w+)+", path):
        raise UnsupportedError(f"ResultPath: {path}")
    output = _copied(data)
    *parents, last = path.removeprefix("$.").split(".")
    at = output
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = result
    return output


def assert_valid_asl(definition: str, folder: Path) -> None:
    """Have asl-validator read a definition, which finds what cfn-lint misses; skip without npm."""
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
        pytest.skip("asl-validator could not be had from npm")
    assert done.returncode == 0, done.stdout + done.stderr
