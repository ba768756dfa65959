"""What the roles of the stack may do in S3, tested with an emulator that enforces IAM.

The emulator (moto) checks the resource of a request only for S3. For other services,
tests/unit/test_template.py reads the policies.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count
from mypy_boto3_s3 import S3Client

from tests.cloudformation import MODEL, RETRAINING, deployed

BUCKET, _, PREFIX = MODEL["ModelStore"].removeprefix("s3://").partition("/")
OWN = f"{PREFIX}/{MODEL['ModelVersion']}/model.onnx"
PREVIOUS = f"{PREFIX}/fedcba9876543210/model.onnx"
OTHER = f"other-{PREFIX}/0123456789abcdef/model.onnx"
ROLE = "ClassifierRole"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account in this process with two versions of a model, and another model."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for key in (OWN, PREVIOUS, OTHER):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"content")
        yield


@pytest.fixture
def s3(account: None) -> S3Client:
    """S3 with the role of the classifier."""
    return assume_role(ROLE)


def assume_role(role: str, **values: str) -> S3Client:
    """Return a client of S3 with a role of the stack."""
    iam, trust = boto3.client("iam"), json.dumps(TRUST)
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    (policy,) = deployed(**values)["Resources"][role]["Properties"]["Policies"]
    document = re.sub(  # the resolver leaves the names of other resources
        r'"\w+\.Arn(:\*)?"|"AlarmTopic"',
        '"arn:aws:logs:us-east-1:123456789012:log-group:classifier:*"',
        json.dumps(policy["PolicyDocument"]),
    )
    iam.put_role_policy(RoleName=role, PolicyName="policy", PolicyDocument=document)
    keys = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "s3",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def call_with_iam(call: Callable[..., Any], **arguments: Any) -> Any:
    """Make a request for which IAM is enforced."""
    return set_initial_no_auth_action_count(0)(call)(**arguments)


@pytest.mark.parametrize("key", [OWN, PREVIOUS])
def test_the_function_reads_its_model_and_the_previous_version(s3: S3Client, key: str) -> None:
    """The previous version serves with the same role during a canary and after a rollback."""
    assert call_with_iam(s3.get_object, Bucket=BUCKET, Key=key)["Body"].read() == b"content"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_object", {"Key": OTHER}),
        ("get_object", {"Key": f"{PREFIX}2/model.onnx"}),
        ("put_object", {"Key": OWN, "Body": b"other content"}),
        ("delete_object", {"Key": OWN}),
        ("list_objects_v2", {}),
        ("delete_bucket", {}),
    ],
)
def test_the_function_has_access_to_nothing_else(
    s3: S3Client, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        call_with_iam(getattr(s3, operation), Bucket=BUCKET, **arguments)


FILES = "files"


@pytest.fixture
def files(account: None) -> S3Client:
    """S3 with a bucket of files, and the role of the function that scores them."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=FILES)
    for key in ("in/a.csv", "out/runs/x/inputs.jsonl"):
        s3.put_object(Bucket=FILES, Key=key, Body=b"content")
    return assume_role("BulkRole", BulkBucket=FILES)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_object", {"Key": "in/a.csv"}),
        ("list_objects_v2", {"Prefix": "out/runs/x/plan/"}),
        ("put_object", {"Key": "out/runs/x/plan.jsonl", "Body": b""}),
        ("put_object", {"Key": "deep/out/parts/a.csv.gz", "Body": b""}),
    ],
)
def test_the_bulk_function_reads_files_and_writes_runs_and_parts(
    files: S3Client, operation: str, arguments: dict[str, Any]
) -> None:
    call_with_iam(getattr(files, operation), Bucket=FILES, **arguments)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("put_object", {"Bucket": FILES, "Key": "in/a.csv", "Body": b""}),
        ("delete_object", {"Bucket": FILES, "Key": "out/parts/a.csv.gz"}),
        ("put_object", {"Bucket": BUCKET, "Key": OWN, "Body": b""}),
        ("list_objects_v2", {"Bucket": BUCKET}),
    ],
)
def test_the_bulk_function_changes_neither_files_nor_models(
    files: S3Client, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        call_with_iam(getattr(files, operation), **arguments)


JOBS = RETRAINING["RetrainingBucket"]
VERDICT = "stack/retraining-0123/verdict.json"
REQUEST = "stack/retraining/request.json"


@pytest.fixture
def jobs(account: None) -> S3Client:
    """S3 with a bucket for retraining, and the role of the state machine that retrains."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=JOBS)
    for key in (VERDICT, REQUEST, f"other-{VERDICT}", f"other-{REQUEST}", "stack/new/a.csv"):
        s3.put_object(Bucket=JOBS, Key=key, Body=b"content")
    return assume_role("RetrainingStateMachineRole", **RETRAINING)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("list_objects_v2", {"Prefix": "stack/new/"}),
        ("get_object", {"Key": REQUEST}),
        ("get_object", {"Key": VERDICT}),
    ],
)
def test_a_retraining_lists_new_rows_and_reads_request_and_verdict(
    jobs: S3Client, operation: str, arguments: dict[str, Any]
) -> None:
    call_with_iam(getattr(jobs, operation), Bucket=JOBS, **arguments)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_object", {"Bucket": JOBS, "Key": "stack/new/a.csv"}),
        ("get_object", {"Bucket": JOBS, "Key": f"other-{REQUEST}"}),
        ("get_object", {"Bucket": JOBS, "Key": f"other-{VERDICT}"}),
        ("put_object", {"Bucket": JOBS, "Key": VERDICT, "Body": b""}),
        ("delete_object", {"Bucket": JOBS, "Key": "stack/new/a.csv"}),
        ("get_object", {"Bucket": BUCKET, "Key": OWN}),
        ("put_object", {"Bucket": BUCKET, "Key": OWN, "Body": b""}),
    ],
)
def test_a_retraining_has_access_to_nothing_else(
    jobs: S3Client, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        call_with_iam(getattr(jobs, operation), **arguments)
