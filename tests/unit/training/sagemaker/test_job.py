"""Every call is checked against botocore's own model of the service."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from inference.model.bundle import read_verified
from tests.conftest import SAMPLE_MODEL
from training.sagemaker import job as sagemaker_job
from training.sagemaker import request as sagemaker_request

NAME = "news-20260131-120000"
BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
START = [
    *("--data", "s3://data/news.csv.xz", "--output", "s3://jobs/news"),
    *("--role", "arn:aws:iam::123456789012:role/training"),
]
URI = f"s3://jobs/news/models/{read_verified(SAMPLE_MODEL)[1]}"


@cache  # SageMaker's model is large
def client(service: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name="us-east-1", **keys)  # type: ignore[call-overload]


class Aws:
    """Stubs of the three services, which play what a test has them answer, in order."""

    def __init__(self) -> None:
        self.clients = {name: client(name) for name in ("sagemaker", "logs", "s3")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}

    def status(self, status: str, *steps: str, **more: Any) -> None:
        """The job is described, as having gone through steps a minute each."""
        transitions = [
            {"Status": step, "StartTime": BEGIN + timedelta(minutes=i), "StatusMessage": "so far"}
            for i, step in enumerate(steps, 1)
        ]
        answer = {
            "TrainingJobName": NAME,
            "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{NAME}",
            "ModelArtifacts": {"S3ModelArtifacts": "s3://jobs/news/output/model.tar.gz"},
            "TrainingJobStatus": status,
            "SecondaryStatus": steps[-1],
            "SecondaryStatusTransitions": transitions,
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "CreationTime": BEGIN,
            "HyperParameters": {"store": json.dumps("s3://jobs/news/models")},
            "EnableNetworkIsolation": False,
        }
        asked = {"TrainingJobName": NAME}
        self.stubs["sagemaker"].add_response("describe_training_job", answer | more, asked)

    def log(self, *lines: tuple[int, str], since: Any = ANY) -> None:
        """The log holds lines, each with its time in seconds."""
        events = [
            {"eventId": text, "timestamp": second * 1000, "message": text + "\n"}
            for second, text in lines
        ]
        asked = {"logGroupName": sagemaker_job.LOG_GROUP, "startTime": since}
        asked["logStreamNamePrefix"] = f"{NAME}/"
        self.stubs["logs"].add_response("filter_log_events", {"events": events}, asked)

    def artifact(self) -> None:
        """S3 gives the shipped model as what the job made."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
            tar.add(SAMPLE_MODEL, arcname="./bundle")
        body = StreamingBody(io.BytesIO(archive.getvalue()), len(archive.getvalue()))
        asked = {"Bucket": "jobs", "Key": "news/output/model.tar.gz"}
        self.stubs["s3"].add_response("get_object", {"Body": body}, asked)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """No account, no waiting; at the end every answer must have been asked for."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    aws = Aws()
    monkeypatch.setattr(sagemaker_job, "client", aws.clients.__getitem__)
    with ExitStack() as stack:
        for stub in aws.stubs.values():
            stack.enter_context(stub)
        yield aws
        for stub in aws.stubs.values():
            stub.assert_no_pending_responses()


def attach() -> int:
    return sagemaker_job.main(["--attach", NAME])


def test_a_job_is_followed_to_its_model_uri(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a job that is starting, then trains, then has completed
    aws.status("InProgress", "Starting")
    aws.log()
    aws.status("InProgress", "Starting", "Training")
    aws.log((100, "step 10/30: loss 0.9"), (110, "step 20/30: loss 0.5"))
    times = {"TrainingTimeInSeconds": 600, "BillableTimeInSeconds": 180}
    aws.status("Completed", "Starting", "Training", "Completed", **times)
    aws.log((110, "step 20/30: loss 0.5"), (120, "step 30/30: loss 0.3"), since=50_000)
    aws.artifact()
    # WHEN it is followed
    code = attach()
    # THEN each step and each line is shown once, and the last word is the model URI
    said = capsys.readouterr().out
    assert code == 0
    assert said.split()[-1] == URI
    assert [line for line in said.splitlines() if line.startswith(("[", "step"))] == [
        "[0:01:00] Starting: so far",
        "[0:02:00] Training: so far",
        "step 10/30: loss 0.9",
        "step 20/30: loss 0.5",
        "[0:03:00] Completed: so far",
        "step 30/30: loss 0.3",
    ]
    assert "trained 10 minutes, billed 3" in said
    assert "accuracy " in said


def test_a_failed_job_shows_its_log_and_the_reason(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "AlgorithmError: DataError: unknown category 'x'"
    aws.status("Failed", "Starting", "Training", "Failed", FailureReason=reason)
    aws.log((1, "reading the rows"), (2, "Traceback"))
    assert attach() == 1
    out, err = capsys.readouterr()
    assert out.endswith("reading the rows\nTraceback\n")
    assert err == f"error: {NAME} has failed: {reason}\n"


def test_a_stopped_job_is_no_success(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.status("Stopped", "Starting", "Training", "MaxRuntimeExceeded")
    aws.log()
    assert attach() == 1
    assert f"{NAME} has not finished: MaxRuntimeExceeded" in capsys.readouterr().err


def test_a_spot_interruption_is_shown_and_following_goes_on(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a job that is interrupted and gets another instance, with a log stream of its own
    before = ("Starting", "Training", "Interrupted")
    aws.status("InProgress", *before)
    aws.log((1, "on the first instance"))
    aws.status("Completed", *before, "Starting", "Training", "Completed")
    aws.log((1, "on the first instance"), (900, "on the second instance"))
    aws.artifact()
    # WHEN it is followed THEN both instances are heard, and it ends well
    assert attach() == 0
    said = capsys.readouterr().out
    assert said.index("Interrupted") < said.index("on the second instance")
    assert said.count("on the first instance") == 1


def test_the_log_of_an_account_that_never_had_one_is_empty(aws: Aws) -> None:
    aws.status("InProgress", "Pending")
    aws.stubs["logs"].add_client_error("filter_log_events", "ResourceNotFoundException")
    aws.status("Failed", "Pending", "Failed")
    aws.stubs["logs"].add_client_error("filter_log_events", "ResourceNotFoundException")
    assert attach() == 1


def test_a_log_of_many_pages_is_read_to_its_end(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.status("Stopped", "Stopped")
    event = {"eventId": "1", "timestamp": 1, "message": "first"}
    page = {"events": [event], "nextToken": "more"}
    aws.stubs["logs"].add_response("filter_log_events", page)
    event = {"eventId": "2", "timestamp": 1, "message": "second"}
    aws.stubs["logs"].add_response("filter_log_events", {"events": [event]})
    attach()
    assert "first\nsecond\n" in capsys.readouterr().out


def test_ctrl_c_leaves_the_job_and_one_can_come_back(
    aws: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a job that was just started
    made = {"TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/x"}
    aws.stubs["s3"].add_response("put_object", {})
    aws.stubs["sagemaker"].add_response("create_training_job", made)
    described = aws.clients["sagemaker"].describe_training_job

    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    # WHEN Ctrl-C is pressed as it is followed
    monkeypatch.setattr(aws.clients["sagemaker"], "describe_training_job", interrupted)
    assert sagemaker_job.main(START) == sagemaker_job.DETACHED
    # THEN it says how to come back, no stop was asked for, and coming back ends well
    out, err = capsys.readouterr()
    name = out.split()[-1]
    assert f"python -m training.sagemaker.job --attach {name}" in err
    monkeypatch.setattr(aws.clients["sagemaker"], "describe_training_job", described)
    aws.status("Completed", "Training", "Completed")
    aws.log((1, "test accuracy 0.9"))
    aws.artifact()
    assert attach() == 0
    assert capsys.readouterr().out.split()[-1] == URI


def test_an_outage_while_following_says_how_to_come_back(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.stubs["sagemaker"].add_client_error("describe_training_job", "ExpiredTokenException")
    assert attach() == 1
    err = capsys.readouterr().err
    assert "ExpiredTokenException" in err
    assert f"--attach {NAME}" in err


Requested = Callable[..., dict[str, Any]]


@pytest.fixture
def requested(aws: Aws) -> Requested:
    """The arguments of CreateTrainingJob for a command line, accepted by botocore's model."""

    def requested(*options: str) -> dict[str, Any]:
        parsed, others = sagemaker_job.option_parser().parse_known_args([*START, *options])
        job, settings = sagemaker_job.plan(parsed, others)
        asked = sagemaker_request.request(job, settings)
        made = {"TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/x"}
        put = {"Bucket": "jobs", "Key": f"news/{job.name}/source/source.tar.gz", "Body": ANY}
        if job.kms_key:
            put |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": job.kms_key}
        aws.stubs["s3"].add_response("put_object", {}, put)
        aws.stubs["sagemaker"].add_response("create_training_job", made, asked)
        sagemaker_job.start(aws.clients["sagemaker"], aws.clients["s3"], job, settings)
        return asked

    return requested


