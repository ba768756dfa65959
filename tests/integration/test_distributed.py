"""The state machine that scores files: its own definition, executed with the real worker."""

import argparse
import csv
import gzip
import io
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from mypy_boto3_s3 import S3Client

from inference.bulk.distributed import steps as worker
from inference.bulk.distributed.client import Stack, _run, list_sources, make_job
from inference.bulk.distributed.steps import Job
from inference.bulk.score_file import main
from inference.local.emulator import EmulatorError, emulators
from inference.tables.formats import BulkError
from inference.tables.ranges import cut
from tests.cloudformation import deployed
from tests.conftest import HEADLINES, ROOT
from tests.integration.faults import Network
from tests.state_machine import StateError, StateMachine, assert_valid_asl

TITLES = [line.split("\t")[1] for line in HEADLINES.read_text().splitlines()]
DEFINITION = ROOT / "inference" / "bulk" / "distributed" / "states.asl.json"
CONCURRENCY = 7
RANGE_ROWS = 25
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:stack-bulk"
Fault = Callable[[Mapping[str, Any]], None]


def definition() -> str:
    """The definition as CloudFormation substitutes it."""
    values = {"BulkBucket": "files", "BulkConcurrency": str(CONCURRENCY)}
    machine = deployed(**values)["Resources"]["BulkStateMachine"]["Properties"]
    text = DEFINITION.read_text()
    for name, value in machine["DefinitionSubstitutions"].items():
        assert f"${{{name}}}" in text
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return text


def no_fault(event: Mapping[str, Any]) -> None:
    """All is well."""


def valid_definition() -> str:
    """The definition with an ARN that looks like one."""
    function = "arn:aws:lambda:us-east-1:123456789012:function:bulk"
    return definition().replace("BulkFunction.Arn", function)


@dataclass
class Service:
    """A deployed stack in small: its state machine, its function, its bucket."""

    s3: S3Client
    bucket: str
    model_uri: str
    fault: Fault = no_fault
    calls: Counter[str] = field(default_factory=Counter)
    machine: StateMachine = field(init=False)

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def written(self, key: str) -> str:
        """Which writing of an object is there."""
        return self.s3.head_object(Bucket=self.bucket, Key=key)["VersionId"]

    def job(self, key: str = "in/", **options: Any) -> Job:
        """What the command line makes of its options, with the inputs noted."""
        sources = list_sources(self.s3, self.bucket, f"s3://{self.bucket}/{key}", None)
        wanted = {"text_column": "text", "keep": ["id"], "model_uri": None, **options}
        given = argparse.Namespace(output=f"s3://{self.bucket}/out", **wanted)
        job = make_job(Stack(MACHINE, self.bucket, self.model_uri), sources, given)
        lines = "".join(json.dumps(asdict(source)) + "\n" for source in sources)
        self.put(f"{job.run}/inputs.jsonl", lines.encode())
        return job

    def run(self, job: Job) -> dict[str, Any]:
        """Execute the state machine; the manifest that it leaves."""
        self.machine = StateMachine(
            json.loads(definition()), {"BulkFunction.Arn": self._invoke}, self.s3
        )
        output = self.machine.run(asdict(job))
        manifest: dict[str, Any] = json.loads(self.get(output["manifest"]))
        return manifest

    def rows(self, manifest: Mapping[str, Any]) -> list[dict[str, str]]:
        """The rows of all parts, in order."""
        return [
            row
            for part in manifest["parts"]
            for row in csv.DictReader(io.StringIO(gzip.decompress(self.get(part["part"])).decode()))
        ]

    def _invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        self.calls[event["step"]] += 1
        self.fault(event)
        return worker.handler(event, None)


