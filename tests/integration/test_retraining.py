"""The state machine that retrains: its own definition, each call checked by botocore's models."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from inference.s3_uri import S3Uri
from tests.cloudformation import MODEL, RETRAINING, deployed, parameters
from tests.conftest import ROOT
from tests.sagemaker import require_valid_request
from tests.state_machine import StateError, StateMachine, assert_valid_asl
from training.fit.settings import Settings
from training.sagemaker import retraining
from training.sagemaker.job import JobOptions, TrainingJob

DEFINITION = ROOT / "training" / "sagemaker" / "retraining.asl.json"
OLD, NEW = MODEL["ModelVersion"], "fedcba9876543210"
STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/stack/1"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:machine:x"
RESOURCES = {
    "sfn:ListExecutions": "aws-sdk:sfn:listExecutions",
    "cloudformation:DescribeStacks": "aws-sdk:cloudformation:describeStacks",
    "cloudformation:UpdateStack": "aws-sdk:cloudformation:updateStack",
    "lambda:GetAlias": "aws-sdk:lambda:getAlias",
    "lambda:GetFunctionConfiguration": "aws-sdk:lambda:getFunctionConfiguration",
    "s3:ListObjectsV2": "aws-sdk:s3:listObjectsV2",
    "s3:GetObject": "aws-sdk:s3:getObject",
    "sagemaker:CreateTrainingJob": "sagemaker:createTrainingJob.sync",
    "sns:Publish": "sns:publish",
}


@cache
def prepared() -> dict[str, Any]:
    """Describe a job as `textclf sagemaker prepare` leaves it for the state machine."""
    job = TrainingJob(
        name=retraining.NAME,
        region="us-east-1",
        role=RETRAINING["RetrainingRole"],
        output=S3Uri("jobs", "stack"),
        store=S3Uri.parse(MODEL["ModelStore"]),
        settings=Settings(
            data="s3://data/news.csv.xz", output="", epochs=2, new_rows="s3://jobs/stack/new"
        ),
        options=JobOptions(tag=("team=news",)),
    )
    return retraining.describe_retraining(job)


@cache
def definition() -> str:
    """Return the definition as CloudFormation substitutes it."""
    machine = deployed(**RETRAINING)["Resources"]["RetrainingStateMachine"]["Properties"]
    text = DEFINITION.read_text()
    for name, value in machine["DefinitionSubstitutions"].items():
        assert f"${{{name}}}" in text
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return text


@dataclass
class Account:
    """The answers of the services; each call is checked against AWS's model of its input."""

    verdict: dict[str, Any] = field(
        default_factory=lambda: {"deploy": True, "version": NEW, "summary": "one point better"}
    )
    version: str = OLD  # of the model that serves
    alias: str = "7"  # the version of the function that serves ...
    deployed: str = "7"  # ... and the one that the stack deployed
    weights: dict[str, float] = field(default_factory=dict)  # the candidate's share
    # The status of the stack at each look; the last one stays.
    statuses: list[str] = field(default_factory=lambda: ["CREATE_COMPLETE"])
    after_update: tuple[str, ...] = ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    new_files: int = 3
    folders: int = 0  # objects of zero bytes
    earlier_executions: tuple[str, ...] = ()
    faults: dict[str, list[StateError]] = field(default_factory=dict)
    on_trained: Callable[["Account"], None] = lambda _: None
    on_waited: Callable[["Account"], None] = lambda _: None  # when the stack is described again
    calls: list[tuple[str, Any]] = field(default_factory=list)
    machine: StateMachine = field(init=False)

    def __post_init__(self) -> None:
        self.machine = StateMachine(
            json.loads(definition()),
            {
                f"arn:aws:states:::{resource}": partial(self._call, name)
                for name, resource in RESOURCES.items()
            },
        )

    def run(self) -> Any:
        """Execute the machine; return its output."""
        return self.machine.run({"any": "input"})

    def notification(self) -> tuple[str, str]:
        """Return subject and message of the one notification."""
        (message,) = self.inputs("Publish")
        return message["Subject"], message["Message"]

    def inputs(self, operation: str) -> list[Any]:
        """Return the inputs of the calls of an operation that were answered."""
        return [given for name, given in self.calls if name == operation]

    def _call(self, name: str, given: Any) -> Any:
        service, operation = name.split(":")
        if service == "sfn":  # Step Functions capitalises all names, even those of its own API
            lower = {key[0].lower() + key[1:]: value for key, value in given.items()}
            require_valid_request("stepfunctions", operation, lower)
        else:
            require_valid_request(service, operation, given)
        if faults := self.faults.get(operation):
            raise faults.pop(0)
        self.calls.append((operation, given))
        answers: dict[str, Callable[[Any], Any]] = {
            "ListExecutions": self._list_executions,
            "DescribeStacks": self._describe_stacks,
            "GetAlias": self._get_alias,
            "GetFunctionConfiguration": self._get_configuration,
            "UpdateStack": self._update_stack,
            "ListObjectsV2": self._list_objects,
            "GetObject": self._get_object,
            "CreateTrainingJob": self._train,
            "Publish": lambda _: {"MessageId": "1"},
        }
        return answers[operation](given)

    def _list_executions(self, _given: Any) -> Any:
        arns = [self.machine.execution, *self.earlier_executions]  # the newest first
        return {"Executions": [{"ExecutionArn": arn, "Status": "RUNNING"} for arn in arns]}

    def _describe_stacks(self, _given: Any) -> Any:
        if len(self.inputs("DescribeStacks")) > 1:
            self.on_waited(self)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == "UPDATE_COMPLETE" and self.inputs("UpdateStack"):
            self.version, self.alias, self.deployed = NEW, "8", "8"
        outputs = [
            {"OutputKey": "Function", "OutputValue": "function"},
            {"OutputKey": "Version", "OutputValue": self.deployed},
        ]
        return {"Stacks": [{"StackId": STACK_ID, "StackStatus": status, "Outputs": outputs}]}

    def _get_alias(self, _given: Any) -> Any:
        routing = {"RoutingConfig": {"AdditionalVersionWeights": self.weights}}
        return {"Name": "live", "FunctionVersion": self.alias} | (routing if self.weights else {})

    def _get_configuration(self, given: Any) -> Any:
        assert given["Qualifier"] == self.alias
        uri = f"{MODEL['ModelStore']}/{self.version}"
        return {"Environment": {"Variables": {"MODEL_URI": uri}}}

    def _list_objects(self, given: Any) -> Any:
        sizes = [0] * self.folders + [100] * self.new_files
        contents = [
            {"Key": f"{given['Prefix']}{number}", "Size": size} for number, size in enumerate(sizes)
        ][: given["MaxKeys"]]
        return {"KeyCount": len(contents)} | ({"Contents": contents} if contents else {})

    def _update_stack(self, _given: Any) -> Any:
        self.statuses = list(self.after_update)
        return {"StackId": STACK_ID}

    def _get_object(self, given: Any) -> Any:
        assert given["Bucket"] == "jobs"
        if given["Key"] == "stack/retraining/request.json":
            return {"Body": json.dumps(prepared())}
        job = self.inputs("CreateTrainingJob")[0]["TrainingJobName"]
        assert given["Key"] == f"stack/{job}/verdict.json"
        return {"Body": json.dumps(self.verdict)}

    def _train(self, given: Any) -> Any:
        self.on_trained(self)
        return given | {"TrainingJobStatus": "Completed"}


