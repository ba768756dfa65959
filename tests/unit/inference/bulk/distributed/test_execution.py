import json
from functools import partial
from typing import Any

import pytest
from tqdm import tqdm

from inference.bulk.distributed.execution import follow, start
from inference.bulk.distributed.run import BulkRun
from inference.bulk.request import BulkError
from tests.unit.inference.bulk.distributed.conftest import Account

PLACE = "arn:aws:states:us-east-1:123456789012"
MACHINE = f"{PLACE}:stateMachine:stack-bulk"
EXECUTION = f"{PLACE}:execution:stack-bulk:abc"
TIME = "2026-01-01T00:00:00Z"
RUN = BulkRun(
    bucket="files",
    prefix="out/runs/abc",
    output="out",
    model_uri="s3://models/news/0123456789abcdef",
    text_column="text",
    keep=(),
)


def add_refusal(account: Account, status: str) -> None:
    """Let an execution with the run's name exist."""
    account.states.add_client_error("start_execution", "ExecutionAlreadyExists")
    add_description(account, status)


def add_description(account: Account, status: str, arn: str = EXECUTION, **more: str) -> None:
    answer: Any = {"executionArn": arn, "stateMachineArn": MACHINE, "startDate": TIME}
    account.states.add_response(
        "describe_execution", {**answer, "status": status, **more}, {"executionArn": arn}
    )


def add_map_run(account: Account, label: str, **counts: int) -> str:
    """Let the execution have a map run when it is looked at next; return its ARN."""
    arn = f"{PLACE}:mapRun:stack-bulk/{label}:1"
    item: Any = {"executionArn": EXECUTION, "mapRunArn": arn, "stateMachineArn": MACHINE}
    account.states.add_response(
        "list_map_runs", {"mapRuns": [{**item, "startDate": TIME}]}, {"executionArn": EXECUTION}
    )
    names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total")
    zeros = dict.fromkeys((*names, "resultsWritten"), 0)
    answer: Any = {
        **{"mapRunArn": arn, "executionArn": EXECUTION, "status": "RUNNING", "startDate": TIME},
        **{"maxConcurrency": 6, "toleratedFailurePercentage": 5.0, "toleratedFailureCount": 0},
        **{"itemCounts": zeros | counts, "executionCounts": zeros},
    }
    account.states.add_response("describe_map_run", answer, {"mapRunArn": arn})
    return arn


def test_an_execution_is_started_with_the_name_and_json_of_its_run(account: Account) -> None:
    wanted = {
        "stateMachineArn": MACHINE,
        "name": "abc",
        "input": json.dumps(RUN.to_json()),
    }
    answer: Any = {"executionArn": EXECUTION, "startDate": TIME}
    account.states.add_response("start_execution", answer, wanted)
    assert start(account.stepfunctions, MACHINE, RUN, lambda: True) == EXECUTION


def test_an_execution_that_succeeded_is_not_started_again(account: Account) -> None:
    add_refusal(account, "SUCCEEDED")
    assert start(account.stepfunctions, MACHINE, RUN, lambda: True) == EXECUTION


def test_an_execution_that_succeeded_without_some_ranges_is_followed_by_another(
    account: Account,
) -> None:
    # GIVEN two executions that succeeded, and ranges that failed in both
    for number in ("", "-2"):
        account.states.add_client_error("start_execution", "ExecutionAlreadyExists")
        add_description(account, "SUCCEEDED", EXECUTION + number)
    # WHEN the run is started again THEN a third one scores them
    wanted = {"stateMachineArn": MACHINE, "name": "abc-3", "input": json.dumps(RUN.to_json())}
    answer: Any = {"executionArn": f"{EXECUTION}-3", "startDate": TIME}
    account.states.add_response("start_execution", answer, wanted)
    found = start(account.stepfunctions, MACHINE, RUN, lambda: False)
    assert found == f"{EXECUTION}-3"


def test_an_execution_that_failed_is_resumed(account: Account) -> None:
    add_refusal(account, "FAILED")
    account.states.add_response(
        "redrive_execution", {"redriveDate": TIME}, {"executionArn": EXECUTION}
    )
    assert start(account.stepfunctions, MACHINE, RUN, lambda: True) == EXECUTION


def test_an_execution_that_failed_too_long_ago_is_an_error(account: Account) -> None:
    add_refusal(account, "FAILED")
    account.states.add_client_error("redrive_execution", "ExecutionNotRedrivable")
    with pytest.raises(BulkError, match="choose another --output"):
        start(account.stepfunctions, MACHINE, RUN, lambda: True)


def test_a_bar_shows_how_many_ranges_are_done(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a terminal, and an execution that runs and then ends
    monkeypatch.setattr("inference.bulk.distributed.execution.tqdm", partial(tqdm, disable=False))
    add_description(account, "RUNNING")
    add_map_run(account, "Score", total=8, succeeded=2, running=6)
    add_description(account, "SUCCEEDED")
    add_map_run(account, "Score", total=8, succeeded=7, failed=1)
    # WHEN it is followed
    follow(account.stepfunctions, EXECUTION, pause=0)
    # THEN the bar is full at the end
    shown = capsys.readouterr().err
    assert "Score: 100%" in shown
    assert "8/8" in shown


def test_a_failed_execution_is_an_error_with_the_reason_of_the_child_that_failed(
    account: Account,
) -> None:
    # GIVEN an execution that failed because one file cannot be planned
    add_description(account, "FAILED", error="States.ExceedToleratedFailureThreshold", cause="5 %")
    map_run = add_map_run(account, "Plan", total=1, failed=1)
    child = f"{PLACE}:execution:stack-bulk/Plan:1"
    listed: Any = {"executionArn": child, "stateMachineArn": MACHINE, "name": "1"}
    account.states.add_response(
        "list_executions",
        {"executions": [{**listed, "startDate": TIME, "status": "FAILED"}]},
        {"mapRunArn": map_run, "statusFilter": "FAILED", "maxResults": 1},
    )
    cause = json.dumps({"errorMessage": "no column 'text'", "errorType": "BulkError"})
    add_description(account, "FAILED", child, cause=cause)
    # WHEN it is followed THEN the error has the reason
    with pytest.raises(BulkError, match="Threshold: no column 'text'"):
        follow(account.stepfunctions, EXECUTION, pause=0)
