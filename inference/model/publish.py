r"""Put a bundle into the S3 model store, and look at what is there.

    python -m inference.model.publish build/news/bundle --to s3://my-models/news
    python -m inference.model.publish build/news/bundle --to s3://my-models/news --create-bucket
    python -m inference.model.publish --list s3://my-models/news
    python -m inference.model.publish --compare s3://my-models/news/NEW s3://my-models/news/OLD \
        --data newsCorpora.csv.xz

A version is written once and never changed: every object is put on the condition that none
has its key, and the manifest goes last, so a version with a manifest is whole. Publishing
twice, or twice at once, ends with the same objects. Prints the model URI.

``--compare`` scores two bundles on the test rows of the data that both were trained on.
"""

import argparse
import base64
import hashlib
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from inference.model.bundle import (
    MANIFEST,
    BundleError,
    Manifest,
    check,
    is_version,
    parse_manifest,
    read_verified,
)
from inference.model.store import StoreError
from training.data.examples import DataError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType

CONFLICT, PRECONDITION_FAILED = 409, 412


class PublishError(Exception):
    """The store refused, or it holds something else under the same name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish, list or compare; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.model.publish",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", type=Path, nargs="?", help="what training.export.bundle wrote")
    parser.add_argument("--to", metavar="s3://BUCKET/PREFIX", help="the model store")
    parser.add_argument(
        "--create-bucket", action="store_true", help="private, versioned and encrypted"
    )
    parser.add_argument("--list", metavar="s3://BUCKET/PREFIX", help="show a store's versions")
    parser.add_argument("--compare", metavar=("URI", "OTHER"), nargs=2, help="two model URIs")
    parser.add_argument("--data", metavar="FILE", help="the data both bundles were trained on")
    text = "folder of the new rows that were joined to it"
    parser.add_argument("--new-rows", metavar="FOLDER", default="", help=text)
    options = parser.parse_args(arguments)
    if not (options.list or (options.bundle and options.to) or (options.compare and options.data)):
        parser.error("give a bundle and --to, or --list, or --compare and --data")
    try:
        if options.compare:
            from training.evaluate.head_to_head import (
                compare,  # with plots and scipy; publishing has neither
            )

            uri, other = options.compare
            print(compare(uri, other, options.data, options.new_rows))
            return 0
        s3 = boto3.client("s3")
        if options.list:
            print("\n".join(listing(s3, options.list)))
            return 0
        bucket, _ = parse_store(options.to)
        if options.create_bucket:
            create_bucket(s3, bucket)
        print(publish(s3, options.bundle, options.to))
    except (
        BundleError,
        PublishError,
        StoreError,
        DataError,
        BotoCoreError,
        ClientError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def publish(s3: "S3Client", folder: Path, store: str) -> str:
    """Upload a bundle and return its model URI.

    Raises:
        BundleError: the folder is not a whole bundle.
        PublishError: the store holds other content under this version.
    """
    bucket, prefix = parse_store(store)
    manifest, version = read_verified(folder)
    for name, entry in sorted(manifest.files.items()):
        data = (folder / name).read_bytes()
        check(name, entry, len(data), hashlib.sha256(data).hexdigest())
        _put_once(s3, bucket, f"{prefix}{version}/{name}", data)
    data = (folder / MANIFEST).read_bytes()
    parse_manifest(data, version)
    _put_once(s3, bucket, f"{prefix}{version}/{MANIFEST}", data)
    return model_uri(store, version)


def _put_once(s3: "S3Client", bucket: str, key: str, data: bytes) -> None:
    """Put an object unless the same one is there."""
    checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
    for wait in (0.5, 1, 2, 4, None):
        try:
            s3.put_object(
                Bucket=bucket, Key=key, Body=data, IfNoneMatch="*", ChecksumSHA256=checksum
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
    if s3.get_object(Bucket=bucket, Key=key)["Body"].read() != data:
        raise PublishError(f"s3://{bucket}/{key} is there with other content")


def create_bucket(s3: "S3Client", bucket: str) -> None:
    """Make a private, versioned, encrypted bucket, or make one's own bucket so."""
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
    """Whether a bucket has an encryption already, perhaps with a key of its owner's choice."""
    try:
        s3.get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return False
    return True


def listing(s3: "S3Client", store: str) -> list[str]:
    """A line for each version of a store, oldest first, with its metrics."""
    bucket, prefix = parse_store(store)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/"
    )
    names = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    versions = [name.removeprefix(prefix).rstrip("/") for name in names]
    found = []
    for version in filter(is_version, versions):
        try:
            answer = s3.get_object(Bucket=bucket, Key=f"{prefix}{version}/{MANIFEST}")
        except s3.exceptions.NoSuchKey:
            continue  # its upload has not ended
        try:
            manifest = parse_manifest(answer["Body"].read(), version)
        except BundleError as error:
            found.append(("", f"{version}  unreadable: {error}"))
        else:
            found.append((str(manifest.training.get("time")), _line(version, manifest)))
    return [line for _, line in sorted(found)] or [f"no version in {store}"]


def _line(version: str, manifest: Manifest) -> str:
    training, metrics = manifest.training, manifest.metrics
    int8, baseline = metrics.get("int8", {}), metrics.get("baseline", {})
    megabytes = sum(file.size for file in manifest.files.values()) / 1e6
    return (
        f"{version}  {training.get('time')}  {manifest.task}  "
        f"accuracy {int8.get('accuracy', math.nan):.2%} "
        f"(baseline {baseline.get('accuracy', math.nan):.2%})  "
        f"macro-F1 {int8.get('macro_f1', math.nan):.4f}  "
        f"split {training.get('split')}  {megabytes:.1f} MB"
    )


def model_uri(store: str, version: str) -> str:
    """Where a store keeps a version."""
    bucket, prefix = parse_store(store)
    return f"s3://{bucket}/{prefix}{version}"


def parse_store(uri: str) -> tuple[str, str]:
    """Bucket and key prefix (empty or ending in a slash) of ``s3://BUCKET/PREFIX``.

    Raises:
        PublishError: it is not of this form.
    """
    bucket, _, prefix = uri.removeprefix("s3://").strip("/").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise PublishError(f"{uri} is not of the form s3://BUCKET/PREFIX")
    return bucket, f"{prefix}/" if prefix else ""


if __name__ == "__main__":
    sys.exit(main())