# What it does


def test_a_better_model_is_trained_deployed_and_announced() -> None:
    # GIVEN new rows, and a job that makes a better model of them
    account = Account()
    # WHEN the machine runs
    output = account.run()
    # THEN the job is the prepared one with the stack's role, and knows the bundle to compare with
    (job,) = account.inputs("CreateTrainingJob")
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
    (update,) = account.inputs("UpdateStack")
    assert update["UsePreviousTemplate"] is True
    changed = [one for one in update["Parameters"] if not one.get("UsePreviousValue")]
    assert changed == [
        {"ParameterKey": "ModelVersion", "ParameterValue": NEW},
        {"ParameterKey": "ShiftTraffic", "ParameterValue": "true"},
    ]
    # THEN the topic is notified
    assert account.notification() == (
        "Retraining: a new model is live",
        "stack: a new model is live. one point better",
    )
    assert output["failed"] is False


def test_an_update_names_every_parameter() -> None:
    """CloudFormation resets a parameter that is left out to its default."""
    account = Account()
    account.run()
    (update,) = account.inputs("UpdateStack")
    named = Counter(one["ParameterKey"] for one in update["Parameters"])
    assert named == Counter(parameters().keys())


def test_each_execution_gives_its_job_another_name() -> None:
    first, second = Account(), Account()
    names = set()
    for account in (first, second):
        account.run()
        names.add(account.inputs("CreateTrainingJob")[0]["TrainingJobName"])
    assert len(names) == 2


