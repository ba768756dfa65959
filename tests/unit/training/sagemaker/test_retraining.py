"""The request that is prepared for the state machine."""

import json
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tests.sagemaker import make_job
from training.sagemaker.job import JobError, JobOptions
from training.sagemaker.retraining import NAME, describe_retraining, prepare


def prepared(**values: Any) -> dict[str, Any]:
    return describe_retraining(make_job(name=NAME, new_rows="s3://jobs/news/new", **values))


def test_the_request_leaves_out_what_each_execution_sets() -> None:
    described = prepared()
    assert not {"TrainingJobName", "RoleArn", "CheckpointConfig"} & described.keys()
    assert described["OutputDataConfig"] == {"S3OutputPath": "s3://jobs/news"}


def test_source_and_request_go_to_the_folder_of_the_retraining() -> None:
    # GIVEN a bucket
    s3 = boto3.client("s3", aws_access_key_id="test", aws_secret_access_key="test")
    job = make_job(name=NAME, new_rows="s3://jobs/news/new")
    body = json.dumps(describe_retraining(job), indent=2).encode()
    with Stubber(s3) as stub:
        source = {"Bucket": "jobs", "Key": "news/retraining/source/source.tar.gz", "Body": ANY}
        stub.add_response("put_object", {}, source)
        request = {"Bucket": "jobs", "Key": "news/retraining/request.json", "Body": body}
        stub.add_response("put_object", {}, request | {"ContentType": "application/json"})
        # WHEN a retraining is prepared THEN both are there
        prepare(s3, job)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (JobOptions(subnets=("subnet-1",), security_groups=("sg-1",)), {}),
        (
            JobOptions(network_isolation=True, wheels="s3://jobs/wheels"),
            {"base_model": "s3://models/base"},
        ),
    ],
)
def test_a_job_that_cannot_publish_is_refused(
    options: JobOptions, settings: dict[str, str]
) -> None:
    with pytest.raises(JobError, match="must reach S3 to publish"):
        prepared(options=options, **settings)
