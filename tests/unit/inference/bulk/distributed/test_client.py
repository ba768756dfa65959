import io
import json
from typing import Any

import pytest
from botocore.response import StreamingBody
from msgspec.structs import replace

from inference.bulk.distributed.client import BulkClient, make_run
from inference.bulk.distributed.run import Source
from inference.bulk.request import BulkError, ScoringRequest
from inference.tables.columns import InputColumns
from tests.unit.inference.bulk.distributed.conftest import Account

MODEL_URI = "s3://models/news/0123456789abcdef"
SOURCE = Source(key="in/a.csv", etag='"1"', size=10)
PLACE = "arn:aws:states:us-east-1:123456789012"
MACHINE = f"{PLACE}:stateMachine:stack-bulk"
TIME = "2026-01-01T00:00:00Z"
CHANGED = replace(SOURCE, etag='"2"')


def request(
    output: str = "s3://files/out/",
    model_uri: str = MODEL_URI,
    text: str = "text",
    keep: tuple[str, ...] = (),
) -> ScoringRequest:
    return ScoringRequest("s3://files/in/", output, model_uri, InputColumns(text, keep))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("s3://other/out", "is not in s3://files, the stack's BulkBucket"),
        ("out.csv", "is not in s3://files"),
        ("s3://files/in", "--output would be among the input"),
    ],
)
def test_an_output_outside_the_bucket_or_among_the_input_is_refused(
    output: str, message: str
) -> None:
    with pytest.raises(BulkError, match=message):
        make_run("files", [SOURCE], request(output))


def test_a_run_is_named_by_everything_its_result_depends_on() -> None:
    # GIVEN runs that differ in one thing each
    runs = [
        make_run("files", [SOURCE], request()),
        make_run("files", [CHANGED], request()),
        make_run("files", [SOURCE], request(model_uri="s3://models/news/fedcba9876543210")),
        make_run("files", [SOURCE], request(text="title")),
        make_run("files", [SOURCE], request(keep=("id",))),
        make_run("files", [SOURCE], request("s3://files/elsewhere")),
    ]
    # WHEN their names are compared THEN they differ, and the same run has the same name
    assert len({run.name for run in runs}) == len(runs)
    assert make_run("files", [SOURCE], request()) == runs[0]
    assert runs[0].prefix == f"out/runs/{runs[0].name}"


def test_a_run_that_was_read_by_other_rules_is_not_found_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = make_run("files", [SOURCE], request())
    monkeypatch.setattr("inference.bulk.distributed.client.RULES_VERSION", 1)
    assert make_run("files", [SOURCE], request()).name != now.name


@pytest.mark.parametrize(("failed", "execution"), [([], "NAME"), ([{"begin": 0}], "NAME-2")])
def test_a_repeated_run_that_lacks_ranges_is_executed_again(
    failed: list[dict[str, int]], execution: str, account: Account
) -> None:
    # GIVEN a run that has ended, with or without ranges that failed
    listed: Any = {"Contents": [{"Key": "in/a.csv", "ETag": '"1"', "Size": 10}]}
    account.files.add_response("list_objects_v2", listed)
    account.files.add_response("put_object", {})
    account.states.add_client_error("start_execution", "ExecutionAlreadyExists")
    ended: Any = {"executionArn": MACHINE, "stateMachineArn": MACHINE, "startDate": TIME}
    account.states.add_response("describe_execution", {**ended, "status": "SUCCEEDED"})
    manifest = json.dumps({"failed": failed}).encode()
    body: Any = StreamingBody(io.BytesIO(manifest), len(manifest))
    run = make_run("files", [SOURCE], request())
    wanted = {"Bucket": "files", "Key": run.manifest_key}
    account.files.add_response("get_object", {"Body": body}, wanted)
    arn = f"{PLACE}:execution:stack-bulk:{execution.replace('NAME', run.name)}"
    if failed:
        started: Any = {"executionArn": arn, "startDate": TIME}
        account.states.add_response("start_execution", started)
    # WHEN the same command is given THEN the run is executed again if it lacks ranges
    client = BulkClient(account.s3, account.stepfunctions, MACHINE, "files")
    assert client.start(request()).execution == arn