def test_a_worse_model_is_not_deployed() -> None:
    account = Account(verdict={"deploy": False, "version": NEW, "summary": "a point worse"})
    assert account.run()["failed"] is False
    assert account.inputs("UpdateStack") == []
    assert account.notification() == (
        "Retraining: the current model stays",
        "stack: the current model keeps serving. a point worse",
    )


def test_without_new_rows_nothing_is_trained() -> None:
    account = Account(new_files=0)
    account.run()
    assert account.inputs("CreateTrainingJob") == []
    assert "no files in s3://jobs/stack/new/" in account.notification()[1]


@pytest.mark.parametrize(("folders", "files", "trained"), [(2, 0, False), (2, 1, True)])
def test_a_marker_of_a_folder_is_no_file(folders: int, files: int, trained: bool) -> None:
    # GIVEN a folder that was made in the console, with and without a file
    account = Account(folders=folders, new_files=files)
    # WHEN the machine runs THEN only a file makes it train
    account.run()
    assert bool(account.inputs("CreateTrainingJob")) is trained


def test_after_a_rollback_the_new_model_is_compared_with_the_one_that_serves() -> None:
    # GIVEN a stack whose rollback was finished: another model serves than its ModelVersion says
    account = Account(version="00112233445566aa")
    # WHEN the machine runs
    account.run()
    # THEN the job is told to compare with the model that serves
    (job,) = account.inputs("CreateTrainingJob")
    assert json.loads(job["HyperParameters"]["previous"]) == "s3://models/news/00112233445566aa"
    assert account.notification()[0] == "Retraining: a new model is live"


def test_an_unfinished_rollback_is_reported_before_anything_is_trained() -> None:
    # GIVEN an alias that is not where the stack put it, which CodeDeploy would refuse
    account = Account(alias="6")
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.inputs("CreateTrainingJob") == []
    assert "textclf rollback --finish" in account.notification()[1]


def test_a_candidate_is_reported_before_anything_is_trained() -> None:
    # GIVEN an alias with two versions, which CodeDeploy would refuse
    account = Account(weights={"9": 0.1})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.inputs("CreateTrainingJob") == []
    assert account.notification()[0] == "Retraining: a candidate is being tried"


def test_the_weights_of_a_canary_are_no_candidate() -> None:
    # GIVEN a deployment whose canary has a share of the requests until it ends
    account = Account(statuses=["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"], weights={"8": 0.1})
    account.on_waited = lambda account: account.weights.clear()
    # WHEN the machine runs THEN it waits for the end, and trains
    account.run()
    assert account.notification()[0] == "Retraining: a new model is live"


