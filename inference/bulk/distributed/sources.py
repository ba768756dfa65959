"""List the objects to score, and refuse early what the steps cannot read."""

from typing import TYPE_CHECKING

from inference.bulk.distributed.run import Source
from inference.bulk.request import BulkError
from inference.s3_uri import S3Uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_BYTES = 8 << 30  # of a plain file: to cut it, a step reads it to its end in 15 minutes
NOT_READ = "a stack reads neither Parquet nor zstd; convert the file first"


def list_sources(s3: "S3Client", bucket: str, uri: str) -> list[Source]:
    """List one object, or all objects under a URI that ends with a slash; empty ones are skipped.

    Raises:
        BulkError: there is no object, or one that the steps do not read.
    """
    prefix = parse_prefix(uri, bucket)
    is_folder = uri.endswith("/")
    if is_folder:
        prefix += "/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    listed = [one for page in pages for one in page.get("Contents", []) if one["Size"]]
    if not is_folder:
        listed = [one for one in listed if one["Key"] == prefix]
    if not listed:
        raise BulkError(f"there is nothing at {uri} (a prefix ends with a slash)")
    return [_make_source(one["Key"], one["ETag"], one["Size"]) for one in listed]


def parse_prefix(uri: str, bucket: str) -> str:
    """Return the key or prefix in a URI, without a slash at its end.

    Raises:
        BulkError: the URI is in another bucket.
    """
    if not uri.startswith(f"s3://{bucket}/"):
        raise BulkError(f"{uri} is not in s3://{bucket}, the stack's BulkBucket")
    return S3Uri.parse_object(uri.removesuffix("/")).key


def _make_source(key: str, etag: str, size: int) -> Source:
    if key.lower().endswith((".parquet", ".zst")):  # the plan step knows others by their content
        raise BulkError(f"{key}: {NOT_READ}")
    if size > MAX_BYTES:
        raise BulkError(f"{key} has {size} bytes: split files of more than {MAX_BYTES}")
    return Source(key=key, etag=etag, size=size)