def test_by_default_a_job_is_a_spot_instance_with_a_gpu_and_checkpoints(
    requested: Requested,
) -> None:
    asked = requested("--epochs", "2")
    assert asked["EnableManagedSpotTraining"] is True
    assert asked["ResourceConfig"]["InstanceType"] == "ml.g4dn.xlarge"
    assert "huggingface-pytorch-training" in asked["AlgorithmSpecification"]["TrainingImage"]
    where = asked["CheckpointConfig"]["S3Uri"]
    assert where == f"s3://jobs/news/{asked['TrainingJobName']}/checkpoints"
    limit = asked["StoppingCondition"]
    assert limit["MaxWaitTimeInSeconds"] > limit["MaxRuntimeInSeconds"] > 0


def test_hyperparameters_are_strings_of_json_and_only_what_was_chosen(
    requested: Requested,
) -> None:
    given = requested("--epochs", "2", "--text-column", "1", "--label-column", "y", "--task", "t")
    chosen = {
        name: json.loads(value)
        for name, value in given["HyperParameters"].items()
        if not name.startswith("sagemaker_")
    }
    assert chosen == {
        "store": "s3://jobs/news/models",
        "publish": True,
        "task": "t",
        "text-column": "1",
        "label-column": "y",
        "epochs": 2.0,
    }


