"""Opens what is to be read: a file, an S3 object or stdin, decompressed."""

import bz2
import gzip
import io
import lzma
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from inference.tables.formats import PIPE, BulkError, Format

Identity = dict[str, object]  # what tells a content from a later one of the same name


@dataclass(frozen=True)
class Input:
    """An open input."""

    file: BinaryIO  # decompressed
    raw: BinaryIO  # as it is stored
    opened: os.stat_result | None  # what ``raw`` was then; None: a pipe

    def share_read(self) -> float | None:
        """How much of it was read, from 0 to 1; None if that cannot be told."""
        size = self.opened.st_size if self.opened else 0
        return self.raw.tell() / size if size else None

    def check_unchanged(self) -> None:
        """See that nobody wrote to it since it was opened.

        Raises:
            BulkError: somebody did.
        """
        if self.opened is None:
            return
        then, now = self.opened, os.fstat(self.raw.fileno())
        if (then.st_size, then.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
            raise BulkError("the input was changed while it was read: delete the partial output")


def identity(location: str) -> Identity | None:
    """What is there now; None for a pipe.

    Raises:
        BulkError: there is no such file or object.
    """
    if location == PIPE:
        return None
    if location.startswith("s3://"):
        return _s3_identity(location)
    path = Path(location)
    if not path.is_file():
        raise BulkError(f"no such file: {location}")
    stat = path.stat()
    return {"location": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


@contextmanager
def open_input(
    location: str, kind: Format, content: Identity | None, folder: Path
) -> Iterator[Input]:
    """An input until the block ends; an S3 object is copied to the folder first.

    A copy, as S3 closes connections that are read at the pace of a model, and as a run that
    goes on later reads from the start again.

    Raises:
        BulkError: it cannot be had.
    """
    if content is None:
        yield Input(sys.stdin.buffer, sys.stdin.buffer, None)
        return
    path = Path(location)
    if location.startswith("s3://"):
        path = folder / str(content["etag"]).strip('"')
        if not path.exists():
            _download(location, path)
    with path.open("rb") as raw, decompressed(raw, kind.compression) as file:
        yield Input(file, raw, os.fstat(raw.fileno()))


def decompressed(raw: BinaryIO, compression: str) -> BinaryIO:
    """The content of a file that may be compressed."""
    if compression == "gz":
        return cast(BinaryIO, gzip.open(raw))
    if compression == "bz2":
        return cast(BinaryIO, bz2.open(raw))
    if compression == "xz":
        return cast(BinaryIO, lzma.open(raw))
    if compression == "zst":
        import pyarrow

        return io.BufferedReader(pyarrow.CompressedInputStream(raw, "zstd"))
    return raw


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://BUCKET/KEY``.

    Raises:
        BulkError: it has another form.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key or key.endswith("/"):
        raise BulkError(f"{uri} is not of the form s3://BUCKET/KEY")
    return bucket, key


def _s3_identity(uri: str) -> Identity:
    import boto3  # only for data in S3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_uri(uri)
    try:
        head = boto3.client("s3").head_object(Bucket=bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        raise BulkError(f"cannot read {uri}: {error}") from error
    return {"location": uri, "size": head["ContentLength"], "etag": head["ETag"]}


def _download(uri: str, path: Path) -> None:
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_uri(uri)
    try:
        # It is there whole or not at all, and is of one version of the object.
        boto3.client("s3").download_file(bucket, key, str(path))
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise BulkError(f"cannot read {uri}: {error}") from error
