"""Take the steps that score files, one by one, and start their state machine with the command.

test_distributed.py executes the state machine itself.
"""

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.bulk.distributed import steps
from inference.bulk.distributed.run import BulkRun
from inference.bulk.request import BulkError
from inference.local.emulator import EmulatorError, emulators
from tests.cloudformation import deployed
from tests.conftest import ROOT
from tests.integration.bulk_service import (
    TITLES,
    BulkService,
    definition,
    run_command,
    to_csv,
    use_small_ranges,
)
from tests.integration.faults import Network
from tests.step_functions.distributed_map import MapRun
from tests.step_functions.validator import assert_valid_asl


@pytest.fixture
def service(
    s3: S3Client, bucket: str, uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> BulkService:
    use_small_ranges(monkeypatch, tmp_path)
    return BulkService(s3, bucket, uri)


def score_ranges(service: BulkService, run: BulkRun) -> MapRun:
    """Take all steps but the last for a run with one file."""
    event = service.make_event("plan", run)
    steps.handler(event, None)
    steps.handler({**event, "step": "gather"}, None)
    outcome = MapRun()
    for line in service.get(run.plan_key).splitlines():
        item = {"step": "score", "job": event["job"], **json.loads(line)}
        outcome.record(item, Output=json.dumps(steps.handler(item, None)))
    return outcome


# The command


def test_the_command_can_use_another_model_than_the_deployed_one(
    service: BulkService, monkeypatch: pytest.MonkeyPatch
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


def test_a_run_that_lacks_ranges_is_an_error_until_a_repetition_has_scored_them(
    service: BulkService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a run with a range that failed
    service.put("in/a.csv", to_csv(TITLES[:50]))
    run = service.prepare()
    listing = f"{run.prefix}/scored/1/manifest.json"
    outcome = score_ranges(service, run)
    second = json.loads(service.get(run.plan_key).splitlines()[1])
    item = {"step": "score", "job": run.to_json(), **second}
    outcome.record(item, Error="Runtime.ExitError", Cause="signal: killed")
    outcome.write_results(service.s3, service.bucket, listing)
    finish = {**service.make_event("finish", run), "results": {"Key": listing}}
    steps.handler(finish, None)
    # WHEN the command sums it up THEN that is an error, which names the range
    assert run_command(service, monkeypatch, ["SUCCEEDED"], "--keep", "id") == 1
    message = capsys.readouterr().err
    place = f"in/a.csv from line {second['range']['line']} (Runtime.ExitError)"
    assert f"error: 1 of 3 ranges failed, so rows are missing: {place}" in message
    # ... and no longer, once another execution has scored it
    score_ranges(service, run).write_results(service.s3, service.bucket, listing)
    steps.handler(finish, None)
    assert run_command(service, monkeypatch, ["SUCCEEDED"], "--keep", "id") == 0
    assert "50 rows = 50 scored + 0 rejected, in 3 parts" in capsys.readouterr().err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_or_kill_stops_following_but_not_the_run(
    sent: signal.Signals,
    service: BulkService,
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


def test_a_range_without_a_result_fails_the_run(service: BulkService) -> None:
    # GIVEN results of a map in which a range is missing
    service.put("in/a.csv", to_csv(TITLES[:50]))
    run = service.prepare()
    listing = f"{run.prefix}/scored/1/manifest.json"
    score_ranges(service, run).write_results(service.s3, service.bucket, listing)
    children = f"{run.prefix}/scored/1/SUCCEEDED_0.json"
    service.put(children, json.dumps(json.loads(service.get(children))[1:]).encode())
    # WHEN they are summed up THEN that is an error
    event = {**service.make_event("finish", run), "results": {"Key": listing}}
    with pytest.raises(BulkError, match="1 of 3 ranges are neither scored nor failed"):
        steps.handler(event, None)


def test_a_fault_of_s3_is_an_error_that_is_tried_again(
    service: BulkService, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
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
    service: BulkService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


@pytest.mark.usefixtures("outside")
def test_asl_validator_accepts_the_definition(tmp_path: Path) -> None:
    assert_valid_asl(definition(), tmp_path)


def test_cfn_lint_accepts_the_definition(tmp_path: Path) -> None:
    # GIVEN a template that contains the definition, as cfn-lint does not follow a DefinitionUri
    role = "arn:aws:iam::123456789012:role/role"
    properties = {"Definition": json.loads(definition()), "RoleArn": role}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"Resources": {"Machine": machine}}))
    # WHEN it is checked THEN there are no findings
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    command = [linter, "--regions", "us-east-1", "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout
