"""Score files with the state machine: LocalStack executes the definition, with the real steps."""

import bz2
import csv
import gzip
import io
import json
import lzma
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client

from inference.bulk.distributed import steps
from inference.bulk.distributed.run import BulkRun
from inference.bulk.request import BulkError
from inference.tables.columns import InputColumns
from inference.tables.options import ReadOptions
from inference.tables.ranges import cut_ranges
from inference.tables.recognize import recognize
from tests.cloudformation import deployed
from tests.integration.bulk_service import (
    CONCURRENCY,
    RANGE_ROWS,
    TITLES,
    BulkService,
    definition,
    run_command,
    to_csv,
    use_small_ranges,
)
from tests.step_functions.distributed_map import MapRun, adapt, read_lines
from tests.step_functions.interpreter import FunctionError, Input, Interpreter, StateError
from textclf.app import main

pytestmark = pytest.mark.timeout(900)  # the first test starts LocalStack and trains a model

Fault = Callable[[Mapping[str, Any]], None]


def no_fault(event: Mapping[str, Any]) -> None:
    """Let every step succeed."""


@dataclass
class Service(BulkService):
    """The stack with its state machine, whose tasks are the real steps."""

    interpreter: Interpreter
    fault: Fault = no_fault  # raises the error of a step
    calls: Counter[str] = field(default_factory=Counter)
    # Lambda runs one request at a time in an environment; this process is a single environment.
    _environment: threading.Lock = field(default_factory=threading.Lock)
    _maps: dict[str, MapRun] = field(default_factory=dict)  # by the step of the children

    def execute(self, run: BulkRun) -> dict[str, Any]:
        """Execute the state machine; return the manifest that it writes."""
        machine = json.loads(definition())["States"]
        self._maps = {
            "plan": MapRun(machine["PlanFiles"].get("ToleratedFailurePercentage", 0)),
            "score": MapRun(machine["ScoreRanges"].get("ToleratedFailurePercentage", 0)),
        }
        self.interpreter.use(self._answer)
        output = self.interpreter.execute(adapt(definition()), run.to_json())
        manifest: dict[str, Any] = json.loads(self.get(output["manifest"]))
        return manifest

    def score(self, key: str = "in/") -> dict[str, Any]:
        """Prepare and execute a run; return its manifest."""
        return self.execute(self.prepare(key))

    def describe_maps(self) -> dict[str, int]:
        """Return the concurrency of each map of the last execution, by its label."""
        states = self.interpreter.client("stepfunctions")
        machine = self.interpreter.create(adapt(definition()))
        last = states.list_executions(stateMachineArn=machine)["executions"][0]["executionArn"]
        arns = [run["mapRunArn"] for run in states.list_map_runs(executionArn=last)["mapRuns"]]
        runs = [states.describe_map_run(mapRunArn=arn) for arn in arns]
        return {run["mapRunArn"].split("/")[1].split(":")[0]: run["maxConcurrency"] for run in runs}

    def _answer(self, event: str, given: Input) -> Input | None:
        if event == "s3:GetObject" and given["Key"].endswith(".jsonl"):
            return read_lines(self.s3, given["Bucket"], given["Key"])
        if event != "lambda:Invoke":
            return None
        with self._environment:
            output = self._invoke(json.loads(given["Payload"]))
        return {"StatusCode": 200, "Payload": json.dumps(output)}

    def _invoke(self, event: Input) -> Input:
        """Take a step; complete the map before it, and record what the map after it writes."""
        step = event["step"]
        self.calls[step] += 1
        if step == "gather":
            self._maps["plan"].require_tolerated()
        if step == "finish":
            self._maps["score"].require_tolerated()
            self._maps["score"].write_results(self.s3, self.bucket, event["results"]["Key"])
        try:
            output = self._take_step(event)
        except FunctionError as error:
            if step in self._maps:
                self._maps[step].record(event, Error=error.error, Cause=error.cause)
            raise
        if step in self._maps:
            self._maps[step].record(event, Output=json.dumps(output))
        return output

    def _take_step(self, event: Input) -> Input:
        self.fault(event)
        try:
            return steps.handler(event, None)
        except Exception as error:
            raise FunctionError(type(error).__name__, str(error)) from error


