"""`textclf sagemaker`; every call is checked against botocore's model of the service."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tests.sagemaker import BEGIN, JOB_ARN, ROLE
from textclf.app import main
from training.sagemaker.job import TrainingJob
from training.sagemaker.quota import require_quota

REQUIRED = {"--data": "s3://data/news.csv.xz", "--output": "s3://jobs/news", "--role": ROLE}
PREPARE = ["sagemaker", "prepare", "stack", "--data", "s3://data/news.csv.xz"]


@cache  # SageMaker's model is large
def client(service: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name="us-east-1", **keys)  # type: ignore[call-overload]


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    """Stubs of the services that the commands call; at the end, no answer may be left."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("textclf.sagemaker._client", client)
    monkeypatch.setattr("textclf.sagemaker.require_quota", lambda *_: None)
    stubs = {name: Stubber(client(name)) for name in ("cloudformation", "logs", "s3", "sagemaker")}
    with ExitStack() as stack:
        for stub in stubs.values():
            stack.enter_context(stub)
        yield stubs
        for stub in stubs.values():
            stub.assert_no_pending_responses()


def describe_failure(stubs: dict[str, Stubber]) -> None:
    """Describe the job as failed, with an empty log."""
    answer = {
        "TrainingJobName": "name",
        "TrainingJobArn": JOB_ARN,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://jobs/news/output/model.tar.gz"},
        "TrainingJobStatus": "Failed",
        "SecondaryStatus": "Failed",
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "CreationTime": BEGIN,
        "FailureReason": "for a reason",
    }
    stubs["sagemaker"].add_response("describe_training_job", answer)
    stubs["logs"].add_response("filter_log_events", {"events": []})


def describe_stack(stubs: dict[str, Stubber], **parameters: str) -> None:
    """Describe the stack with these parameters."""
    pairs = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    stack = {"StackName": "stack", "StackStatus": "CREATE_COMPLETE", "CreationTime": BEGIN}
    answer = {"Stacks": [stack | {"Parameters": pairs}]}
    stubs["cloudformation"].add_response("describe_stacks", answer, {"StackName": "stack"})


def train(*options: str) -> int:
    """Run the command with these options, and with defaults for the required ones."""
    required = [word for pair in REQUIRED.items() if pair[0] not in options for word in pair]
    return main(["sagemaker", "train", *required, *options])


class Capture:
    """Equals everything, and keeps what it was compared with."""

    value: Any = None

    def __eq__(self, value: object) -> bool:
        self.value = value
        return True

    __hash__ = None  # type: ignore[assignment]


def test_train_starts_a_job_and_follows_it(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an account in which the next job fails
    stubs["s3"].add_response("put_object", {})
    hyperparameters = Capture()
    request = {"HyperParameters": hyperparameters, "RoleArn": ROLE}
    names = (
        *("TrainingJobName", "AlgorithmSpecification", "Environment", "InputDataConfig"),
        *("OutputDataConfig", "CheckpointConfig", "ResourceConfig", "StoppingCondition"),
        *("RetryStrategy", "EnableManagedSpotTraining", "EnableNetworkIsolation", "Tags"),
    )
    request |= dict.fromkeys(names, ANY)
    stubs["sagemaker"].add_response("create_training_job", {"TrainingJobArn": JOB_ARN}, request)
    describe_failure(stubs)
    # WHEN a job is started
    code = train("--epochs", "2", "--tag", "team=news", "--volume-gb", "60")
    # THEN it has the settings, and publishes to the folder of models under the output
    assert hyperparameters.value["epochs"] == "2.0"
    assert json.loads(hyperparameters.value["store"]) == "s3://jobs/news/models"
    # THEN its name is printed, and the reason why it failed
    out, err = capsys.readouterr()
    assert out.startswith("started news-")
    assert (code, err.endswith("failed: for a reason\n")) == (1, True)


@pytest.mark.parametrize(
    "options",
    [
        ["--subnets", "subnet-1", "subnet-2", "--security-groups", "sg-1"],
        ["--subnets", "subnet-1", "--subnets", "subnet-2", "--security-groups", "sg-1"],
    ],
    ids=["after one option", "repeated"],
)
def test_train_takes_several_subnets(
    options: list[str], monkeypatch: pytest.MonkeyPatch, stubs: dict[str, Stubber]
) -> None:
    started: list[TrainingJob] = []
    monkeypatch.setattr("textclf.sagemaker.jobs.start", lambda *given: started.append(given[-1]))
    describe_failure(stubs)
    train(*options)
    assert started[0].options.subnets == ("subnet-1", "subnet-2")


@pytest.mark.parametrize("options", [(), ("--allow-worse",)])
def test_train_passes_on_that_a_worse_model_is_welcome(
    options: tuple[str, ...], stubs: dict[str, Stubber], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[TrainingJob] = []
    monkeypatch.setattr("textclf.sagemaker.jobs.start", lambda *given: started.append(given[-1]))
    describe_failure(stubs)
    train(*options)
    assert started[0].allow_worse is bool(options)


def test_follow_comes_back_to_a_job(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    describe_failure(stubs)
    assert main(["sagemaker", "follow", "name"]) == 1
    assert capsys.readouterr().err == "error: name failed: for a reason\n"


def test_prepare_takes_role_bucket_and_store_from_the_stack(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a stack that retrains
    describe_stack(
        stubs, RetrainingBucket="jobs", RetrainingRole=ROLE, ModelStore="s3://models/news"
    )
    source = {"Bucket": "jobs", "Key": "stack/retraining/source/source.tar.gz", "Body": ANY}
    stubs["s3"].add_response("put_object", {}, source)
    body = Capture()
    request = {"Bucket": "jobs", "Key": "stack/retraining/request.json", "Body": body}
    stubs["s3"].add_response("put_object", {}, request | {"ContentType": "application/json"})
    # WHEN its retraining is prepared
    assert main([*PREPARE, "--new-rows-times", "3"]) == 0
    # THEN the job reads the data and the rows that are dropped into the stack's folder
    described = json.loads(body.value)
    channels = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in described["InputDataConfig"]
    }
    assert channels["training"] == "s3://data/news.csv.xz"
    assert channels["new"] == "s3://jobs/stack/new/"
    assert described["HyperParameters"]["new-rows-times"] == "3"
    # THEN it publishes to the stack's store
    assert json.loads(described["HyperParameters"]["store"]) == "s3://models/news"
    # THEN the command says where new rows go
    assert "s3://jobs/stack/new/" in capsys.readouterr().out


def test_a_stack_without_retraining_cannot_be_prepared(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    describe_stack(stubs, RetrainingBucket="", ModelStore="s3://models/news")
    assert main(PREPARE) == 1
    assert "deploy it with RetrainingBucket=BUCKET" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--split", "random"], ["--max-rows", "9"]])
def test_a_retraining_that_could_not_be_judged_is_refused(
    options: list[str], stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*PREPARE, *options]) == 2
    assert "needs all rows, split by story" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--data", "news.csv"], 1, "--data: 'news.csv' is not an S3 URI"),
        (["--output", "jobs"], 1, "--output: 'jobs' is not an S3 URI"),
        (["--store", "models"], 1, "--store: 'models' is not an S3 URI"),
        (["--role", "training"], 1, "--role training: give the ARN of a role"),
        (["--instance-type", "ml.trn1.2xlarge"], 1, "--instance-type ml.trn1.2xlarge"),
        (["--max-hours", "0"], 2, "--max-hours: Input should be greater than 0"),
        (["--epochs", "-1"], 2, "--epochs: Input should be greater than 0"),
        (["--tag", "team"], 2, "give KEY=VALUE"),
        (["--subnets", "subnet-1"], 2, "give both --subnets and --security-groups"),
        (["--epoches", "3"], 2, "--epoches"),
        (["--resume"], 2, "--resume"),
    ],
)
def test_a_job_that_would_fail_is_refused_before_it_starts(
    options: list[str],
    code: int,
    message: str,
    stubs: dict[str, Stubber],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train(*options) == code
    assert message in capsys.readouterr().err


def test_a_missing_option_is_named(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sagemaker", "train", "--data", "s3://data/news.csv"]) == 2
    assert "--output" in capsys.readouterr().err


def test_a_job_needs_a_region(
    monkeypatch: pytest.MonkeyPatch, stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    assert train() == 1
    assert "set AWS_DEFAULT_REGION" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "prepare"])
def test_a_job_that_the_quota_does_not_allow_uploads_nothing(
    command: str,
    stubs: dict[str, Stubber],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN an account whose quota for the instance is 0
    monkeypatch.setattr("textclf.sagemaker.require_quota", require_quota)
    quota = {"QuotaName": "ml.g4dn.xlarge for spot training job usage", "Value": 0.0}
    arguments = [part for pair in REQUIRED.items() for part in pair]
    if command == "prepare":
        describe_stack(
            stubs, RetrainingBucket="jobs", RetrainingRole=ROLE, ModelStore="s3://models/news"
        )
        arguments = PREPARE[2:]
    with Stubber(client("service-quotas")) as stub:
        stub.add_response("list_service_quotas", {"Quotas": [quota | {"QuotaCode": "L-1"}]})
        # WHEN a job is started or prepared THEN the error names the quota, and S3 gets nothing
        assert main(["sagemaker", command, *arguments]) == 1
    assert "(L-1) is 0" in capsys.readouterr().err
