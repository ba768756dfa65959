"""Decide where an output grows, and put it in its place: a local path or an S3 object."""

import errno
import os
import shutil
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from inference.bulk.request import BulkError
from inference.s3_uri import SCHEME, S3Uri
from inference.writing import REPEAT, naming

RESUME = "then give the same command again, which goes on from there"
PARTIAL = ".partial"  # after the name of the output


def staging_folder(location: str) -> Path:
    """Name the folder in which an output grows.

    Raises:
        BulkError: the location is a folder, or in a bucket that does not exist.
        S3UriError: the location is not the URI of an object.
    """
    if location.startswith(SCHEME):
        uri = S3Uri.parse_object(location)
        _require_bucket(uri)
        return Path(uri.key.rpartition("/")[2] + PARTIAL)
    if Path(location).is_dir():
        raise BulkError(f"{location} is a folder: give a file name")
    return Path(os.path.realpath(location) + PARTIAL)  # where a link leads: on the same disk


def place(file: Path, location: str, remedy: str = REPEAT) -> None:
    """Move or upload a file to its place, where it appears complete.

    A link stays, and the file that it leads to is replaced; that file's permissions stay, too. The
    remedy says what the user does after correcting an error.

    Raises:
        BulkError: S3 refuses it.
        OutputError: the file system does.
    """
    if not location.startswith(SCHEME):
        with naming(location, remedy):
            _move(file, Path(os.path.realpath(location)))
        return
    import boto3  # only for data in S3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    uri = S3Uri.parse_object(location)
    try:
        boto3.client("s3").upload_file(str(file), uri.bucket, uri.key)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise BulkError(f"cannot write {location}: {error}; correct that, {remedy}") from error


def _move(file: Path, target: Path) -> None:
    if target.is_file():
        shutil.copymode(target, file)
    try:
        file.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # the link of the rejects may lead to another disk
            raise
        copy = target.with_name(f".{target.name}.new")
        try:
            shutil.copy(file, copy)
            copy.replace(target)
        finally:
            copy.unlink(missing_ok=True)
        file.unlink()


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
