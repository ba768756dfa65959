"""The state machine that retrains: its own definition, each call checked by botocore's models."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import validate_parameters

from tests.cloudformation import MODEL, RETRAINING, deployed, parameters
from tests.conftest import ROOT
from tests.state_machine import StateError, StateMachine, assert_valid_asl
from training.sagemaker import job as sagemaker_job
from training.sagemaker.retraining import retraining_request

DEFINITION = ROOT / "training" / "sagemaker" / "retraining.asl.json"
OLD, NEW = MODEL["ModelVersion"], "fedcba9876543210"
STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/stack/1"
OPTIONS = ["--data", "s3://data/news.csv.xz", "--epochs", "2", "--tag", "team=news"]


@cache
def prepared() -> dict[str, Any]:
    """The request that python -m training.sagemaker.retraining leaves for the state machine."""
    place = ["--output", "s3://jobs/stack", "--role", RETRAINING["RetrainingRole"]]
    place += ["--store", MODEL["ModelStore"]]
    options = sagemaker_job.option_parser().parse_known_args([*OPTIONS, *place])
    job, settings = sagemaker_job.plan(*options)
    return retraining_request(replace(job, name="retraining"), settings)


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@cache
def definition() -> str:
    """The definition as CloudFormation substitutes it."""
    machine = deployed(**RETRAINING)["Resources"]["RetrainingStateMachine"]["Properties"]
    text = DEFINITION.read_text()
    for name, value in machine["DefinitionSubstitutions"].items():
        assert f"${{{name}}}" in text
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return text


@cache
def input_shape(service: str, operation: str) -> Any:
    return (
        boto3.session.Session()
        ._session.get_service_model(service)
        .operation_model(operation[0].upper() + operation[1:])
    )


@dataclass
class Account:
    """What the services answer; each call is checked against AWS's model of its input."""

    verdict: dict[str, Any] = field(
        default_factory=lambda: {"deploy": True, "version": NEW, "summary": "one point better"}
    )
    version: str = OLD
    # The states of the stack, one a look; the last stays.
    statuses: list[str] = field(default_factory=lambda: ["CREATE_COMPLETE"])
    after_update: tuple[str, ...] = ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    new_files: int = 3
    others_running: tuple[str, ...] = ()
    faults: dict[str, list[StateError]] = field(default_factory=dict)
    on_trained: Callable[["Account"], None] = lambda _: None
    calls: list[tuple[str, Any]] = field(default_factory=list)
    machine: StateMachine = field(init=False)

    def __post_init__(self) -> None:
        names = {
            "sfn:listExecutions": "aws-sdk:sfn:listExecutions",
            "cloudformation:describeStacks": "aws-sdk:cloudformation:describeStacks",
            "cloudformation:updateStack": "aws-sdk:cloudformation:updateStack",
            "s3:listObjectsV2": "aws-sdk:s3:listObjectsV2",
            "s3:getObject": "aws-sdk:s3:getObject",
            "sagemaker:createTrainingJob": "sagemaker:createTrainingJob.sync",
            "sns:publish": "sns:publish",
        }
        self.machine = StateMachine(
            json.loads(definition()),
            {f"arn:aws:states:::{arn}": partial(self._call, name) for name, arn in names.items()},
        )

    def run(self) -> Any:
        return self.machine.run({"whatever": "starts it"})

    def told(self) -> tuple[str, str]:
        """Subject and message of the one notification."""
        (message,) = self.of("sns:publish")
        return message["Subject"], message["Message"]

    def of(self, name: str) -> list[Any]:
        """The inputs of the calls of an operation that were answered."""
        return [given for called, given in self.calls if called == name]

    def _call(self, name: str, given: Any) -> Any:
        service, operation = name.split(":")
        model = input_shape({"sfn": "stepfunctions"}.get(service, service), operation)
        if service == "sfn":  # Step Functions writes all names like this, its own too
            validate_parameters(
                {k[0].lower() + k[1:]: v for k, v in given.items()}, model.input_shape
            )
        else:
            validate_parameters(given, model.input_shape)
        if faults := self.faults.get(operation):
            raise faults.pop(0)
        self.calls.append((name, given))
        return getattr(self, f"_{operation}")(given)

    def _listExecutions(self, _given: Any) -> Any:  # noqa: N802
        arns = [self.machine.execution, *self.others_running]  # the newest first
        return {"Executions": [{"ExecutionArn": arn, "Status": "RUNNING"} for arn in arns]}

    def _describeStacks(self, _given: Any) -> Any:  # noqa: N802
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == "UPDATE_COMPLETE" and self.of("cloudformation:updateStack"):
            self.version = NEW
        values = [
            {"ParameterKey": "ModelStore", "ParameterValue": MODEL["ModelStore"]},
            {"ParameterKey": "ModelVersion", "ParameterValue": self.version},
        ]
        return {"Stacks": [{"StackId": STACK_ID, "StackStatus": status, "Parameters": values}]}

    def _listObjectsV2(self, given: Any) -> Any:  # noqa: N802
        return {"KeyCount": min(self.new_files, given["MaxKeys"])}

    def _getObject(self, given: Any) -> Any:  # noqa: N802
        assert given["Bucket"] == "jobs"
        if given["Key"] == "stack/retraining/request.json":
            return {"Body": json.dumps(prepared())}
        job = self.of("sagemaker:createTrainingJob")[0]["TrainingJobName"]
        assert given["Key"] == f"stack/{job}/verdict.json"
        return {"Body": json.dumps(self.verdict)}

    def _createTrainingJob(self, given: Any) -> Any:  # noqa: N802
        self.on_trained(self)
        return given | {"TrainingJobStatus": "Completed"}

    def _updateStack(self, _given: Any) -> Any:  # noqa: N802
        self.statuses = list(self.after_update)
        return {"StackId": STACK_ID}

    def _publish(self, _given: Any) -> Any:
        return {"MessageId": "1"}