@pytest.fixture(scope="module")
def s3_endpoint(interpreter: Interpreter) -> str:
    """LocalStack's S3, which its state machines read and write."""
    return interpreter.endpoint


@pytest.fixture
def service(
    s3: S3Client,
    bucket: str,
    uri: str,
    interpreter: Interpreter,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Service:
    use_small_ranges(monkeypatch, tmp_path)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Service(s3, bucket, uri, interpreter)


def is_range_at(event: Mapping[str, Any], begin: int) -> bool:
    """Whether an event asks to score the range that begins at a byte."""
    return event["step"] == "score" and int(event["range"]["begin"]) == begin


def find_third_range(content: bytes) -> int:
    """Return the byte at which the third range of a CSV file begins."""
    layout = recognize(io.BytesIO(content), InputColumns("text"), ReadOptions())
    return [part.begin for part in cut_ranges(io.BytesIO(content), layout, RANGE_ROWS)][2]


# Scoring


def test_the_rows_and_rejects_are_those_of_a_run_on_one_machine(
    service: Service, tmp_path: Path
) -> None:
    # GIVEN a file with a row over two lines, and a line that is not a row
    data = to_csv([*TITLES[:60], "two\nlines", *TITLES[60:120]]) + b"short\n" + b'n,"last"\n'
    service.put("in/rows.csv", data)
    (tmp_path / "rows.csv").write_bytes(data)
    # WHEN the state machine scores it, and so does one machine
    manifest = service.score("in/rows.csv")
    output = tmp_path / "out.csv"
    options = ["--keep", "id", "--output", str(output), "--model-uri", service.model_uri]
    assert main(["bulk", str(tmp_path / "rows.csv"), *options]) == 0
    # THEN the rows are the same, in the same order, with the same lines
    with output.open(newline="") as file:
        assert service.read_rows(manifest) == list(csv.DictReader(file))
    assert manifest["totals"]["parts"] == 6
    assert manifest["totals"]["rows"] == 122
    # ... and so are the rejects
    (part,) = [one for one in manifest["parts"] if one["rejected"]]
    rejects = service.get(part["part"].replace(".csv.gz", ".rejects.csv"))
    assert rejects == (tmp_path / "out.csv.rejects.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("rows.csv.gz", gzip.compress),
        ("rows.csv.bz2", bz2.compress),
        ("rows.csv.xz", lzma.compress),
    ],
)
def test_a_compressed_file_is_cut_into_ranges_too(
    service: Service, name: str, compress: Callable[[bytes], bytes]
) -> None:
    # GIVEN a compressed file
    service.put(f"in/{name}", compress(to_csv(TITLES[:60])))
    # WHEN it is scored THEN every row is there
    manifest = service.score()
    assert [row["id"] for row in service.read_rows(manifest)] == [f"n{i}" for i in range(60)]
    assert manifest["totals"]["parts"] == 3


def test_all_files_under_a_prefix_are_scored_and_no_others(service: Service) -> None:
    # GIVEN files of several formats under a prefix, and one outside it
    lines = b"".join(json.dumps({"text": title}).encode() + b"\n" for title in TITLES[:30])
    service.put("in/a.csv", to_csv(TITLES[:30]))
    service.put("in/deep/b.jsonl", lines)
    service.put("in/empty.csv", b"")
    service.put("input.csv", to_csv(TITLES[:30]))
    # WHEN the prefix is scored
    manifest = service.score()
    # THEN the files under it are
    assert Counter(part["key"] for part in manifest["parts"]) == {
        "in/a.csv": 2,
        "in/deep/b.jsonl": 2,
    }
    assert manifest["totals"]["rows"] == 60
    version = service.model_uri.rpartition("/")[2]
    assert {row["model_version"] for row in service.read_rows(manifest)} == {version}