def test_the_machine_waits_for_the_canary() -> None:
    # GIVEN a deployment of ten minutes
    account = Account(after_update=("UPDATE_IN_PROGRESS",) * 10 + ("UPDATE_COMPLETE",))
    # WHEN the machine runs THEN it looks every minute until the end
    account.run()
    assert account.machine.waits.count(("WaitForStack", 60)) == 11
    assert account.notification()[0] == "Retraining: a new model is live"


# Two at once


def test_of_two_executions_only_the_first_continues() -> None:
    # GIVEN an execution that started before
    account = Account(earlier_executions=(EXECUTION,))
    # WHEN the machine runs THEN it ends without training
    account.run()
    assert account.inputs("CreateTrainingJob") == []
    assert account.notification()[0] == "Retraining: already in progress"


def test_training_waits_for_the_end_of_another_deployment() -> None:
    account = Account(statuses=["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])
    account.run()
    assert account.machine.visited.count("WaitForStack") >= 2
    assert account.notification()[0] == "Retraining: a new model is live"


def test_a_model_that_is_deployed_meanwhile_is_not_replaced() -> None:
    # GIVEN another model that is deployed while the job trains
    def deploy(account: Account) -> None:
        account.version = "00112233445566aa"
        account.statuses = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]

    account = Account(on_trained=deploy)
    # WHEN the job is done THEN its model, which was compared with the old one, is not deployed
    account.run()
    assert account.inputs("UpdateStack") == []
    assert account.notification()[0] == "Retraining: another model was deployed meanwhile"


# Failures


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("States.TaskFailed", '{"FailureReason": "DataError: no such column"}'),
        ("States.TaskFailed", '{"SecondaryStatus": "MaxWaitTimeExceeded"}'),
        ("States.Timeout", ""),
    ],
    ids=["failed", "interrupted", "late"],
)
def test_a_job_that_does_not_complete_is_reported_and_not_repeated(error: str, cause: str) -> None:
    account = Account(faults={"CreateTrainingJob": [StateError(error, cause)] * 2})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert len(account.faults["CreateTrainingJob"]) == 1
    assert account.inputs("UpdateStack") == []
    assert account.notification() == ("Retraining: failed", f"stack: {error}: {cause}")


def test_the_job_waits_until_the_quota_has_room() -> None:
    error = StateError("SageMaker.ResourceLimitExceededException", "quota")
    account = Account(faults={"CreateTrainingJob": [error] * 5})
    account.run()
    assert account.machine.waits.count(("Train", 600)) == 5
    assert account.notification()[0] == "Retraining: a new model is live"


THROTTLED = {
    "ListExecutions": "Sfn.SfnException",
    "DescribeStacks": "CloudFormation.CloudFormationException",
    "UpdateStack": "CloudFormation.CloudFormationException",
    "GetAlias": "Lambda.LambdaException",
    "GetFunctionConfiguration": "Lambda.LambdaException",
    "ListObjectsV2": "S3.S3Exception",
    "GetObject": "S3.S3Exception",
    "CreateTrainingJob": "SageMaker.AmazonSageMakerException",
    "Publish": "SNS.ThrottledException",
}


@pytest.mark.parametrize("operation", THROTTLED)
def test_throttled_calls_are_repeated_after_random_waits(operation: str) -> None:
    # GIVEN a service that throttles three times
    faults = [StateError(THROTTLED[operation], "Rate exceeded") for _ in range(3)]
    account = Account(faults={operation: faults})
    # WHEN the machine runs THEN it reaches its end
    account.run()
    assert account.notification()[0] == "Retraining: a new model is live"
    waits = [seconds for _, seconds in account.machine.waits if seconds not in (10, 60)]
    assert len(set(waits)) == 3
    assert all(isinstance(seconds, float) for seconds in waits)


@pytest.mark.parametrize("operation", [name for name in THROTTLED if name != "Publish"])
def test_an_outage_is_reported(operation: str) -> None:
    faults = [StateError(THROTTLED[operation], "Service unavailable") for _ in range(99)]
    account = Account(faults={operation: faults})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    subject, message = account.notification()
    assert subject == "Retraining: failed"
    assert "Service unavailable" in message