# What it does


def test_a_better_model_is_trained_deployed_and_told_of() -> None:
    # GIVEN new rows, and a job that makes a better model of them
    account = Account()
    # WHEN the machine runs
    output = account.run()
    # THEN the job is the prepared one, by the stack's role, and knows what to do better than
    (job,) = account.of("sagemaker:createTrainingJob")
    name = job["TrainingJobName"]
    wanted = {name: value for name, value in prepared().items() if name != "HyperParameters"}
    own = {"TrainingJobName", "RoleArn", "CheckpointConfig", "HyperParameters"}
    assert {name: value for name, value in job.items() if name not in own} == wanted
    assert job["RoleArn"] == RETRAINING["RetrainingRole"]
    assert job["CheckpointConfig"] == {"S3Uri": f"s3://jobs/stack/{name}/checkpoints"}
    given = {key: json.loads(value) for key, value in job["HyperParameters"].items()}
    assert {key: value for key, value in given.items() if not key.startswith("sagemaker_")} == {
        "store": "s3://models/news",
        "publish": True,
        "epochs": 2.0,
        "previous": f"s3://models/news/{OLD}",
        "verdict": f"s3://jobs/stack/{name}/verdict.json",
    }
    # THEN its model is deployed with the previous template, and nothing else is changed
    (update,) = account.of("cloudformation:updateStack")
    assert update["UsePreviousTemplate"] is True
    changed = [one for one in update["Parameters"] if not one.get("UsePreviousValue")]
    assert changed == [{"ParameterKey": "ModelVersion", "ParameterValue": NEW}]
    # THEN that is told
    assert account.told() == (
        "Retraining: a new model serves",
        "stack: a new model serves. one point better",
    )
    assert output["failed"] is False


def test_an_update_names_every_parameter() -> None:
    """CloudFormation gives one that is not named its default, not its value."""
    account = Account()
    account.run()
    (update,) = account.of("cloudformation:updateStack")
    named = Counter(one["ParameterKey"] for one in update["Parameters"])
    assert named == Counter(parameters().keys())


def test_jobs_have_names_of_their_own() -> None:
    first, second = Account(), Account()
    names = set()
    for account in (first, second):
        account.run()
        names.add(account.of("sagemaker:createTrainingJob")[0]["TrainingJobName"])
    assert len(names) == 2


