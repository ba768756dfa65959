"""Open a file, an S3 object or stdin for reading, decompressed."""

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

from inference.s3_uri import SCHEME, S3Uri
from inference.tables.formats import PIPE, FileType, TableError

Identity = dict[str, object]  # tells a content from a later one under the same name


@dataclass(frozen=True)
class Input:
    """An open input."""

    file: BinaryIO  # decompressed
    raw: BinaryIO  # as stored
    opened: os.stat_result | None  # the state of ``raw`` when it was opened; None for a pipe

    def share_read(self) -> float | None:
        """Return how much of the input was read, from 0 to 1; None for a pipe."""
        size = self.opened.st_size if self.opened else 0
        return self.raw.tell() / size if size else None

    def require_unchanged(self) -> None:
        """Make sure that no other process wrote to the file since it was opened.

        Raises:
            TableError: the file has changed.
        """
        if self.opened is None:
            return
        then, now = self.opened, os.fstat(self.raw.fileno())
        if (then.st_size, then.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
            raise TableError(
                "the input changed while it was being read: delete the partial output, start again"
            )


def identify(location: str) -> Identity | None:
    """Describe the present content of a file or S3 object; None for a pipe.

    Raises:
        TableError: there is no such file or object.
    """
    if location == PIPE:
        return None
    if location.startswith(SCHEME):
        return _identify_object(location)
    path = Path(location)
    if not path.is_file():
        raise TableError(f"no such file: {location}")
    stat = path.stat()
    return {"location": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


@contextmanager
def open_input(
    location: str, file_type: FileType, identity: Identity | None, folder: Path
) -> Iterator[Input]:
    """Open an input for as long as the block runs.

    An S3 object is first copied to the folder: S3 closes connections that are read at the pace
    of a model, and a run that is resumed reads the object from the start again.

    Raises:
        TableError: the input cannot be read.
    """
    if identity is None:
        yield Input(sys.stdin.buffer, sys.stdin.buffer, None)
        return
    path = Path(location)
    if location.startswith(SCHEME):
        path = folder / str(identity["etag"]).strip('"')
        if not path.exists():
            _download(location, path)
    with path.open("rb") as raw, decompress(raw, file_type.compression) as file:
        yield Input(file, raw, os.fstat(raw.fileno()))


def decompress(raw: BinaryIO, compression: str) -> BinaryIO:
    """Return a file with the decompressed content of another, which may be plain."""
    if compression == "gz":
        return cast(BinaryIO, gzip.open(raw))
    if compression == "bz2":
        return cast(BinaryIO, bz2.open(raw))
    if compression == "xz":
        return cast(BinaryIO, lzma.open(raw))
    if compression == "zst":
        import pyarrow  # not in the Lambda image

        return io.BufferedReader(pyarrow.CompressedInputStream(raw, "zstd"))
    return raw


def _identify_object(location: str) -> Identity:
    import boto3  # only for data in S3
    from botocore.exceptions import BotoCoreError, ClientError

    uri = S3Uri.parse_object(location)
    try:
        head = boto3.client("s3").head_object(Bucket=uri.bucket, Key=uri.key)
    except (BotoCoreError, ClientError) as error:
        raise TableError(f"cannot read {location}: {error}") from error
    return {"location": location, "size": head["ContentLength"], "etag": head["ETag"]}


def _download(location: str, path: Path) -> None:
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    uri = S3Uri.parse_object(location)
    try:
        # boto3 renames the file into place when it is complete, and of one version.
        boto3.client("s3").download_file(uri.bucket, uri.key, str(path))
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise TableError(f"cannot read {location}: {error}") from error
