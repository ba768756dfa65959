"""Score files with the state machine: the deployed definition, executed with the real steps."""

import bz2
import csv
import gzip
import io
import json
import lzma
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from mypy_boto3_s3 import S3Client

from inference.bulk.distributed import steps
from inference.bulk.distributed.client import make_run, write_sources
from inference.bulk.distributed.objects import Objects
from inference.bulk.distributed.run import BulkRun
from inference.bulk.distributed.sources import list_sources
from inference.bulk.request import BulkError, ScoringRequest
from inference.local.emulator import EmulatorError, emulators
from inference.tables.columns import InputColumns
from inference.tables.options import ReadOptions
from inference.tables.ranges import cut_ranges
from inference.tables.recognize import recognize
from tests.cloudformation import deployed
from tests.conftest import HEADLINES, ROOT
from tests.integration.faults import Network
from tests.state_machine import StateError, StateMachine, assert_valid_asl
from textclf.app import main

TITLES = [line.split("\t")[1] for line in HEADLINES.read_text().splitlines()]
DEFINITION = ROOT / "inference" / "bulk" / "distributed" / "states.asl.json"
CONCURRENCY = 7
RANGE_ROWS = 24
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:stack-bulk"
Fault = Callable[[Mapping[str, Any]], None]


def definition() -> str:
    """Return the definition with the values that CloudFormation substitutes."""
    values = {"BulkBucket": "files", "BulkConcurrency": str(CONCURRENCY)}
    machine = deployed(**values)["Resources"]["BulkStateMachine"]["Properties"]
    text = DEFINITION.read_text()
    for name, value in machine["DefinitionSubstitutions"].items():
        assert f"${{{name}}}" in text
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return text


def valid_definition() -> str:
    """Return the definition with a complete ARN, as the validators demand."""
    function = "arn:aws:lambda:us-east-1:123456789012:function:bulk"
    return definition().replace("BulkFunction.Arn", function)


def no_fault(event: Mapping[str, Any]) -> None:
    """Let every step succeed."""


@dataclass
class Service:
    """A small deployed stack: its state machine, its function, its bucket."""

    s3: S3Client
    bucket: str
    model_uri: str
    fault: Fault = no_fault  # raises the error of a step
    calls: Counter[str] = field(default_factory=Counter)
    machine: StateMachine = field(init=False)

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def version_of(self, key: str) -> str:
        """Return the S3 version of an object, which every write changes."""
        return self.s3.head_object(Bucket=self.bucket, Key=key)["VersionId"]

    def prepare(self, key: str = "in/") -> BulkRun:
        """Prepare a run as the command does before it starts the state machine."""
        uri = f"s3://{self.bucket}"
        columns = InputColumns("text", ("id",))
        request = ScoringRequest(f"{uri}/{key}", f"{uri}/out", self.model_uri, columns)
        sources = list_sources(self.s3, self.bucket, request.input)
        run = make_run(self.bucket, sources, request)
        write_sources(self.s3, run, sources)
        return run

    def execute(self, run: BulkRun) -> dict[str, Any]:
        """Execute the state machine; return the manifest that it writes."""
        self.machine = StateMachine(
            json.loads(definition()), {"BulkFunction.Arn": self._invoke}, self.s3
        )
        output = self.machine.run(run.model_dump(mode="json"))
        manifest: dict[str, Any] = json.loads(self.get(output["manifest"]))
        return manifest

    def score(self, key: str = "in/") -> dict[str, Any]:
        """Prepare and execute a run; return its manifest."""
        return self.execute(self.prepare(key))

    def read_rows(self, manifest: Mapping[str, Any]) -> list[dict[str, str]]:
        """Read the rows of all parts, in order."""
        parts = [gzip.decompress(self.get(part["part"])) for part in manifest["parts"]]
        return [row for part in parts for row in csv.DictReader(io.StringIO(part.decode()))]

    def make_event(self, step: str, run: BulkRun) -> dict[str, Any]:
        """Return the event of a step, with the first file of the input."""
        first = self.get(run.inputs_key).splitlines()[0]
        return {"step": step, "job": run.model_dump(mode="json"), "source": json.loads(first)}

    def _invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        self.calls[event["step"]] += 1
        self.fault(event)
        return steps.handler(event, None)


