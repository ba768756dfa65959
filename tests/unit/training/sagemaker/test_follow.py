"""Starting and following a job; every call is checked against botocore's model of the service."""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from inference.errors import InterruptedRunError
from inference.model.bundle import read_verified
from tests.conftest import SAMPLE_MODEL
from tests.sagemaker import BEGIN, JOB_ARN, NAME, make_job
from training.sagemaker import follow as following
from training.sagemaker.follow import start, upload_source
from training.sagemaker.job import JobError, JobOptions
from training.sagemaker.request import describe_job

MODEL_URI = f"s3://jobs/news/models/{read_verified(SAMPLE_MODEL).version}"
COME_BACK = f"textclf sagemaker follow {NAME}"


@cache  # SageMaker's model is large
def client(service: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name="us-east-1", **keys)  # type: ignore[call-overload]


class Aws:
    """Stubs of the three services, which give a test's answers in their order."""

    def __init__(self) -> None:
        self.clients = {name: client(name) for name in ("sagemaker", "logs", "s3")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}

    def follow(self) -> str:
        """Follow the job to its end."""
        return following.follow(**self.clients, name=NAME)

    def describe(self, status: str, *steps: str, **more: Any) -> None:
        """Describe the job next, with its steps a minute apart."""
        transitions = [
            {"Status": step, "StartTime": BEGIN + timedelta(minutes=i), "StatusMessage": "so far"}
            for i, step in enumerate(steps, 1)
        ]
        answer = {
            "TrainingJobName": NAME,
            "TrainingJobArn": JOB_ARN,
            "ModelArtifacts": {"S3ModelArtifacts": "s3://jobs/news/output/model.tar.gz"},
            "TrainingJobStatus": status,
            "SecondaryStatus": steps[-1],
            "SecondaryStatusTransitions": transitions,
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "CreationTime": BEGIN,
            "HyperParameters": {"store": json.dumps("s3://jobs/news/models")},
            "EnableNetworkIsolation": False,
        }
        parameters = {"TrainingJobName": NAME}
        self.stubs["sagemaker"].add_response("describe_training_job", answer | more, parameters)

    def log(self, *lines: tuple[int, str], since: Any = ANY) -> None:
        """Hold these lines in the log, each with its time in seconds."""
        events = [
            {"eventId": text, "timestamp": second * 1000, "message": text + "\n"}
            for second, text in lines
        ]
        parameters = {"logGroupName": following.LOG_GROUP, "startTime": since}
        parameters["logStreamNamePrefix"] = f"{NAME}/"
        self.stubs["logs"].add_response("filter_log_events", {"events": events}, parameters)

    def keep_artifact(self) -> None:
        """Hold the sample model as the artifact of the job."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
            tar.add(SAMPLE_MODEL, arcname="./bundle")
        body = StreamingBody(io.BytesIO(archive.getvalue()), len(archive.getvalue()))
        parameters = {"Bucket": "jobs", "Key": "news/output/model.tar.gz"}
        self.stubs["s3"].add_response("get_object", {"Body": body}, parameters)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """Services without an account or waiting; at the end, no answer may be left."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    aws = Aws()
    with ExitStack() as stack:
        for stub in aws.stubs.values():
            stack.enter_context(stub)
        yield aws
        for stub in aws.stubs.values():
            stub.assert_no_pending_responses()


# Starting


def test_starting_a_job_uploads_its_source_and_creates_it(aws: Aws) -> None:
    # GIVEN a job
    job = make_job()
    put = {"Bucket": "jobs", "Key": f"news/{NAME}/source/source.tar.gz", "Body": ANY}
    aws.stubs["s3"].add_response("put_object", {}, put)
    created = {"TrainingJobArn": JOB_ARN}
    aws.stubs["sagemaker"].add_response("create_training_job", created, describe_job(job))
    # WHEN it is started THEN both calls are made
    start(aws.clients["sagemaker"], aws.clients["s3"], job)


def test_a_key_encrypts_the_source(aws: Aws) -> None:
    put = {"Bucket": "jobs", "Key": ANY, "Body": ANY}
    put |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}
    aws.stubs["s3"].add_response("put_object", {}, put)
    upload_source(aws.clients["s3"], make_job(options=JobOptions(kms_key="key-1")))


def test_nothing_is_uploaded_for_a_job_that_cannot_be_described(aws: Aws) -> None:
    job = make_job(options=JobOptions(instance_type="ml.trn1.2xlarge"))
    with pytest.raises(JobError, match="--instance-type"):
        start(aws.clients["sagemaker"], aws.clients["s3"], job)


# Following