def test_a_worse_model_is_not_deployed() -> None:
    account = Account(verdict={"deploy": False, "version": NEW, "summary": "a point worse"})
    assert account.run()["failed"] is False
    assert account.of("cloudformation:updateStack") == []
    assert account.told() == (
        "Retraining: the model stays",
        "stack: the model that serves stays. a point worse",
    )


def test_without_new_rows_nothing_is_trained() -> None:
    account = Account(new_files=0)
    account.run()
    assert account.of("sagemaker:createTrainingJob") == []
    assert "no files in s3://jobs/stack/new/" in account.told()[1]


def test_a_canary_is_waited_for() -> None:
    # GIVEN a deployment of ten minutes
    account = Account(after_update=("UPDATE_IN_PROGRESS",) * 10 + ("UPDATE_COMPLETE",))
    # WHEN the machine runs THEN it looks every minute, and ends well
    account.run()
    assert account.machine.waits.count(("WaitForStack", 60)) == 11
    assert account.told()[0] == "Retraining: a new model serves"


# Two at once


def test_of_two_executions_the_one_that_came_first_goes_on() -> None:
    # GIVEN one that came before
    account = Account(others_running=("arn:aws:states:us-east-1:123456789012:execution:machine:x",))
    # WHEN the machine runs THEN it ends, without having trained
    account.run()
    assert account.of("sagemaker:createTrainingJob") == []
    assert account.told()[0] == "Retraining: another one is under way"


def test_somebody_elses_deployment_is_waited_for_before_training() -> None:
    account = Account(statuses=["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])
    account.run()
    assert account.machine.visited.count("WaitForStack") >= 2
    assert account.told()[0] == "Retraining: a new model serves"


def test_a_model_that_somebody_deploys_meanwhile_is_not_replaced() -> None:
    # GIVEN somebody who deploys another model while the job trains
    def deploy(account: Account) -> None:
        account.version = "00112233445566aa"
        account.statuses = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]

    account = Account(on_trained=deploy)
    # WHEN the job is done THEN its model, compared with one that serves no more, is not deployed
    account.run()
    assert account.of("cloudformation:updateStack") == []
    assert account.told()[0] == "Retraining: somebody else has deployed"


# What can go wrong


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("States.TaskFailed", '{"FailureReason": "DataError: no such column"}'),
        ("States.TaskFailed", '{"SecondaryStatus": "MaxWaitTimeExceeded"}'),
        ("States.Timeout", ""),
    ],
    ids=["failed", "interrupted", "late"],
)
def test_a_job_that_does_not_complete_is_told_of_and_not_paid_for_twice(
    error: str, cause: str
) -> None:
    account = Account(faults={"createTrainingJob": [StateError(error, cause)] * 2})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert len(account.faults["createTrainingJob"]) == 1
    assert account.of("cloudformation:updateStack") == []
    assert account.told() == ("Retraining: failed", f"stack: {error}: {cause}")


def test_instances_that_others_have_are_waited_for() -> None:
    error = StateError("SageMaker.ResourceLimitExceededException", "quota")
    account = Account(faults={"createTrainingJob": [error] * 5})
    account.run()
    assert account.machine.waits.count(("Train", 600)) == 5
    assert account.told()[0] == "Retraining: a new model serves"


THROTTLED = {
    "listExecutions": "Sfn.SfnException",
    "describeStacks": "CloudFormation.CloudFormationException",
    "updateStack": "CloudFormation.CloudFormationException",
    "listObjectsV2": "S3.S3Exception",
    "getObject": "S3.S3Exception",
    "createTrainingJob": "SageMaker.AmazonSageMakerException",
    "publish": "SNS.ThrottledException",
}


@pytest.mark.parametrize("operation", THROTTLED)
def test_throttling_is_tried_again_at_random_times(operation: str) -> None:
    # GIVEN a service that refuses three times
    faults = [StateError(THROTTLED[operation], "Rate exceeded") for _ in range(3)]
    account = Account(faults={operation: faults})
    # WHEN the machine runs THEN it ends well
    account.run()
    assert account.told()[0] == "Retraining: a new model serves"
    waits = [seconds for _, seconds in account.machine.waits if seconds not in (10, 60)]
    assert len(set(waits)) == 3
    assert all(isinstance(seconds, float) for seconds in waits)


