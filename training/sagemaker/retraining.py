r"""Prepare the retraining of a deployed stack: what its state machine then asks of SageMaker.

    python -m training.sagemaker.retraining text-classifier-prod --data s3://my-data/newsCorpora.csv.xz
    aws s3 cp labelled.csv s3://RETRAINING-BUCKET/text-classifier-prod/new/
    aws stepfunctions start-execution --state-machine-arn RETRAINING-STATE-MACHINE

Puts the packaged source and the request of the training job into the stack's folder in its
RetrainingBucket; role, bucket and store are the stack's. Takes the options of
training.sagemaker.job and training.fit.train. To be given again after a change of code or settings.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from inference.model.publish import PublishError, parse_store
from training.fit.settings import Settings
from training.sagemaker.job import option_parser, plan, upload_source
from training.sagemaker.request import Job, JobError, channel, request

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

NAME = "retraining"  # the folder of source and request


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.sagemaker.retraining",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("stack", help="a stack that was deployed with RetrainingBucket=BUCKET")
    options, others = parser.parse_known_args(arguments)
    try:
        place = stack_options(boto3.client("cloudformation"), options.stack)
        job, settings = plan(*option_parser().parse_known_args([*others, *place]))
        print(prepare(boto3.client("s3"), job, settings))
    except (JobError, PublishError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def stack_options(cloudformation: "CloudFormationClient", name: str) -> list[str]:
    """The options of a training job that a stack has decided.

    Raises:
        JobError: the stack does not retrain.
    """
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    values = {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])}
    if not values.get("RetrainingBucket"):
        raise JobError(f"the stack {name} does not retrain: deploy it with RetrainingBucket=BUCKET")
    folder = f"s3://{values['RetrainingBucket']}/{name}"
    return [
        *("--output", folder),
        *("--role", values["RetrainingRole"]),
        *("--store", values["ModelStore"]),
    ]


def prepare(s3: "S3Client", job: Job, settings: Settings) -> str:
    """Upload source and request; says what is next.

    Raises:
        JobError: the job is of a kind that the state machine does not start.
    """
    job = replace(job, name=NAME)
    asked = retraining_request(job, settings)
    upload_source(s3, job)
    bucket, key = parse_store(f"{job.folder}/request.json")
    body = json.dumps(asked, indent=2).encode()
    s3.put_object(Bucket=bucket, Key=key.rstrip("/"), Body=body, ContentType="application/json")
    return f"ready; new labelled rows go to {job.output}/new/"


def retraining_request(job: Job, settings: Settings) -> dict[str, Any]:
    """CreateTrainingJob's arguments, but for what the state machine knows and says itself.

    Raises:
        JobError: the job is of a kind that the state machine does not start.
    """
    if job.subnets or job.network_isolation:
        raise JobError("a retraining runs in no VPC and must reach S3: it publishes by itself")
    if settings.split not in ("", "story") or settings.max_rows:
        raise JobError("a retraining is on all rows, split by story: others do not stay held out")
    asked = request(job, settings)
    asked["InputDataConfig"].append(channel("new", f"{job.output}/new/"))
    for name in ("TrainingJobName", "RoleArn", "CheckpointConfig"):
        del asked[name]  # the state machine has its own
    for name in ("EnableNetworkIsolation", "RetryStrategy"):
        del asked[name]  # false, and what Step Functions may not know
    return asked


if __name__ == "__main__":
    sys.exit(main())
