"""The command's side of a distributed run, against AWS's models of the services."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from mypy_boto3_cloudformation import CloudFormationClient
from mypy_boto3_s3 import S3Client
from mypy_boto3_stepfunctions import SFNClient
from tqdm import tqdm

from inference.bulk.distributed.client import (
    MAX_BYTES,
    MAX_COMPRESSED,
    Stack,
    find,
    follow,
    list_sources,
    make_job,
    start,
    summary,
)
from inference.bulk.distributed.steps import Job, Source
from inference.bulk.score_file import main
from inference.tables.formats import BulkError

PLACE = "arn:aws:states:us-east-1:123456789012"
MACHINE = f"{PLACE}:stateMachine:stack-bulk"
STACK = Stack(MACHINE, "files", "s3://models/news/0123456789abcdef")
JOB = Job("files", "out/runs/abc", "out", STACK.model_uri, "text", ())
EXECUTION = f"{PLACE}:execution:stack-bulk:abc"
SOURCE = Source("in/a.csv", '"1"', 10, "csv", "")
TIME = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Account:
    """Clients that answer what they are told to and nothing else."""

    cloudformation: CloudFormationClient
    s3: S3Client
    stepfunctions: SFNClient
    stack: Stubber
    files: Stubber
    states: Stubber


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    cloudformation = boto3.client("cloudformation", region_name="us-east-1")
    s3 = boto3.client("s3", region_name="us-east-1")
    stepfunctions = boto3.client("stepfunctions", region_name="us-east-1")
    with Stubber(cloudformation) as one, Stubber(s3) as two, Stubber(stepfunctions) as three:
        yield Account(cloudformation, s3, stepfunctions, one, two, three)
        for stub in (one, two, three):
            stub.assert_no_pending_responses()


# The stack


def describe_stack(account: Account, **outputs: str) -> None:
    told: Any = {
        "StackName": "stack",
        "CreationTime": TIME,
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
        "Parameters": [
            {"ParameterKey": "ModelStore", "ParameterValue": "s3://models/news"},
            {"ParameterKey": "ModelVersion", "ParameterValue": "0123456789abcdef"},
        ],
    }
    account.stack.add_response("describe_stacks", {"Stacks": [told]}, {"StackName": "stack"})


def test_the_stack_says_where_and_with_which_model(account: Account) -> None:
    describe_stack(account, BulkStateMachine=MACHINE, BulkBucket="files")
    assert find(account.cloudformation, "stack") == STACK


def test_a_stack_without_a_bucket_for_files_is_told_apart(account: Account) -> None:
    describe_stack(account, Url="https://x")
    with pytest.raises(BulkError, match="deploy it with BulkBucket=BUCKET"):
        find(account.cloudformation, "stack")


# The input


def list_objects(account: Account, prefix: str, **sizes: int) -> None:
    found = [{"Key": key, "ETag": '"1"', "Size": size} for key, size in sizes.items()]
    told: Any = {"Contents": found, "IsTruncated": False}
    account.files.add_response("list_objects_v2", told, {"Bucket": "files", "Prefix": prefix})


def test_a_prefix_is_all_files_under_it(account: Account) -> None:
    list_objects(account, "in/", **{"in/": 0, "in/a.csv": 10, "in/b/c.jsonl.gz": 20})
    found = list_sources(account.s3, "files", "s3://files/in/", None)
    assert found == [SOURCE, Source("in/b/c.jsonl.gz", '"1"', 20, "jsonl", "gz")]


def test_a_file_is_that_file_alone(account: Account) -> None:
    list_objects(account, "in/a.csv", **{"in/a.csv": 10, "in/a.csv.gz": 10})
    assert list_sources(account.s3, "files", "s3://files/in/a.csv", None) == [SOURCE]


@pytest.mark.parametrize(
    ("key", "size", "message"),
    [
        ("in/a.parquet", 1, "neither Parquet nor zstd"),
        ("in/a.csv.zst", 1, "neither Parquet nor zstd"),
        ("in/a.doc", 1, "does not end with"),
        ("in/a.csv", MAX_BYTES + 1, f"split files of more than {MAX_BYTES}"),
        (
            "in/a.csv.gz",
            MAX_COMPRESSED + 1,
            f"split compressed files of more than {MAX_COMPRESSED}",
        ),
        ("in/a.csv", 0, "there is nothing at s3://files/in/"),
    ],
)
def test_what_the_workers_cannot_read_is_said_before_they_start(
    key: str, size: int, message: str, account: Account
) -> None:
    list_objects(account, "in/", **{key: size})
    with pytest.raises(BulkError, match=message):
        list_sources(account.s3, "files", "s3://files/in/", None)


def options(**values: Any) -> argparse.Namespace:
    defaults: dict[str, Any] = {
        "output": "s3://files/out/",
        "model_uri": None,
        "text_column": "text",
        "keep": [],
    }
    return argparse.Namespace(**(defaults | values))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("s3://other/out", "is not in s3://files, the stack's BulkBucket"),
        ("out.csv", "is not in s3://files"),
        ("s3://files/in", "the output would be among the input"),
    ],
)
def test_an_output_where_none_can_be_is_refused(output: str, message: str) -> None:
    with pytest.raises(BulkError, match=message):
        make_job(STACK, [SOURCE], options(output=output))


def test_a_run_is_named_by_all_that_its_result_depends_on() -> None:
    changed = [
        ([SOURCE], options()),
        ([Source("in/a.csv", '"2"', 10, "csv", "")], options()),
        ([SOURCE], options(model_uri="s3://models/news/fedcba9876543210")),
        ([SOURCE], options(text_column="title")),
        ([SOURCE], options(keep=["id"])),
        ([SOURCE], options(output="s3://files/elsewhere")),
    ]
    names = [make_job(STACK, *one).run.rpartition("/")[2] for one in changed]
    assert len(set(names)) == len(names)
    assert make_job(STACK, [SOURCE], options()).run == f"out/runs/{names[0]}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["in.csv", "--output", "out.csv"],
        ["s3://b/in/", "--output", "s3://b/out", "--distributed"],
        ["s3://b/in/", "--output", "s3://b/out", "--stack", "x", "--model-uri", "file:///m"],
    ],
)
def test_options_that_miss_another_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)


# The execution


def begin(account: Account) -> str:
    return start(account.stepfunctions, MACHINE, JOB)


def refuse_start(account: Account, status: str) -> None:
    account.states.add_client_error("start_execution", "ExecutionAlreadyExists")
    describe(account, status)


def describe(account: Account, status: str, arn: str = EXECUTION, **more: str) -> None:
    told: Any = {"executionArn": arn, "stateMachineArn": MACHINE, "startDate": TIME}
    account.states.add_response(
        "describe_execution", {**told, "status": status, **more}, {"executionArn": arn}
    )


def test_a_run_is_started_under_its_name(account: Account) -> None:
    given = {"stateMachineArn": MACHINE, "name": "abc", "input": json.dumps(asdict(JOB))}
    told: Any = {"executionArn": EXECUTION, "startDate": TIME}
    account.states.add_response("start_execution", told, given)
    assert begin(account) == EXECUTION


def test_a_run_that_succeeded_is_not_started_again(account: Account) -> None:
    refuse_start(account, "SUCCEEDED")
    assert begin(account) == EXECUTION


def test_a_run_that_failed_goes_on_where_it_was(account: Account) -> None:
    refuse_start(account, "FAILED")
    account.states.add_response(
        "redrive_execution", {"redriveDate": TIME}, {"executionArn": EXECUTION}
    )
    assert begin(account) == EXECUTION


def test_a_run_that_failed_long_ago_is_told_of(account: Account) -> None:
    refuse_start(account, "FAILED")
    account.states.add_client_error("redrive_execution", "ExecutionNotRedrivable")
    with pytest.raises(BulkError, match="choose another --output"):
        begin(account)


def show_map(account: Account, label: str, **counts: int) -> str:
    """One look at a map run of the execution."""
    arn = f"{PLACE}:mapRun:stack-bulk/{label}:1"
    item: Any = {"executionArn": EXECUTION, "mapRunArn": arn, "stateMachineArn": MACHINE}
    account.states.add_response(
        "list_map_runs", {"mapRuns": [{**item, "startDate": TIME}]}, {"executionArn": EXECUTION}
    )
    names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total")
    zeros = dict.fromkeys((*names, "resultsWritten"), 0)
    told: Any = {
        **{"mapRunArn": arn, "executionArn": EXECUTION, "status": "RUNNING", "startDate": TIME},
        **{"maxConcurrency": 6, "toleratedFailurePercentage": 5.0, "toleratedFailureCount": 0},
        **{"itemCounts": zeros | counts, "executionCounts": zeros},
    }
    account.states.add_response("describe_map_run", told, {"mapRunArn": arn})
    return arn


def test_the_bar_shows_how_far_the_ranges_are(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a terminal, and a run that goes on and ends
    monkeypatch.setattr("inference.bulk.distributed.client.tqdm", partial(tqdm, disable=False))
    describe(account, "RUNNING")
    show_map(account, "Score", total=8, succeeded=2, running=6)
    describe(account, "SUCCEEDED")
    show_map(account, "Score", total=8, succeeded=7, failed=1)
    # WHEN it is followed THEN the bar ends with the ranges
    follow(account.stepfunctions, EXECUTION, pause=0)
    assert "Score: 100%" in (shown := capsys.readouterr().err)
    assert "8/8" in shown


def test_a_failed_run_says_what_failed_first(account: Account) -> None:
    # GIVEN a run whose planning failed for one file
    describe(account, "FAILED", error="States.ExceedToleratedFailureThreshold", cause="a share")
    arn = show_map(account, "Plan", total=1, failed=1)
    child = f"{PLACE}:execution:stack-bulk/Plan:1"
    told: Any = {"executionArn": child, "stateMachineArn": MACHINE, "name": "1", "startDate": TIME}
    account.states.add_response(
        "list_executions",
        {"executions": [{**told, "status": "FAILED"}]},
        {"mapRunArn": arn, "statusFilter": "FAILED", "maxResults": 1},
    )
    cause = json.dumps({"errorMessage": "no column 'text'", "errorType": "BulkError"})
    describe(account, "FAILED", child, cause=cause)
    # WHEN it is followed THEN the error has the reason
    with pytest.raises(BulkError, match="Threshold: no column 'text'"):
        follow(account.stepfunctions, EXECUTION, pause=0)


def test_the_summary_tells_of_what_is_missing() -> None:
    totals = {"rows": 90, "parts": 3, "rejected": 0, "failed_ranges": 0}
    assert summary(totals) == "90 rows in 3 parts"
    assert summary(totals | {"rejected": 2, "failed_ranges": 1}) == (
        "90 rows in 3 parts; 2 rejected; 1 ranges failed and are missing"
    )