@pytest.mark.parametrize("operation", [name for name in THROTTLED if name != "publish"])
def test_a_service_that_stays_away_is_told_of(operation: str) -> None:
    faults = [StateError(THROTTLED[operation], "Service unavailable") for _ in range(99)]
    account = Account(faults={operation: faults})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    subject, message = account.told()
    assert subject == "Retraining: failed"
    assert "Service unavailable" in message


def test_a_deployment_that_an_alarm_takes_back_is_told_of() -> None:
    # GIVEN a canary that an alarm stops
    steps = ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    account = Account(after_update=steps)
    # WHEN the machine runs THEN it has failed, and the model is the old one
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.version == OLD
    assert account.told()[0] == "Retraining: the new model was taken back"


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE"])
@pytest.mark.parametrize("when", ["before", "meanwhile", "after"])
def test_a_stack_that_cannot_be_updated_is_told_of(status: str, when: str) -> None:
    account = Account()
    if when == "before":
        account.statuses = [status]
    elif when == "meanwhile":
        account.on_trained = lambda account: account.statuses.__setitem__(0, status)
    else:
        account.after_update = ("UPDATE_IN_PROGRESS", status)
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.told()[0] == "Retraining: the stack cannot be updated"
    assert status in account.told()[1]
    assert bool(account.of("sagemaker:createTrainingJob")) is (when != "before")


def test_a_model_that_serves_already_is_no_failure() -> None:
    error = "CloudFormation.CloudFormationException"
    refusal = StateError(error, "No updates are to be performed. (Service: CloudFormation)")
    account = Account(faults={"updateStack": [refusal] * 99})
    account.run()
    assert account.told()[0] == "Retraining: a new model serves"


def test_an_update_that_is_refused_is_told_of() -> None:
    refusal = StateError("CloudFormation.InsufficientCapabilitiesException", "no capability")
    account = Account(faults={"updateStack": [refusal] * 99})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert "no capability" in account.told()[1]


def test_an_execution_that_cannot_tell_fails_for_the_alarm() -> None:
    # GIVEN a topic that cannot be written to
    account = Account(faults={"publish": [StateError("SNS.NotFoundException")] * 99})
    # WHEN the machine runs THEN the execution fails, though the model serves
    with pytest.raises(StateError, match=r"NobodyWasTold: stack: a new model serves"):
        account.run()
    # ... and an alarm watches for that
    alarm = deployed(**RETRAINING)["Resources"]["RetrainingFailures"]["Properties"]
    watched = {one["MetricStat"]["Metric"]["MetricName"] for one in alarm["Metrics"][1:]}
    assert watched == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}


# The definition


def test_every_task_is_tried_again_and_caught_and_every_execution_ends_in_time() -> None:
    machine = json.loads(definition())
    assert machine["TimeoutSeconds"] <= 7 * 24 * 3600
    tasks = [one for one in machine["States"].values() if one["Type"] == "Task"]
    for task in tasks:
        assert all(rule.get("JitterStrategy") or rule["BackoffRate"] == 1 for rule in task["Retry"])
        assert [one["ErrorEquals"] for one in task["Catch"]] == [["States.ALL"]]


def test_every_state_is_tested() -> None:
    """Which state is left by which test, over all the runs above."""
    reached: set[str] = set()
    runs = [
        Account(),
        Account(new_files=0),
        Account(others_running=("arn:aws:states:us-east-1:123456789012:execution:machine:x",)),
        Account(verdict={"deploy": False, "version": NEW, "summary": ""}),
        Account(statuses=["ROLLBACK_COMPLETE"]),
        Account(after_update=("UPDATE_ROLLBACK_COMPLETE",)),
        Account(faults={"updateStack": [StateError("X", "y")] * 99}),
        Account(faults={"publish": [StateError("X")] * 99}),
        Account(on_trained=lambda account: setattr(account, "version", "0" * 16)),
    ]
    for account in runs:
        with suppress(StateError):
            account.run()
        reached |= set(account.machine.visited)
    assert reached == set(json.loads(definition())["States"])


def test_the_definition_is_valid_by_asl_validator(tmp_path: Path) -> None:
    assert_valid_asl(definition(), tmp_path)