@pytest.fixture
def service(
    s3: S3Client, bucket: str, uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Service:
    monkeypatch.setattr(steps, "MODEL_CACHE", tmp_path / "models")
    monkeypatch.setattr(steps, "cut_ranges", partial(cut_ranges, rows=RANGE_ROWS))
    steps._s3.cache_clear()
    steps._load_classifier.cache_clear()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Service(s3, bucket, uri)


def to_csv(titles: list[str]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows([("id", "text"), *((f"n{i}", title) for i, title in enumerate(titles))])
    return file.getvalue().encode()


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
    assert [(run.label, run.max_concurrency) for run in service.machine.map_runs] == [
        ("Plan", reserved - 1),
        ("Score", reserved - 1),
    ]


# The command


def run_command(
    service: Service, monkeypatch: pytest.MonkeyPatch, statuses: Sequence[str], *options: str
) -> int:
    """Run `textclf bulk --stack`, with an execution that has these statuses one after another."""
    stepfunctions = boto3.client("stepfunctions")
    cloudformation = boto3.client("cloudformation")
    lambda_ = boto3.client("lambda")
    clients: dict[str, Any] = {
        "cloudformation": cloudformation,
        "lambda": lambda_,
        "s3": service.s3,
        "stepfunctions": stepfunctions,
    }
    execution = "arn:aws:states:us-east-1:123456789012:execution:stack-bulk:run"
    started: Any = {"executionArn": execution, "startDate": "2026-01-01T00:00:00Z"}
    outputs = {"BulkStateMachine": MACHINE, "BulkBucket": service.bucket, "Function": "function"}
    store, _, _ = service.model_uri.rpartition("/")
    stack: Any = {
        "StackName": "stack",
        "CreationTime": started["startDate"],
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
        "Parameters": [
            {"ParameterKey": "ModelStore", "ParameterValue": store},
            # The model that was deployed last, and rolled back since.
            {"ParameterKey": "ModelVersion", "ParameterValue": "00112233445566aa"},
        ],
    }
    with (
        Stubber(stepfunctions) as states,
        Stubber(cloudformation) as stacks,
        Stubber(lambda_) as functions,
    ):
        functions.add_response("get_alias", {"FunctionVersion": "7"})
        variables = {"Variables": {"MODEL_URI": service.model_uri}}
        functions.add_response("get_function_configuration", {"Environment": variables})
        stacks.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "stack"})
        states.add_response("start_execution", started)
        for status in statuses:
            description = {**started, "stateMachineArn": MACHINE, "status": status}
            states.add_response("describe_execution", description)
            states.add_response("list_map_runs", {"mapRuns": []})
        monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
        uri = f"s3://{service.bucket}"
        arguments = [f"{uri}/in/", "--output", f"{uri}/out", "--stack", "stack", *options]
        return main(["bulk", *arguments])


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


