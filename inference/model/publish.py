"""Put bundles into a model store.

A version is written once and never changed: every object is put on the condition that its key is
still free, and the manifest comes last, so a version with a manifest is complete. Publishing the
same bundle twice, even at the same time, leaves the same objects.
"""

import base64
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from inference.errors import TextClassifierError
from inference.model.bundle import MANIFEST, locating, parse_manifest, read_verified
from inference.s3_uri import S3Uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType

CONFLICT, PRECONDITION_FAILED = 409, 412
WAITS = (0.5, 1, 2, 4, None)  # seconds before another attempt; None: no further one


class PublishError(TextClassifierError):
    """The store holds other content under the same name."""


def publish(s3: "S3Client", folder: Path, store: str) -> str:
    """Upload a bundle and return its model URI.

    Raises:
        BundleError: The folder does not hold a complete bundle.
        S3UriError: The store is not of the form ``s3://BUCKET/PREFIX``.
        PublishError: The store holds other content under this version.
    """
    destination = S3Uri.parse(store)
    bundle = read_verified(folder)
    model_uri = destination / bundle.version
    with locating(folder):  # whose files may have changed since
        for name, entry in sorted(bundle.manifest.files.items()):
            data = (folder / name).read_bytes()
            entry.verify(name, len(data), hashlib.sha256(data).hexdigest())
            _put_once(s3, model_uri / name, data)
        data = (folder / MANIFEST).read_bytes()
        parse_manifest(data, bundle.version)
    _put_once(s3, model_uri / MANIFEST, data)
    return str(model_uri)


def _put_once(s3: "S3Client", target: S3Uri, data: bytes) -> None:
    """Put an object unless the same one exists already."""
    checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
    for wait in WAITS:
        try:
            s3.put_object(
                Bucket=target.bucket,
                Key=target.key,
                Body=data,
                IfNoneMatch="*",
                ChecksumSHA256=checksum,
            )
            return
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == CONFLICT and wait:  # another publisher is writing this very key
                time.sleep(wait)
            elif status == PRECONDITION_FAILED:
                break
            else:
                raise
    if s3.get_object(Bucket=target.bucket, Key=target.key)["Body"].read() != data:
        raise PublishError(f"{target} exists with other content")


def create_bucket(s3: "S3Client", bucket: str) -> None:
    """Create a private, versioned and encrypted bucket, or make an existing one so."""
    region = s3.meta.region_name
    try:
        if region == "us-east-1":  # the one region that must not be named
            s3.create_bucket(Bucket=bucket)
        else:
            s3.create_bucket(
                Bucket=bucket,
                CreateBucketConfiguration={
                    "LocationConstraint": cast("BucketLocationConstraintType", region)
                },
            )
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    if not _is_encrypted(s3, bucket):
        s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )


def _is_encrypted(s3: "S3Client", bucket: str) -> bool:
    """Tell whether a bucket is encrypted already, perhaps with a key that its owner chose."""
    try:
        s3.get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return False
    return True