def test_a_job_is_followed_to_its_model_uri(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a job that is starting, then trains, then has completed
    aws.describe("InProgress", "Starting")
    aws.log()
    aws.describe("InProgress", "Starting", "Training")
    aws.log((100, "step 10/30: loss 0.9"), (110, "step 20/30: loss 0.5"))
    times = {"TrainingTimeInSeconds": 600, "BillableTimeInSeconds": 180}
    aws.describe("Completed", "Starting", "Training", "Completed", **times)
    aws.log((110, "step 20/30: loss 0.5"), (120, "step 30/30: loss 0.3"), since=50_000)
    aws.keep_artifact()
    # WHEN it is followed THEN its model URI is returned
    assert aws.follow() == MODEL_URI
    # THEN each step and each line is shown once
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if line.startswith(("[", "step"))] == [
        "[0:01:00] Starting: so far",
        "[0:02:00] Training: so far",
        "step 10/30: loss 0.9",
        "step 20/30: loss 0.5",
        "[0:03:00] Completed: so far",
        "step 30/30: loss 0.3",
    ]
    # THEN time and figures are shown
    assert "trained 10 minutes, billed 3" in shown
    assert "accuracy " in shown


def test_a_failed_job_shows_its_log_and_gives_the_reason(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "AlgorithmError: DataError: unknown label 'x'"
    aws.describe("Failed", "Starting", "Training", "Failed", FailureReason=reason)
    aws.log((1, "reading the rows"), (2, "Traceback"))
    with pytest.raises(JobError, match=f"^{NAME} failed: {reason}$"):
        aws.follow()
    assert capsys.readouterr().out.endswith("reading the rows\nTraceback\n")


def test_a_stopped_job_is_an_error(aws: Aws) -> None:
    aws.describe("Stopped", "Starting", "Training", "MaxRuntimeExceeded")
    aws.log()
    with pytest.raises(JobError, match=f"{NAME} did not finish: MaxRuntimeExceeded"):
        aws.follow()


def test_following_continues_after_a_spot_interruption(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a job that is interrupted and gets another instance, with another log stream
    before = ("Starting", "Training", "Interrupted")
    aws.describe("InProgress", *before)
    aws.log((1, "on the first instance"))
    aws.describe("Completed", *before, "Starting", "Training", "Completed")
    aws.log((1, "on the first instance"), (900, "on the second instance"))
    aws.keep_artifact()
    # WHEN it is followed
    aws.follow()
    # THEN the lines of both instances are shown
    shown = capsys.readouterr().out
    assert shown.index("Interrupted") < shown.index("on the second instance")
    assert shown.count("on the first instance") == 1


def test_the_log_of_an_account_without_training_jobs_is_empty(aws: Aws) -> None:
    aws.describe("InProgress", "Pending")
    aws.stubs["logs"].add_client_error("filter_log_events", "ResourceNotFoundException")
    aws.describe("Failed", "Pending", "Failed")
    aws.stubs["logs"].add_client_error("filter_log_events", "ResourceNotFoundException")
    with pytest.raises(JobError, match="no reason given"):
        aws.follow()


def test_all_pages_of_a_log_are_read(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.describe("Stopped", "Stopped")
    event = {"eventId": "1", "timestamp": 1, "message": "first"}
    page = {"events": [event], "nextToken": "more"}
    aws.stubs["logs"].add_response("filter_log_events", page)
    event = {"eventId": "2", "timestamp": 1, "message": "second"}
    aws.stubs["logs"].add_response("filter_log_events", {"events": [event]})
    with pytest.raises(JobError):
        aws.follow()
    assert "first\nsecond\n" in capsys.readouterr().out


def test_ctrl_c_leaves_the_job_alone_and_says_how_to_come_back(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_ctrl_c(**_: Any) -> None:
        raise KeyboardInterrupt

    # WHEN Ctrl-C is pressed while a job is followed
    with monkeypatch.context() as patch:
        patch.setattr(aws.clients["sagemaker"], "describe_training_job", press_ctrl_c)
        with pytest.raises(InterruptedRunError, match=COME_BACK) as raised:
            aws.follow()
    # THEN the exit code is a shell's for Ctrl-C, and nothing asked to stop the job
    assert raised.value.exit_code == 130
    # THEN following it again ends well
    aws.describe("Completed", "Training", "Completed")
    aws.log((1, "test accuracy 0.9"))
    aws.keep_artifact()
    assert aws.follow() == MODEL_URI


def test_an_outage_says_how_to_come_back(aws: Aws) -> None:
    aws.stubs["sagemaker"].add_client_error("describe_training_job", "ExpiredTokenException")
    with pytest.raises(JobError, match=f"ExpiredTokenException.*{COME_BACK}"):
        aws.follow()