def test_a_job_on_demand_has_no_time_to_wait(requested: Requested) -> None:
    asked = requested("--on-demand", "--max-hours", "0.5")
    assert asked["EnableManagedSpotTraining"] is False
    assert asked["StoppingCondition"] == {"MaxRuntimeInSeconds": 1800}


def test_tags_and_vpc_are_passed_on(requested: Requested) -> None:
    vpc = ["--subnets", "subnet-1", "subnet-2", "--security-groups", "sg-1"]
    asked = requested("--tag", "team=news", "--tag", "cost=a=b", *vpc)
    assert asked["Tags"] == [{"Key": "team", "Value": "news"}, {"Key": "cost", "Value": "a=b"}]
    expected = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert asked["VpcConfig"] == expected


def test_an_isolated_job_has_all_it_needs_in_channels(requested: Requested) -> None:
    inputs = ["--wheels", "s3://jobs/wheels", "--base-model", "s3://models/base"]
    asked = requested("--network-isolation", *inputs)
    assert asked["EnableNetworkIsolation"] is True
    assert {channel["ChannelName"] for channel in asked["InputDataConfig"]} == {
        *("training", "code", "model", "wheels")
    }
    assert asked["Environment"]["PIP_NO_INDEX"] == "1"
    assert asked["HyperParameters"]["publish"] == "false"
    assert asked["HyperParameters"]["sagemaker_submit_directory"].startswith('"/opt/ml/input')


def test_keys_encrypt_source_artifacts_and_disk(requested: Requested) -> None:
    asked = requested("--kms-key", "key-1", "--volume-kms-key", "key-2")
    assert asked["OutputDataConfig"]["KmsKeyId"] == "key-1"
    assert asked["ResourceConfig"]["VolumeKmsKeyId"] == "key-2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "news.csv"], "give one file, s3://BUCKET/KEY"),
        (["--data", "s3://data/folder/"], "give one file, s3://BUCKET/KEY"),
        (["--output", "jobs"], "is not of the form s3://BUCKET/PREFIX"),
        (["--role", "training"], "give a role's ARN"),
        (["--store", "models"], "is not of the form s3://BUCKET/PREFIX"),
        (["--tag", "team"], "--tag team: give KEY=VALUE"),
        (["--subnets", "subnet-1"], "give both --subnets and --security-groups"),
        (["--base-model", "data"], "put the folder into S3"),
        (["--teachers", "build/one"], "--teachers and --new-rows are folders of one machine"),
        (
            ["--new-rows", "data/other-years"],
            "--teachers and --new-rows are folders of one machine",
        ),
        (["--network-isolation"], "reaches no package index"),
        (["--network-isolation", "--wheels", "s3://jobs/wheels"], "reaches no model hub"),
        (["--instance-type", "ml.trn1.2xlarge"], "give one with GPUs, or a CPU"),
    ],
)
def test_what_would_fail_the_job_is_refused_before_it_starts(
    options: list[str], message: str, aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sagemaker_job.main([*START, *options]) == 1
    assert message in capsys.readouterr().err


def test_an_unknown_training_option_is_refused_before_the_job_starts(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        sagemaker_job.main([*START, "--epoches", "3"])
    assert "--epoches" in capsys.readouterr().err


def test_what_a_job_needs_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sagemaker_job.main(["--data", "s3://data/news.csv"])
    assert "give --data, --output and --role, or --attach" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("region", "instance_type", "image"),
    [
        ("us-east-1", "ml.g4dn.12xlarge", "763104351884.dkr.ecr.us-east-1.amazonaws.com/hugging"),
        ("eu-south-1", "ml.p4d.24xlarge", "692866216735.dkr.ecr.eu-south-1.amazonaws.com/hugging"),
        ("eu-west-1", "ml.c5.xlarge", "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-"),
    ],
)
def test_the_image_is_of_the_region_and_the_accelerator(
    region: str, instance_type: str, image: str
) -> None:
    assert sagemaker_request.image_uri(region, instance_type).startswith(image)


def test_a_region_without_a_known_account_is_an_error() -> None:
    with pytest.raises(sagemaker_request.JobError, match="give --image"):
        sagemaker_request.image_uri("xx-new-1", "ml.g4dn.xlarge")


def test_the_source_brings_pinned_requirements_but_leaves_the_images_torch() -> None:
    with tarfile.open(fileobj=io.BytesIO(sagemaker_request.source_archive())) as tar:
        texts = {
            name: (file.read().decode() if (file := tar.extractfile(name)) else "")
            for name in tar.getnames()
        }
    lines = texts["requirements.txt"].splitlines()
    assert lines[0] == "-c constraints.txt"
    assert all("==" in line for line in lines[1:])
    assert any(line.startswith("transformers==") for line in lines)
    for name in ("requirements.txt", "constraints.txt"):
        assert not any(line.startswith("torch==") for line in texts[name].splitlines())
    assert "inference/app.py" not in texts