def test_a_deployment_that_an_alarm_rolls_back_is_reported() -> None:
    # GIVEN a canary that an alarm stops
    steps = ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    account = Account(after_update=steps)
    # WHEN the machine runs THEN it fails, and the old model serves
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.version == OLD
    assert account.notification()[0] == "Retraining: the new model was rolled back"


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE"])
@pytest.mark.parametrize("when", ["before", "meanwhile", "after"])
def test_a_stack_that_cannot_be_updated_is_reported(status: str, when: str) -> None:
    account = Account()
    if when == "before":
        account.statuses = [status]
    elif when == "meanwhile":
        account.on_trained = lambda account: account.statuses.__setitem__(0, status)
    else:
        account.after_update = ("UPDATE_IN_PROGRESS", status)
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.notification()[0] == "Retraining: the stack cannot be updated"
    assert status in account.notification()[1]
    assert bool(account.inputs("CreateTrainingJob")) is (when != "before")


def test_a_model_that_is_already_live_counts_as_deployed() -> None:
    error = "CloudFormation.CloudFormationException"
    refusal = StateError(error, "No updates are to be performed. (Service: CloudFormation)")
    account = Account(faults={"UpdateStack": [refusal] * 99})
    account.run()
    assert account.notification()[0] == "Retraining: a new model is live"


def test_a_refused_update_is_reported() -> None:
    refusal = StateError("CloudFormation.InsufficientCapabilitiesException", "no capability")
    account = Account(faults={"UpdateStack": [refusal] * 99})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert "no capability" in account.notification()[1]


def test_an_execution_that_cannot_notify_fails_and_sets_off_the_alarm() -> None:
    # GIVEN a topic that does not exist
    account = Account(faults={"Publish": [StateError("SNS.NotFoundException")] * 99})
    # WHEN the machine runs THEN the execution fails, although the model is live
    with pytest.raises(StateError, match=r"NotificationFailed: stack: a new model is live"):
        account.run()
    # THEN an alarm watches for failed executions
    alarm = deployed(**RETRAINING)["Resources"]["RetrainingFailures"]["Properties"]
    watched = {one["MetricStat"]["Metric"]["MetricName"] for one in alarm["Metrics"][1:]}
    assert watched == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}


# The definition


def test_every_task_is_retried_and_caught_and_every_execution_is_limited() -> None:
    machine = json.loads(definition())
    assert machine["TimeoutSeconds"] <= 7 * 24 * 3600
    tasks = [one for one in machine["States"].values() if one["Type"] == "Task"]
    for task in tasks:
        assert all(rule.get("JitterStrategy") or rule["BackoffRate"] == 1 for rule in task["Retry"])
        assert [one["ErrorEquals"] for one in task["Catch"]] == [["States.ALL"]]


def test_every_state_is_reached() -> None:
    """The runs above leave out no state."""
    reached: set[str] = set()
    runs = [
        Account(),
        Account(new_files=0),
        Account(new_files=0, folders=1),
        Account(weights={"9": 0.1}),
        Account(alias="6"),
        Account(earlier_executions=(EXECUTION,)),
        Account(verdict={"deploy": False, "version": NEW, "summary": ""}),
        Account(statuses=["ROLLBACK_COMPLETE"]),
        Account(after_update=("UPDATE_ROLLBACK_COMPLETE",)),
        Account(faults={"UpdateStack": [StateError("X", "y")] * 99}),
        Account(faults={"Publish": [StateError("X")] * 99}),
        Account(on_trained=lambda account: setattr(account, "version", "0" * 16)),
    ]
    for account in runs:
        with suppress(StateError):
            account.run()
        reached |= set(account.machine.visited)
    assert reached == set(json.loads(definition())["States"])


def test_the_definition_is_valid_by_asl_validator(tmp_path: Path) -> None:
    assert_valid_asl(definition(), tmp_path)
