"""Read a file that is an S3 object."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inference.s3_uri import S3Uri
from inference.tables.errors import TableError
from inference.writing import naming

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@contextmanager
def _reading(location: str) -> Iterator[tuple["S3Client", S3Uri]]:
    """Yield a client and the object's URI; an error of AWS in the block names the object."""
    import boto3  # most data is not in S3, and boto3 takes 0.1 s to import
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    uri = S3Uri.parse_object(location)
    try:
        yield boto3.client("s3"), uri
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise TableError(f"cannot read {location}: {error}") from error


def identify_object(location: str) -> dict[str, object]:
    """Describe the present content of an object by its size and ETag.

    Raises:
        TableError: it cannot be read.
    """
    with _reading(location) as (s3, uri):
        head = s3.head_object(Bucket=uri.bucket, Key=uri.key)
    return {"location": location, "size": head["ContentLength"], "etag": head["ETag"]}


def read_object(location: str) -> bytes:
    """Return the content of an object.

    Raises:
        TableError: it cannot be read.
    """
    with _reading(location) as (s3, uri):
        return s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"].read()


def download_object(location: str, path: Path) -> None:
    """Copy an object to a file, which appears when it is complete.

    Raises:
        OutputError: the file cannot be written.
        TableError: the object cannot be read.
    """
    with _reading(location) as (s3, uri), naming(path):
        # boto3 renames the file into place when it is complete, and of one version.
        s3.download_file(uri.bucket, uri.key, str(path))