def test_the_parts_of_an_unchanged_file_are_not_scored_again(service: Service) -> None:
    # GIVEN two files that were scored
    service.put("in/a.csv", to_csv(TITLES[:50]))
    service.put("in/b.csv", to_csv(TITLES[50:100]))
    first = service.score()
    before = {part["part"]: service.version_of(part["part"]) for part in first["parts"]}
    # WHEN one of them is changed and both are scored
    service.put("in/b.csv", to_csv(TITLES[50:99]))
    second = service.score()
    # THEN the parts of the other are those from before
    assert [part["part"] for part in second["parts"] if part["part"] in before] == [
        part["part"] for part in first["parts"] if part["key"] == "in/a.csv"
    ]
    assert {key: service.version_of(key) for key in before} == before
    assert second["totals"]["rows"] == 99


def test_the_maps_leave_one_reserved_environment_free(service: Service) -> None:
    # GIVEN the concurrency that the template reserves for the function
    resources = deployed(BulkBucket="files", BulkConcurrency=str(CONCURRENCY))["Resources"]
    reserved = int(resources["BulkFunction"]["Properties"]["ReservedConcurrentExecutions"])
    # WHEN a file is scored THEN each map stays one below it
    service.put("in/a.csv", to_csv(TITLES[:50]))
    service.score()
    assert service.describe_maps() == {"Plan": reserved - 1, "Score": reserved - 1}


# The command


