"""Decide where an output grows, and put it in its place: a local path or an S3 object."""

import os
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from inference.bulk.request import BulkError
from inference.s3_uri import SCHEME, S3Uri

PARTIAL = ".partial"  # after the name of the output


def staging_folder(location: str) -> Path:
    """Name the folder in which an output grows.

    Raises:
        BulkError: the location is a folder, or a bucket that does not exist.
        S3UriError: the location is not the URI of an object.
    """
    if location.startswith(SCHEME):
        uri = S3Uri.parse_object(location)
        _require_bucket(uri)
        return Path(uri.key.rpartition("/")[2] + PARTIAL)
    if Path(location).is_dir():
        raise BulkError(f"{location} is a folder: give a file name")
    return Path(location + PARTIAL)


def place(file: Path, location: str) -> None:
    """Move or upload a file to its place, where it appears complete.

    Raises:
        BulkError: S3 refuses it.
    """
    if not location.startswith(SCHEME):
        file.replace(location)
        return
    import boto3  # only for data in S3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    uri = S3Uri.parse_object(location)
    try:
        boto3.client("s3").upload_file(str(file), uri.bucket, uri.key)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        message = f"cannot write {location}: {error}; repeat the command to try again"
        raise BulkError(message) from error


def sync(file: IO[Any]) -> None:
    """Write a file through to the disk, so that it survives a crash of the machine."""
    file.flush()
    os.fsync(file.fileno())


def _require_bucket(uri: S3Uri) -> None:
    """Report a missing bucket now rather than after hours of scoring."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("s3").head_bucket(Bucket=uri.bucket)
    except ClientError as error:
        # Permission to write does not imply permission to look, so only "not found" counts.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            raise BulkError(f"cannot write {uri}: there is no such bucket") from error
    except BotoCoreError as error:
        raise BulkError(f"cannot write {uri}: {error}") from error
