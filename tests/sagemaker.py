"""Training jobs for tests."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.validate import validate_parameters

from inference.s3_uri import S3Uri
from training.fit.settings import Settings
from training.sagemaker.job import JobOptions, TrainingJob

ROLE = "arn:aws:iam::123456789012:role/training"
NAME = "news-20260131-120000"
BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
JOB_ARN = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{NAME}"


def make_job(
    *,
    name: str = NAME,
    role: str = ROLE,
    options: JobOptions | None = None,
    **settings: Any,
) -> TrainingJob:
    """Make a job of s3://jobs/news, with a few settings of its own."""
    return TrainingJob(
        name=name,
        region="us-east-1",
        role=role,
        output=S3Uri("jobs", "news"),
        store=S3Uri("jobs", "news/models"),
        settings=Settings(**{"data": "s3://data/news.csv.xz", "output": ""} | settings),
        options=options or JobOptions(),
    )


def require_valid_request(service: str, operation: str, request: dict[str, Any]) -> None:
    """Check the arguments of a call against botocore's model of the service."""
    validate_parameters(request, input_shape(service, operation))


@cache
def input_shape(service: str, operation: str) -> Any:
    """Return botocore's model of the arguments of an operation."""
    session = boto3.session.Session()._session
    return session.get_service_model(service).operation_model(operation).input_shape