def test_the_command_sums_up_the_manifest_of_its_run(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a run with the deployed model that ends while it is followed
    service.put("in/a.csv", to_csv(TITLES[:50]) + b"short\n")
    run = service.prepare()
    monkeypatch.setattr(time, "sleep", lambda _: service.execute(run))
    # WHEN the command starts it
    code = run_command(service, monkeypatch, ["RUNNING", "SUCCEEDED"], "--keep", "id")
    # THEN it says what the run did
    assert code == 0
    manifest = f"s3://{service.bucket}/{run.manifest_key}"
    balance = "51 rows = 50 scored + 1 rejected, in 3 parts"
    assert f"{balance}; see {manifest}\n" in capsys.readouterr().err
    # ... and the manifest says how the file was read
    parts = json.loads(service.get(run.manifest_key))["parts"]
    assert {part["read_as"] for part in parts} == {
        "csv, delimiter comma, quoting standard, encoding utf-8, header in line 1"
    }


# Faults


@pytest.mark.parametrize(
    "error",
    [
        "Lambda.CodeArtifactUserPendingException",
        "Lambda.ResourceConflictException",
        "Lambda.ResourceNotReadyException",
    ],
)
def test_a_function_that_was_idle_for_weeks_has_minutes_to_become_active(
    error: str, service: Service
) -> None:
    # GIVEN a function that refuses its first five calls, as long as Lambda makes it active again
    service.put("in/a.csv", to_csv(TITLES[:50]))
    refusals = iter([error] * 5)

    def fault(_: Mapping[str, Any]) -> None:
        if refusal := next(refusals, None):
            raise FunctionError(refusal)

    service.fault = fault
    # WHEN a file is scored THEN all of it is, after pauses that double
    assert service.score()["totals"]["rows"] == 50
    assert service.interpreter.pauses == [5, 10, 20, 40, 80]


@pytest.mark.parametrize(
    "error", ["Lambda.TooManyRequestsException", "Lambda.ServiceException", "TransientError"]
)
def test_a_step_that_is_refused_is_tried_again_after_random_times(
    error: str, service: Service
) -> None:
    # GIVEN a service that refuses every step three times
    service.put("in/a.csv", to_csv(TITLES[:50]))
    refusals = Counter[str]()

    def fault(event: Mapping[str, Any]) -> None:
        step = json.dumps(event)
        refusals[step] += 1
        if refusals[step] <= 3:
            raise FunctionError(error)

    service.fault = fault
    # WHEN a file is scored
    manifest = service.score()
    # THEN all of it is, and no two pauses were equal
    assert manifest["totals"]["rows"] == 50
    pauses = service.interpreter.pauses
    assert len(pauses) == 3 * 6  # plan, gather, three ranges, finish
    assert len(set(pauses)) == len(pauses)
    # ... of which each step had one up to 2, one up to 4 and one up to 8 seconds
    assert max(pauses) <= 8
    assert sum(seconds > 4 for seconds in pauses) <= 6
    assert sum(seconds > 2 for seconds in pauses) <= 12


def test_a_range_that_kills_its_function_is_set_aside(service: Service) -> None:
    # GIVEN one range of many that kills the function at every attempt
    content = to_csv((TITLES * 3)[:800])
    service.put("in/a.csv", content)
    poison = find_third_range(content)
    attempts = Counter[int]()

    def fault(event: Mapping[str, Any]) -> None:
        if is_range_at(event, poison):
            attempts[poison] += 1
            raise FunctionError("Runtime.ExitError", "signal: killed")

    service.fault = fault
    # WHEN the file is scored
    manifest = service.score()
    # THEN the other ranges are scored, and the manifest names the one that is missing
    assert attempts[poison] == 2
    (failed,) = manifest["failed"]
    assert failed["error"] == "Runtime.ExitError"
    assert (failed["key"], failed["begin"]) == ("in/a.csv", poison)
    assert manifest["totals"]["failed_ranges"] == 1
    assert manifest["totals"]["rows"] == 776
    # ... and once the fault is mended, another execution scores it, and no other range again
    written = {part["part"]: service.version_of(part["part"]) for part in manifest["parts"]}
    service.fault = no_fault
    totals = service.execute(service.prepare())["totals"]
    assert (totals["rows"], totals["failed_ranges"]) == (800, 0)
    assert {key: service.version_of(key) for key in written} == written


def test_a_run_with_too_many_failed_ranges_fails_and_can_be_resumed(service: Service) -> None:
    # GIVEN one range of few that cannot be scored
    content = to_csv(TITLES[:100])
    service.put("in/a.csv", content)
    run = service.prepare()
    poison = find_third_range(content)

    def fault(event: Mapping[str, Any]) -> None:
        if is_range_at(event, poison):
            raise FunctionError("Runtime.ExitError")

    service.fault = fault
    # WHEN the file is scored THEN the run fails
    with pytest.raises(StateError, match="ExceedToleratedFailureThreshold"):
        service.execute(run)
    # ... and when the fault is mended, every row is there
    service.fault = no_fault
    totals = service.execute(run)["totals"]
    assert (totals["rows"], totals["failed_ranges"]) == (100, 0)


def test_a_file_that_changes_during_a_run_fails_it_without_another_attempt(
    service: Service,
) -> None:
    # GIVEN a file that is replaced between planning and scoring
    service.put("in/a.csv", to_csv(TITLES[:50]))
    attempts = Counter[str]()

    def fault(event: Mapping[str, Any]) -> None:
        attempts[event["step"]] += 1
        if event["step"] == "gather":
            service.put("in/a.csv", to_csv(TITLES[50:100]))

    service.fault = fault
    # WHEN it is scored THEN the run fails, and none of its three ranges was tried twice
    with pytest.raises(StateError, match="ExceedToleratedFailureThreshold"):
        service.score()
    assert attempts["score"] == 3
    assert service.interpreter.pauses == []


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a.csv", b"id,title\n1,x\n", "in/a.csv, line 1: no column 'text'$"),
        ("a.csv.gz", gzip.compress(b"text\n" + b"x\n" * 9999)[:-9], "a.csv.gz is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_run_before_anything_is_scored(
    name: str, body: bytes, message: str, service: Service
) -> None:
    # GIVEN a file without the columns, or a damaged one
    service.put(f"in/{name}", body)
    run = service.prepare()
    # WHEN it is scored THEN the run fails while it is planned
    with pytest.raises(StateError, match="ExceedToleratedFailureThreshold"):
        service.execute(run)
    assert service.calls["score"] == 0
    # ... and the error of the step has the reason, without the row
    with pytest.raises(BulkError, match=message):
        steps.handler(service.make_event("plan", run), None)


def test_a_run_without_a_single_row_fails(service: Service) -> None:
    service.put("in/a.jsonl", b'{"title": "x"}\n')
    with pytest.raises(StateError, match="all 1 rows were rejected: is it the right column"):
        service.score()
