"""The state machine that retrains: LocalStack executes the definition.

S3, SNS and Step Functions are LocalStack's. CloudFormation, Lambda and SageMaker are answered here,
each call checked by botocore's models.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from inference.s3_uri import S3Uri
from tests.cloudformation import MODEL, RETRAINING, deployed, parameters
from tests.conftest import ROOT
from tests.sagemaker import require_valid_request
from tests.step_functions.interpreter import AwsError, Input, Interpreter, StateError
from tests.step_functions.validator import assert_valid_asl
from training.fit.settings import Settings
from training.sagemaker import retraining
from training.sagemaker.job import JobOptions, TrainingJob

pytestmark = pytest.mark.timeout(900)  # the first test starts LocalStack

DEFINITION = ROOT / "training" / "sagemaker" / "retraining.asl.json"
BUCKET = RETRAINING["RetrainingBucket"]
OLD, NEW = MODEL["ModelVersion"], "fedcba9876543210"
STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/stack/1"
TIME = "2026-01-01T00:00:00Z"
NewAccount = Callable[..., "Account"]


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
    """The account in which it runs; every answer that LocalStack does not give comes from here."""

    interpreter: Interpreter
    verdict: dict[str, Any] = field(
        default_factory=lambda: {"deploy": True, "version": NEW, "summary": "one point better"}
    )
    version: str = OLD  # of the model that serves
    alias: str = "12"  # the version of the function that serves ...
    deployed: str = "12"  # ... and the one that the stack deployed
    weights: dict[str, float] = field(default_factory=dict)  # the candidate's share
    # The status of the stack at each look; the last one stays.
    statuses: list[str] = field(default_factory=lambda: ["CREATE_COMPLETE"])
    after_update: tuple[str, ...] = ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    new_files: int = 3
    folders: int = 0  # objects of zero bytes
    # What the training job is at each look; the last one stays.
    job: list[dict[str, str]] = field(default_factory=lambda: [{"TrainingJobStatus": "Completed"}])
    faults: dict[str, Iterator[AwsError]] = field(default_factory=dict)  # by operation
    on_trained: Callable[["Account"], None] = lambda _: None
    on_waited: Callable[["Account"], None] = lambda _: None  # before a Wait state ends
    calls: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def definition(self) -> str:
        """The definition, with a topic that exists."""
        topic = self.interpreter.client("sns").create_topic(Name="alarms")["TopicArn"]
        return definition().replace("AlarmTopic", topic)

    def run(self) -> Any:
        """Execute the machine; return its output."""
        self._fill_bucket()
        self._subscribe()
        self.interpreter.use(self._answer)
        return self.interpreter.execute(self.definition, {"any": "input"})

    def _fill_bucket(self) -> None:
        s3 = self.interpreter.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for old in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=old["Key"])
        for number, size in enumerate([0] * self.folders + [100] * self.new_files):
            s3.put_object(Bucket=BUCKET, Key=f"stack/new/{number}", Body=bytes(size))
        request = json.dumps(prepared())
        s3.put_object(Bucket=BUCKET, Key="stack/retraining/request.json", Body=request)

    def _subscribe(self) -> None:
        sns, sqs = self.interpreter.client("sns"), self.interpreter.client("sqs")
        topic = sns.create_topic(Name="alarms")["TopicArn"]
        self._queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        arn = queue["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        sqs.purge_queue(QueueUrl=self._queue)

    def notification(self) -> tuple[str, str]:
        """Return subject and message of the one notification that reached the topic."""
        received = self.interpreter.client("sqs").receive_message(
            QueueUrl=self._queue, WaitTimeSeconds=10, MaxNumberOfMessages=10
        )
        (message,) = received["Messages"]
        body = json.loads(message["Body"])
        return body["Subject"], body["Message"]

    def inputs(self, operation: str) -> list[Any]:
        """Return the inputs of the calls of an operation that did not fail."""
        return [given for name, given in self.calls if name == operation]

    def _answer(self, event: str, given: Input) -> Input | None:
        if event == "wait":
            self.on_waited(self)
        service, _, operation = event.partition(":")
        if service not in ("cloudformation", "lambda", "s3", "sagemaker", "sns", "stepfunctions"):
            return None
        # The interpreter's client does not check what it sends.
        given = {name: value for name, value in given.items() if value is not None}
        require_valid_request(service, operation, given)
        if error := next(self.faults.get(operation, iter(())), None):
            raise error
        self.calls.append((operation, given))
        answers: dict[str, Callable[[Input], Input]] = {
            "DescribeStacks": self._describe_stacks,
            "GetAlias": self._get_alias,
            "GetFunctionConfiguration": self._get_configuration,
            "UpdateStack": self._update_stack,
            "CreateTrainingJob": self._train,
            "DescribeTrainingJob": self._describe_job,
        }
        return answers[operation](given) if operation in answers else None

    def _describe_stacks(self, _given: Input) -> Input:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == "UPDATE_COMPLETE" and self.inputs("UpdateStack"):
            self.version, self.alias, self.deployed = NEW, "13", "13"
        outputs = [
            {"OutputKey": "Function", "OutputValue": "function"},
            {"OutputKey": "Version", "OutputValue": self.deployed},
        ]
        stack = {"StackName": "stack", "StackId": STACK_ID, "CreationTime": TIME}
        return {"Stacks": [{**stack, "StackStatus": status, "Outputs": outputs}]}

    def _get_alias(self, _given: Input) -> Input:
        routing = {"RoutingConfig": {"AdditionalVersionWeights": self.weights}}
        return {"Name": "live", "FunctionVersion": self.alias} | (routing if self.weights else {})

    def _get_configuration(self, given: Input) -> Input:
        assert given["Qualifier"] == self.alias
        uri = f"{MODEL['ModelStore']}/{self.version}"
        return {"Environment": {"Variables": {"MODEL_URI": uri}}}

    def _update_stack(self, _given: Input) -> Input:
        self.statuses = list(self.after_update)
        return {"StackId": STACK_ID}

    def _train(self, given: Input) -> Input:
        """Write what the job would, at once."""
        name = given["TrainingJobName"]
        verdict = json.dumps(self.verdict)
        s3 = self.interpreter.client("s3")
        s3.put_object(Bucket=BUCKET, Key=f"stack/{name}/verdict.json", Body=verdict)
        self.on_trained(self)
        return {"TrainingJobArn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"}

    def _describe_job(self, given: Input) -> Input:
        job = self.job.pop(0) if len(self.job) > 1 else self.job[0]
        return {**given, "CreationTime": TIME, **job}


@pytest.fixture
def new_account(interpreter: Interpreter) -> NewAccount:
    """Makes an account."""
    return partial(Account, interpreter)


# What it does


def test_a_better_model_is_trained_deployed_and_announced(new_account: NewAccount) -> None:
    # GIVEN new rows, and a job that makes a better model of them
    account = new_account()
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


def test_an_update_names_every_parameter(new_account: NewAccount) -> None:
    """CloudFormation resets a parameter that is left out to its default."""
    account = new_account()
    account.run()
    (update,) = account.inputs("UpdateStack")
    named = Counter(one["ParameterKey"] for one in update["Parameters"])
    assert named == Counter(parameters().keys())


def test_each_execution_gives_its_job_another_name(new_account: NewAccount) -> None:
    first, second = new_account(), new_account()
    names = set()
    for account in (first, second):
        account.run()
        names.add(account.inputs("CreateTrainingJob")[0]["TrainingJobName"])
    assert len(names) == 2


def test_a_worse_model_is_not_deployed(new_account: NewAccount) -> None:
    account = new_account(verdict={"deploy": False, "version": NEW, "summary": "a point worse"})
    assert account.run()["failed"] is False
    assert account.inputs("UpdateStack") == []
    assert account.notification() == (
        "Retraining: the current model stays",
        "stack: the current model keeps serving. a point worse",
    )


def test_without_new_rows_nothing_is_trained(new_account: NewAccount) -> None:
    account = new_account(new_files=0)
    account.run()
    assert account.inputs("CreateTrainingJob") == []
    assert "no files in s3://jobs/stack/new/" in account.notification()[1]


@pytest.mark.parametrize(("folders", "files", "trained"), [(2, 0, False), (2, 1, True)])
def test_a_marker_of_a_folder_is_no_file(
    folders: int, files: int, trained: bool, new_account: NewAccount
) -> None:
    # GIVEN a folder that was made in the console, with and without a file
    account = new_account(folders=folders, new_files=files)
    # WHEN the machine runs THEN only a file makes it train
    account.run()
    assert bool(account.inputs("CreateTrainingJob")) is trained


def test_after_a_rollback_the_new_model_is_compared_with_the_one_that_serves(
    new_account: NewAccount,
) -> None:
    # GIVEN a stack whose rollback was finished: another model serves than its ModelVersion says
    account = new_account(version="00112233445566aa")
    # WHEN the machine runs
    account.run()
    # THEN the job is told to compare with the model that serves
    (job,) = account.inputs("CreateTrainingJob")
    assert json.loads(job["HyperParameters"]["previous"]) == "s3://models/news/00112233445566aa"
    assert account.notification()[0] == "Retraining: a new model is live"


def test_an_unfinished_rollback_is_reported_before_anything_is_trained(
    new_account: NewAccount,
) -> None:
    # GIVEN an alias that is not where the stack put it, which CodeDeploy would refuse
    account = new_account(alias="11")
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.inputs("CreateTrainingJob") == []
    assert "textclf rollback --finish" in account.notification()[1]


def test_a_candidate_is_reported_before_anything_is_trained(new_account: NewAccount) -> None:
    # GIVEN an alias with two versions, which CodeDeploy would refuse
    account = new_account(weights={"14": 0.1})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.inputs("CreateTrainingJob") == []
    assert account.notification()[0] == "Retraining: a candidate is being tried"


def test_the_weights_of_a_canary_are_no_candidate(new_account: NewAccount) -> None:
    # GIVEN a deployment whose canary has a share of the requests until it ends
    account = new_account(statuses=["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"], weights={"13": 0.1})
    account.on_waited = lambda account: account.weights.clear()
    # WHEN the machine runs THEN it waits for the end, and trains
    account.run()
    assert account.notification()[0] == "Retraining: a new model is live"


def test_the_machine_waits_for_the_canary(new_account: NewAccount) -> None:
    # GIVEN a deployment of ten minutes
    account = new_account(after_update=("UPDATE_IN_PROGRESS",) * 10 + ("UPDATE_COMPLETE",))
    # WHEN the machine runs THEN it looks every minute until the end
    account.run()
    assert account.interpreter.waits == [10] + [60] * 11
    assert account.notification()[0] == "Retraining: a new model is live"


# Two at once


def start_another(account: Account) -> None:
    """Execute the machine once more while the job of the first execution is created."""
    account.interpreter.execute(account.definition, {})


def test_of_two_executions_only_the_first_continues(new_account: NewAccount) -> None:
    # GIVEN an execution that trains, and a second one that starts meanwhile
    account = new_account(on_trained=start_another)
    # WHEN both end THEN the second has not trained, and the first has deployed its model
    account.run()
    assert len(account.inputs("CreateTrainingJob")) == 1
    assert [message["Subject"] for message in account.inputs("Publish")] == [
        "Retraining: already in progress",
        "Retraining: a new model is live",
    ]


def test_training_waits_for_the_end_of_another_deployment(new_account: NewAccount) -> None:
    account = new_account(statuses=["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])
    account.run()
    assert account.interpreter.waits[:3] == [10, 60, 60]
    assert account.notification()[0] == "Retraining: a new model is live"


def test_a_model_that_is_deployed_meanwhile_is_not_replaced(new_account: NewAccount) -> None:
    # GIVEN another model that is deployed while the job trains
    def deploy(account: Account) -> None:
        account.version = "00112233445566aa"
        account.statuses = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]

    account = new_account(on_trained=deploy)
    # WHEN the job is done THEN its model, which was compared with the old one, is not deployed
    account.run()
    assert account.inputs("UpdateStack") == []
    assert account.notification()[0] == "Retraining: another model was deployed meanwhile"


# Failures


@pytest.mark.parametrize(
    "end",
    [
        {"TrainingJobStatus": "Failed", "FailureReason": "DataError: no such column"},
        {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxWaitTimeExceeded"},
    ],
    ids=["failed", "interrupted"],
)
def test_a_job_that_does_not_complete_is_reported_and_not_repeated(
    end: dict[str, str], new_account: NewAccount
) -> None:
    # GIVEN a job that ends otherwise than completed
    account = new_account(job=[{"TrainingJobStatus": "InProgress"}, end])
    # WHEN the machine runs THEN it fails, with the job's description in the notification
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert len(account.inputs("CreateTrainingJob")) == 1
    assert account.inputs("UpdateStack") == []
    subject, message = account.notification()
    assert subject == "Retraining: failed"
    assert message.startswith("stack: States.TaskFailed: {")
    job = json.loads(message.removeprefix("stack: States.TaskFailed: "))
    assert {name: job[name] for name in end} == end


def test_the_job_waits_until_the_quota_has_room(new_account: NewAccount) -> None:
    refusals = repeat(AwsError("ResourceLimitExceeded", "quota"), 5)
    account = new_account(faults={"CreateTrainingJob": refusals})
    account.run()
    assert account.interpreter.pauses == [600] * 5
    assert account.notification()[0] == "Retraining: a new model is live"


# The operation that each state calls, and what AWS names an error that is in none of its models.
OPERATIONS = {
    "ListExecutions": "Sfn.SfnException",
    "DescribeStacks": "CloudFormation.CloudFormationException",
    "UpdateStack": "CloudFormation.CloudFormationException",
    "GetAlias": "Lambda.LambdaException",
    "GetFunctionConfiguration": "Lambda.LambdaException",
    "ListObjectsV2": "S3.S3Exception",
    "GetObject": "S3.S3Exception",
    "CreateTrainingJob": "SageMaker.AmazonSageMakerException",
    "Publish": "SNS.ThrottlingException",
}
THROTTLED = AwsError("ThrottlingException", "Rate exceeded")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_throttled_calls_are_repeated_after_random_pauses(
    operation: str, new_account: NewAccount
) -> None:
    # GIVEN a service that throttles three times
    account = new_account(faults={operation: repeat(THROTTLED, 3)})
    # WHEN the machine runs THEN it reaches its end
    account.run()
    assert account.notification()[0] == "Retraining: a new model is live"
    first = 5 if operation == "CreateTrainingJob" else 2
    pauses = account.interpreter.pauses
    assert len(set(pauses)) == 3
    assert all(0 <= pause <= first * 2**done for done, pause in enumerate(pauses))


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "Publish"])
def test_an_outage_is_reported(operation: str, new_account: NewAccount) -> None:
    outage = repeat(AwsError("ServiceUnavailable", "try later", 503))
    account = new_account(faults={operation: outage})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    subject, message = account.notification()
    assert subject == "Retraining: failed"
    assert message.startswith(f"stack: {OPERATIONS[operation]}: try later")
    assert len(account.interpreter.pauses) == 6


def test_a_deployment_that_an_alarm_rolls_back_is_reported(new_account: NewAccount) -> None:
    # GIVEN a canary that an alarm stops
    steps = ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    account = new_account(after_update=steps)
    # WHEN the machine runs THEN it fails, and the old model serves
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert account.version == OLD
    assert account.notification()[0] == "Retraining: the new model was rolled back"


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE"])
@pytest.mark.parametrize("when", ["before", "meanwhile", "after"])
def test_a_stack_that_cannot_be_updated_is_reported(
    status: str, when: str, new_account: NewAccount
) -> None:
    account = new_account()
    if when == "before":
        account.statuses = [status]
    elif when == "meanwhile":
        account.on_trained = lambda account: account.statuses.__setitem__(0, status)
    else:
        account.after_update = ("UPDATE_IN_PROGRESS", status)
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    subject, message = account.notification()
    assert subject == "Retraining: the stack cannot be updated"
    assert status in message
    assert bool(account.inputs("CreateTrainingJob")) is (when != "before")


def test_a_model_that_is_already_live_counts_as_deployed(new_account: NewAccount) -> None:
    refusal = AwsError("ValidationError", "No updates are to be performed.")
    account = new_account(faults={"UpdateStack": repeat(refusal)})
    account.run()
    assert account.notification()[0] == "Retraining: a new model is live"


def test_a_refused_update_is_reported(new_account: NewAccount) -> None:
    refusal = AwsError("InsufficientCapabilitiesException", "no capability")
    account = new_account(faults={"UpdateStack": repeat(refusal)})
    with pytest.raises(StateError, match="RetrainingFailed"):
        account.run()
    assert "no capability" in account.notification()[1]


def test_an_execution_that_cannot_notify_fails_and_sets_off_the_alarm(
    new_account: NewAccount,
) -> None:
    # GIVEN a topic that does not exist
    account = new_account(faults={"Publish": repeat(AwsError("NotFound"))})
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


def test_every_state_is_reached(new_account: NewAccount) -> None:
    """The runs above leave out no state."""
    reached: set[str] = set()
    runs = [
        new_account(on_trained=start_another),
        new_account(new_files=0),
        new_account(new_files=0, folders=1),
        new_account(weights={"14": 0.1}),
        new_account(alias="11"),
        new_account(verdict={"deploy": False, "version": NEW, "summary": ""}),
        new_account(statuses=["ROLLBACK_COMPLETE"]),
        new_account(after_update=("UPDATE_ROLLBACK_COMPLETE",)),
        new_account(faults={"UpdateStack": repeat(THROTTLED)}),
        new_account(faults={"Publish": repeat(THROTTLED)}),
        new_account(on_trained=lambda account: setattr(account, "version", "0" * 16)),
    ]
    for account in runs:
        with suppress(StateError):
            account.run()
        reached |= account.interpreter.visited()
    assert reached == set(json.loads(definition())["States"])


@pytest.mark.usefixtures("outside")
def test_the_definition_is_valid_by_asl_validator(tmp_path: Path) -> None:
    assert_valid_asl(definition(), tmp_path)
