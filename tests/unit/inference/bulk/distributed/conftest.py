"""Clients of AWS services that give prepared answers, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest
from botocore.stub import Stubber
from mypy_boto3_s3 import S3Client
from mypy_boto3_stepfunctions import SFNClient


@dataclass(frozen=True)
class Account:
    """Clients, and the stubs that check each call against AWS's models of the services."""

    s3: S3Client
    stepfunctions: SFNClient
    files: Stubber
    states: Stubber


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    s3 = boto3.client("s3", region_name="us-east-1")
    stepfunctions = boto3.client("stepfunctions", region_name="us-east-1")
    with Stubber(s3) as files, Stubber(stepfunctions) as states:
        yield Account(s3, stepfunctions, files, states)
        files.assert_no_pending_responses()
        states.assert_no_pending_responses()
