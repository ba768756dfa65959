"""Prepare the retraining of a deployed stack: the source and the request of its training job.

Both go to the stack's folder in its RetrainingBucket, where its state machine
(``retraining.asl.json``) reads the request and starts the job.
"""

import json
from typing import TYPE_CHECKING

from training.sagemaker.follow import upload_source
from training.sagemaker.job import JobError, TrainingJob
from training.sagemaker.request import Request, describe_job

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NAME = "retraining"  # of the prepared job; its folder holds source and request
# Each execution of the state machine sets these, under the name of its own job.
SET_BY_EXECUTION = ("TrainingJobName", "RoleArn", "CheckpointConfig")
# The first is false; Step Functions may not know the second.
NOT_PASSED_ON = ("EnableNetworkIsolation", "RetryStrategy")


def prepare(s3: "S3Client", job: TrainingJob) -> None:
    """Upload the source and the request.

    Raises:
        JobError: the state machine cannot run this job.
    """
    body = json.dumps(describe_retraining(job), indent=2).encode()
    upload_source(s3, job)
    bucket, key = job.folder / "request.json"
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


def describe_retraining(job: TrainingJob) -> Request:
    """Describe the job as CreateTrainingJob takes it, without what each execution sets.

    Raises:
        JobError: the state machine cannot run this job.
    """
    if job.options.subnets or job.options.network_isolation:
        raise JobError(
            "a retraining runs in no VPC, and must reach S3 to publish: leave out --subnets, "
            "--security-groups and --network-isolation"
        )
    described = describe_job(job)
    for name in (*SET_BY_EXECUTION, *NOT_PASSED_ON):
        del described[name]
    return described