def test_the_command_can_use_another_model_than_the_deployed_one(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a run with the deployed model
    service.put("in/a.csv", to_csv(TITLES[:50]))
    deployed_run = service.prepare()
    # WHEN the command is given another model and fails
    other = f"{service.model_uri.rpartition('/')[0]}/fedcba9876543210"
    assert run_command(service, monkeypatch, ["FAILED"], "--keep", "id", "--model-uri", other) == 1
    # THEN it has prepared another run
    pages = service.s3.list_objects_v2(Bucket=service.bucket, Prefix="out/runs/")["Contents"]
    assert len({one["Key"] for one in pages} - {deployed_run.inputs_key}) == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_or_kill_stops_following_but_not_the_run(
    sent: signal.Signals,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a run that is followed
    service.put("in/a.csv", to_csv(TITLES[:50]))
    monkeypatch.setattr(time, "sleep", lambda _: signal.raise_signal(sent))
    # WHEN the user presses Ctrl-C or kills the command THEN the message says how to return to it
    assert run_command(service, monkeypatch, ["RUNNING"]) == 130
    message = "the run itself goes on; repeat the command to follow it again"
    assert message in capsys.readouterr().err


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
            raise StateError(refusal)

    service.fault = fault
    # WHEN a file is scored THEN all of it is, after pauses that double
    assert service.score()["totals"]["rows"] == 50
    assert [seconds for _, seconds in service.machine.waits] == [5, 10, 20, 40, 80]


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
            raise StateError(error)

    service.fault = fault
    # WHEN a file is scored
    manifest = service.score()
    # THEN all of it is, and no two waits were equal
    assert manifest["totals"]["rows"] == 50
    waits = [seconds for _, seconds in service.machine.waits]
    assert len(waits) == 3 * 6  # plan, gather, three ranges, finish
    assert len(set(waits)) == len(waits)
    assert all(
        0 <= seconds <= 2 * 2**attempt
        for seconds, attempt in zip(waits, [0, 1, 2] * 6, strict=True)
    )


def test_a_range_that_kills_its_function_is_set_aside(service: Service) -> None:
    # GIVEN one range of many that kills the function at every attempt
    content = to_csv((TITLES * 3)[:800])
    service.put("in/a.csv", content)
    poison = find_third_range(content)
    attempts = Counter[int]()

    def fault(event: Mapping[str, Any]) -> None:
        if is_range_at(event, poison):
            attempts[poison] += 1
            raise StateError("Runtime.ExitError", "signal: killed")

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


def test_a_run_with_too_many_failed_ranges_fails_and_can_be_resumed(service: Service) -> None:
    # GIVEN one range of few that cannot be scored
    content = to_csv(TITLES[:100])
    service.put("in/a.csv", content)
    run = service.prepare()
    poison = find_third_range(content)

    def fault(event: Mapping[str, Any]) -> None:
        if is_range_at(event, poison):
            raise StateError("Runtime.ExitError")

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
    # WHEN it is scored THEN the run fails at once
    with pytest.raises(StateError, match="ExceedToleratedFailureThreshold"):
        service.score()
    assert attempts["score"] == 1


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


def test_a_range_without_a_result_fails_the_run(service: Service) -> None:
    # GIVEN results of a map in which a range is missing
    service.put("in/a.csv", to_csv(TITLES[:50]))
    run = service.prepare()
    service.execute(run)
    results = Objects(service.s3, service.bucket).list_keys(f"{run.prefix}/scored/")
    (children,) = [key for key in results if key.endswith("SUCCEEDED_0.json")]
    (listing,) = [key for key in results if key.endswith("manifest.json")]
    service.put(children, json.dumps(json.loads(service.get(children))[1:]).encode())
    # WHEN they are summed up THEN that is an error
    event = {**service.make_event("finish", run), "results": {"Key": listing}}
    with pytest.raises(BulkError, match="1 of 3 ranges are neither scored nor failed"):
        steps.handler(event, None)


def test_a_run_without_a_single_row_fails(service: Service) -> None:
    service.put("in/a.jsonl", b'{"title": "x"}\n')
    with pytest.raises(StateError, match="all 1 rows were rejected: is it the right column"):
        service.score()


def test_a_fault_of_s3_is_an_error_that_is_tried_again(
    service: Service, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an S3 that breaks connections
    service.put("in/a.csv", to_csv(TITLES[:50]))
    event = service.make_event("plan", service.prepare())
    network = Network(s3_endpoint)
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", network.url)
        steps._s3.cache_clear()
        # WHEN a step reads from it THEN the state machine may try again
        with network.broken("cut"), pytest.raises(steps.TransientError):
            steps.handler(event, None)
    finally:
        network.stop()
    # ... and the same step succeeds once S3 works
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    steps._s3.cache_clear()
    assert steps.handler(event, None) == {"ranges": 3}


# The Lambda runtime and the definition


def test_the_function_runs_in_the_lambda_runtime(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the handler that the template names, in the real runtime
    resources = deployed(BulkBucket="files")["Resources"]
    (handler,) = resources["BulkFunction"]["Properties"]["ImageConfig"]["Command"]
    service.put("in/a.csv", to_csv(TITLES[:50]))
    run = service.prepare()
    event = service.make_event("plan", run)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with emulators(handler, 1, tmp_path / "log") as pool:
        # WHEN it takes the steps up to a part THEN the part is there
        assert pool.invoke(event, 60) == {"ranges": 1}
        assert pool.invoke({**event, "step": "gather"}, 60) == {"ranges": 1}
        item = json.loads(service.get(run.plan_key))
        result = pool.invoke({**event, "step": "score", **item}, 60)
        assert (result["rows"], result["rejected"]) == (50, 0)
        assert len(gzip.decompress(service.get(result["part"])).splitlines()) == 51
        # ... and an error has the name that the state machine knows
        event["source"] = {**event["source"], "etag": '"other"'}
        with pytest.raises(EmulatorError, match="BulkError"):
            pool.invoke(event, 60)
    # ... and the log contains no text
    assert TITLES[0] not in (tmp_path / "log").read_text()


def test_asl_validator_accepts_the_definition(tmp_path: Path) -> None:
    assert_valid_asl(valid_definition(), tmp_path)


def test_cfn_lint_accepts_the_definition(tmp_path: Path) -> None:
    # GIVEN a template that contains the definition, as cfn-lint does not follow a DefinitionUri
    role = "arn:aws:iam::123456789012:role/role"
    properties = {"Definition": json.loads(valid_definition()), "RoleArn": role}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"Resources": {"Machine": machine}}))
    # WHEN it is checked THEN there are no findings
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    command = [linter, "--regions", "us-east-1", "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout
