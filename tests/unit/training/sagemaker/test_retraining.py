"""The command that prepares a retraining; every call is checked against botocore's model."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from training.sagemaker import retraining
from training.sagemaker.job import option_parser, plan
from training.sagemaker.request import JobError

ROLE = "arn:aws:iam::123456789012:role/training"
PLACE = ["--output", "s3://jobs/stack", "--role", ROLE, "--store", "s3://models/news"]


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def requested(*options: str) -> dict[str, Any]:
    arguments = ["--data", "s3://data/news.csv.xz", *PLACE, *options]
    return retraining.retraining_request(*plan(*option_parser().parse_known_args(arguments)))


def stack(**values: str) -> list[str]:
    """What a stack with these parameters decides."""
    cloudformation = boto3.client(
        "cloudformation", aws_access_key_id="test", aws_secret_access_key="test"
    )
    pairs = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    found = {
        "StackName": "stack",
        "StackStatus": "CREATE_COMPLETE",
        "CreationTime": datetime.now(UTC),
        "Parameters": pairs,
    }
    with Stubber(cloudformation) as stub:
        stub.add_response("describe_stacks", {"Stacks": [found]}, {"StackName": "stack"})
        return retraining.stack_options(cloudformation, "stack")


def test_the_place_is_the_stacks_own() -> None:
    values = {"RetrainingBucket": "jobs", "RetrainingRole": ROLE, "ModelStore": "s3://models/news"}
    assert stack(**values) == PLACE


def test_a_stack_that_does_not_retrain_is_an_error() -> None:
    with pytest.raises(JobError, match="deploy it with RetrainingBucket=BUCKET"):
        stack(RetrainingBucket="", ModelStore="s3://models/news")


def test_the_job_reads_the_new_rows() -> None:
    channels = {
        one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"]
        for one in requested()["InputDataConfig"]
    }
    assert channels["new"] == "s3://jobs/stack/new/"
    assert channels["training"] == "s3://data/news.csv.xz"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--subnets", "subnet-1", "--security-groups", "sg-1"], "no VPC"),
        (["--split", "random"], "split by story"),
        (["--max-rows", "9"], "all rows"),
    ],
)
def test_a_job_that_the_state_machine_cannot_start_or_judge_is_refused(
    options: list[str], message: str
) -> None:
    with pytest.raises(JobError, match=message):
        requested(*options)