@pytest.fixture
def service(
    s3: S3Client, bucket: str, uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Service:
    monkeypatch.setattr(worker, "MODEL_CACHE", tmp_path / "models")
    monkeypatch.setattr("inference.bulk.distributed.steps.cut", partial(cut, rows=RANGE_ROWS))
    worker._s3.cache_clear()
    worker._scorer.cache_clear()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Service(s3, bucket, uri)


def table(titles: list[str]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows([("id", "text"), *((f"n{i}", title) for i, title in enumerate(titles))])
    return file.getvalue().encode()


def is_at(event: Mapping[str, Any], begin: int) -> bool:
    """Whether it is the range after the first ``begin`` bytes."""
    return event["step"] == "score" and int(event["range"]["begin"]) == begin


def begin_of_third(service: Service, job: Job) -> int:
    with worker._opened(
        job, list_sources(service.s3, service.bucket, uri_of(service), None)[0]
    ) as f:
        return [part.begin for part in cut(f, "csv", RANGE_ROWS)][2]


def uri_of(service: Service) -> str:
    return f"s3://{service.bucket}/in/"


# What it does


def test_the_parts_are_what_the_one_machine_command_writes(
    service: Service, tmp_path: Path
) -> None:
    # GIVEN a file with rows over several lines and a row that is none
    data = table([*TITLES[:60], "two\nlines", *TITLES[60:120]]) + b"short\n" + b'n,"last"\n'
    service.put("in/rows.csv", data)
    (tmp_path / "rows.csv").write_bytes(data)
    # WHEN the state machine scores it, and so does one machine
    manifest = service.run(service.job("in/rows.csv"))
    options = ["--keep", "id", "--output", str(tmp_path / "out.csv")]
    options += ["--model-uri", service.model_uri]
    assert main([str(tmp_path / "rows.csv"), *options]) == 0
    # THEN the rows are the same, in the same order, with the same lines
    with (tmp_path / "out.csv").open(newline="") as file:
        assert service.rows(manifest) == list(csv.DictReader(file))
    assert manifest["totals"]["parts"] == 5
    assert manifest["totals"]["rows"] == 122
    # ... and so are the rejects
    (part,) = [one for one in manifest["parts"] if one["rejected"]]
    rejects = service.get(part["part"].replace(".csv.gz", ".rejects.csv"))
    assert rejects == (tmp_path / "out.csv.rejects.csv").read_bytes()


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.csv.bz2", "rows.csv.xz"])
def test_a_compressed_file_is_cut_too(service: Service, name: str) -> None:
    # GIVEN a compressed file
    module = __import__({"gz": "gzip", "bz2": "bz2", "xz": "lzma"}[name.rpartition(".")[2]])
    service.put(f"in/{name}", module.compress(table(TITLES[:60])))
    # WHEN it is scored THEN every row is there
    manifest = service.run(service.job())
    assert [row["id"] for row in service.rows(manifest)] == [f"n{i}" for i in range(60)]
    assert manifest["totals"]["parts"] == 3


def test_all_files_under_a_prefix_are_scored(service: Service) -> None:
    # GIVEN files of several kinds under a prefix, and others beside it
    service.put("in/a.csv", table(TITLES[:30]))
    service.put(
        "in/deep/b.jsonl", b"".join(json.dumps({"text": t}).encode() + b"\n" for t in TITLES[:30])
    )
    service.put("in/empty.csv", b"")
    service.put("input.csv", table(TITLES[:30]))
    # WHEN the prefix is scored THEN each row of these is
    manifest = service.run(service.job())
    assert Counter(part["key"] for part in manifest["parts"]) == {
        "in/a.csv": 2,
        "in/deep/b.jsonl": 2,
    }
    assert manifest["totals"]["rows"] == 60
    assert {row["model_version"] for row in service.rows(manifest)} == {
        service.model_uri.rpartition("/")[2]
    }


def test_what_is_scored_is_not_scored_again(service: Service) -> None:
    # GIVEN two files that were scored
    service.put("in/a.csv", table(TITLES[:50]))
    service.put("in/b.csv", table(TITLES[50:100]))
    first = service.run(service.job())
    before = {part["part"]: service.written(part["part"]) for part in first["parts"]}
    # WHEN one of them is changed and the same is asked
    service.put("in/b.csv", table(TITLES[50:99]))
    second = service.run(service.job())
    # THEN the other is not scored again
    assert [part["part"] for part in second["parts"] if part["part"] in before] == [
        part["part"] for part in first["parts"] if part["key"] == "in/a.csv"
    ]
    assert {key: service.written(key) for key in before} == before
    assert second["totals"]["rows"] == 99


def test_the_maps_stay_below_the_reserved_concurrency(service: Service) -> None:
    service.put("in/a.csv", table(TITLES[:50]))
    service.run(service.job())
    function = deployed(BulkBucket="files", BulkConcurrency=str(CONCURRENCY))["Resources"][
        "BulkFunction"
    ]
    reserved = int(function["Properties"]["ReservedConcurrentExecutions"])
    assert [(run.label, run.max_concurrency) for run in service.machine.map_runs] == [
        ("Plan", reserved - 1),
        ("Score", reserved - 1),
    ]


def command(service: Service, *statuses: str) -> str:
    """The command, where Step Functions answers as it does of a run that is started now."""
    states = boto3.client("stepfunctions")
    cloud = boto3.client("cloudformation")
    arn = "arn:aws:states:us-east-1:123456789012:execution:stack-bulk:run"
    times: Any = {"executionArn": arn, "startDate": "2026-01-01T00:00:00Z"}
    outputs = {"BulkStateMachine": MACHINE, "BulkBucket": service.bucket}
    store, _, version = service.model_uri.rpartition("/")
    described: Any = {
        **{"StackName": "stack", "CreationTime": times["startDate"]},
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
        "Parameters": [
            {"ParameterKey": "ModelStore", "ParameterValue": store},
            {"ParameterKey": "ModelVersion", "ParameterValue": version},
        ],
    }
    with Stubber(states) as stub, Stubber(cloud) as stack:
        stack.add_response("describe_stacks", {"Stacks": [described]})
        stub.add_response("start_execution", times)
        for status in statuses:
            told = {**times, "stateMachineArn": MACHINE, "status": status}
            stub.add_response("describe_execution", told)
            stub.add_response("list_map_runs", {"mapRuns": []})
        given = argparse.Namespace(
            input=f"s3://{service.bucket}/in/",
            output=f"s3://{service.bucket}/out",
            **{"stack": "stack", "format": None, "model_uri": None},
            **{"text_column": "text", "keep": ["id"]},
        )
        return _run(cloud, service.s3, states, given)


def test_the_command_sums_up_the_manifest_of_its_run(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a run that ends while it is followed
    service.put("in/a.csv", table(TITLES[:50]) + b"short\n")
    job = service.job()
    monkeypatch.setattr(time, "sleep", lambda _: service.run(job))
    # WHEN the command is given THEN it says what the run did
    assert command(service, "RUNNING", "SUCCEEDED") == (
        f"50 rows in 3 parts; 1 rejected; see s3://{service.bucket}/{job.run}/manifest.json"
    )


def test_ctrl_c_leaves_the_run_alone(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a run that is followed
    service.put("in/a.csv", table(TITLES[:50]))

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    # WHEN the user presses Ctrl-C THEN nothing is stopped, and it is said how to come back
    with pytest.raises(KeyboardInterrupt):
        command(service, "RUNNING")
    assert "the run itself goes on; the same command comes back to it" in capsys.readouterr().err


# What can go wrong


@pytest.mark.parametrize(
    "error", ["Lambda.TooManyRequestsException", "Lambda.ServiceException", "TransientError"]
)
def test_throttling_and_faults_are_tried_again_at_random_times(
    error: str, service: Service
) -> None:
    # GIVEN a service that refuses every step three times
    service.put("in/a.csv", table(TITLES[:50]))
    refused = Counter[str]()

    def fault(event: Mapping[str, Any]) -> None:
        what = json.dumps(event)
        refused[what] += 1
        if refused[what] <= 3:
            raise StateError(error)

    service.fault = fault
    # WHEN a file is scored
    manifest = service.run(service.job())
    # THEN all of it is, and nobody waited for the same time as another
    assert manifest["totals"]["rows"] == 50
    waits = [seconds for _, seconds in service.machine.waits]
    assert len(waits) == 3 * 6  # plan, gather, three ranges, finish
    assert len(set(waits)) == len(waits)
    assert all(
        0 <= seconds <= 2 * 2**attempt
        for seconds, attempt in zip(waits, [0, 1, 2] * 6, strict=True)
    )


def test_a_range_that_kills_its_worker_is_set_aside(service: Service) -> None:
    # GIVEN a range of many that its worker dies of, whenever it is tried
    service.put("in/a.csv", table((TITLES * 3)[:800]))
    job = service.job()
    poison = begin_of_third(service, job)
    tried = Counter[int]()

    def fault(event: Mapping[str, Any]) -> None:
        if is_at(event, poison):
            tried[poison] += 1
            raise StateError("Runtime.ExitError", "signal: killed")

    service.fault = fault
    # WHEN all is scored
    manifest = service.run(job)
    # THEN the others are, and the manifest names the one that is missing
    assert tried[poison] == 2
    (failed,) = manifest["failed"]
    assert failed["error"] == "Runtime.ExitError"
    assert (failed["key"], failed["begin"]) == ("in/a.csv", poison)
    assert manifest["totals"]["failed_ranges"] == 1
    assert manifest["totals"]["rows"] == 775


def test_too_many_failed_ranges_fail_the_run_and_it_goes_on_where_it_was(service: Service) -> None:
    # GIVEN a range of few that cannot be scored
    service.put("in/a.csv", table(TITLES[:100]))
    job = service.job()
    poison = begin_of_third(service, job)

    def fault(event: Mapping[str, Any]) -> None:
        if is_at(event, poison):
            raise StateError("Runtime.ExitError")

    service.fault = fault
    # WHEN it is scored THEN the run fails
    with pytest.raises(StateError, match="ExceedToleratedFailureThreshold"):
        service.run(job)
    # ... and when the fault is mended, all is there
    service.fault = no_fault
    totals = service.run(job)["totals"]
    assert (totals["rows"], totals["failed_ranges"]) == (100, 0)


def test_a_file_that_changes_meanwhile_is_not_mixed(service: Service) -> None:
    # GIVEN a file that somebody replaces between planning and scoring
    service.put("in/a.csv", table(TITLES[:50]))
    tried = Counter[str]()

    def fault(event: Mapping[str, Any]) -> None:
        tried[event["step"]] += 1
        if event["step"] == "gather":
            service.put("in/a.csv", table(TITLES[50:100]))

    service.fault = fault
    # WHEN it is scored THEN that is an error, and not one to try again
    with pytest.raises(StateError, match="ExceedToleratedFailureThreshold"):
        service.run(service.job())
    assert tried["score"] == 1


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a.csv", b"id,title\n1,x\n", "in/a.csv: the first row lacks a column of text, id$"),
        ("a.csv.gz", gzip.compress(b"text\n" + b"x\n" * 9999)[:-9], "a.csv.gz is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_stops_the_run_before_it_costs(
    name: str, body: bytes, message: str, service: Service
) -> None:
    service.put(f"in/{name}", body)
    with pytest.raises(StateError, match="ExceedToleratedFailureThreshold"):
        service.run(service.job())
    job = service.job()
    source = asdict(list_sources(service.s3, service.bucket, uri_of(service), None)[0])
    with pytest.raises(BulkError, match=message):
        worker.handler({"step": "plan", "job": asdict(job), "source": source}, None)
    assert service.calls["score"] == 0


def test_rows_that_are_lost_fail_the_run(service: Service) -> None:
    # GIVEN results in which a range is missing
    service.put("in/a.csv", table(TITLES[:50]))
    job = service.job()
    service.run(job)
    results = [
        one["Key"]
        for one in service.s3.list_objects_v2(Bucket=service.bucket, Prefix=f"{job.run}/scored/")[
            "Contents"
        ]
    ]
    (children,) = [key for key in results if key.endswith("SUCCEEDED_0.json")]
    (told,) = [key for key in results if key.endswith("manifest.json")]
    service.put(children, json.dumps(json.loads(service.get(children))[1:]).encode())
    # WHEN it is summed up THEN that is an error
    with pytest.raises(BulkError, match="1 of 3 ranges are neither scored nor failed"):
        worker.handler({"step": "finish", "job": asdict(job), "results": {"Key": told}}, None)


def test_no_row_that_can_be_read_is_an_error(service: Service) -> None:
    service.put("in/a.jsonl", b'{"title": "x"}\n')
    with pytest.raises(StateError, match="all 1 rows were rejected: is it the right column"):
        service.run(service.job())


def test_a_fault_of_s3_is_worth_another_attempt(
    service: Service, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an S3 that breaks connections
    service.put("in/a.csv", table(TITLES[:50]))
    job = service.job()
    source = asdict(list_sources(service.s3, service.bucket, uri_of(service), None)[0])
    network = Network(s3_endpoint)
    event = {"step": "plan", "job": asdict(job), "source": source}
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", network.url)
        worker._s3.cache_clear()
        with network.broken("cut"), pytest.raises(worker.TransientError):
            worker.handler(event, None)
    finally:
        network.stop()
    # WHEN it is mended THEN the same works
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    worker._s3.cache_clear()
    assert worker.handler(event, None) == {"ranges": 3}


# Where it runs


def test_the_function_runs_in_the_lambda_runtime(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the handler that the template names, in the real runtime
    (handler,) = deployed(BulkBucket="files")["Resources"]["BulkFunction"]["Properties"][
        "ImageConfig"
    ]["Command"]
    service.put("in/a.csv", table(TITLES[:50]))
    job = service.job()
    source = asdict(list_sources(service.s3, service.bucket, uri_of(service), None)[0])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with emulators(handler, 1, tmp_path / "log") as pool:
        # WHEN it is asked for a plan and a part THEN it writes them
        event = {"step": "plan", "job": asdict(job), "source": source}
        assert pool.invoke(event, 60) == {"ranges": 1}
        assert pool.invoke({"step": "gather", "job": asdict(job)}, 60) == {"ranges": 1}
        item = json.loads(service.get(f"{job.run}/plan.jsonl"))
        done = pool.invoke({"step": "score", "job": asdict(job), **item}, 60)
        assert (done["rows"], done["rejected"]) == (50, 0)
        assert len(gzip.decompress(service.get(done["part"])).splitlines()) == 51
        # ... and what fails has the name that the state machine knows
        event["source"] = {**source, "etag": '"other"'}
        with pytest.raises(EmulatorError, match="BulkError"):
            pool.invoke(event, 60)
    assert TITLES[0] not in (tmp_path / "log").read_text()


def test_the_definition_is_valid_by_asl_validator(tmp_path: Path) -> None:
    assert_valid_asl(valid_definition(), tmp_path)


def test_the_definition_is_valid_by_cfn_lint(tmp_path: Path) -> None:
    # cfn-lint does not follow the template to the file, so the file comes to it.
    role = "arn:aws:iam::123456789012:role/role"
    properties = {"Definition": json.loads(valid_definition()), "RoleArn": role}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"Resources": {"Machine": machine}}))
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    command = [linter, "--regions", "us-east-1", "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout
