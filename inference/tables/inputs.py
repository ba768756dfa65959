"""Open a file, a pipe or an S3 object for reading, decompressed."""

import bz2
import gzip
import io
import lzma
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from inference.s3_uri import SCHEME, S3Uri
from inference.tables.columns import InputColumns
from inference.tables.errors import TableError
from inference.tables.formats import PIPE, require_pyarrow
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions
from inference.tables.reader import DAMAGE_ERRORS, read_rows
from inference.tables.recognize import recognize
from inference.tables.rows import Reject, Row
from inference.tables.signatures import COMPRESSIONS, find_compression, open_member

HEAD_BYTES = 512  # that tell a compression
LOOK_AHEAD_BYTES = 8 << 20  # of a pipe, which are held to find out how it is to be read

Identity = dict[str, object]  # tells a content from a later one under the same name


@dataclass(frozen=True)
class Input:
    """An open input."""

    location: str
    file: BinaryIO  # decompressed, at its beginning
    raw: BinaryIO  # as stored
    opened: os.stat_result | None  # the state of ``raw`` when it was opened; None for a pipe
    layout: Layout
    note: str = ""  # what a user may want to know

    def rows(self, columns: InputColumns) -> Iterator[Row | Reject]:
        """Read the rows, once.

        Raises:
            TableError: the input is damaged or lacks a column.
        """
        try:
            yield from read_rows(self.file, self.layout, columns)
        except TableError as error:
            raise error.in_file(self.location) from error.__cause__

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
                f"{self.location} changed while it was being read",
                remedy="delete the partial output, start again",
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
    if path.is_dir():
        raise TableError(f"{location} is a folder: give a file name")
    if not path.exists():
        raise TableError(f"no such file: {location}")
    if not path.is_file():
        return None  # a FIFO, or /dev/stdin at the end of a pipe
    stat = path.stat()
    return {"location": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


@contextmanager
def open_input(
    location: str,
    columns: InputColumns,
    options: ReadOptions,
    identity: Identity | None,
    folder: Path,
) -> Iterator[Input]:
    """Open an input for as long as the block runs, and recognize its layout.

    An S3 object is first copied to the folder: S3 closes connections that are read at the pace
    of a model, and a run that is resumed reads the object from the start again.

    Raises:
        TableError: the input cannot be read.
    """
    with ExitStack() as stack:
        raw = sys.stdin.buffer
        if location != PIPE:
            path = _fetch(location, identity, folder)
            raw = stack.enter_context(cast(BinaryIO, path.open("rb")))
        try:
            open_raw = _open_pipe if identity is None else _open_file
            source = open_raw(location, raw, columns, options)
        except TableError as error:
            raise error.in_file(location) from error.__cause__
        except DAMAGE_ERRORS as error:
            raise TableError(f"the file is damaged: {error}").in_file(location) from error
        yield source


def _open_file(location: str, raw: BinaryIO, columns: InputColumns, options: ReadOptions) -> Input:
    file, note = decompress(raw)
    layout = recognize(file, columns, options, name=_strip_compression(location))
    file.seek(0)
    return Input(location, file, raw, os.fstat(raw.fileno()), layout, note)


def _open_pipe(location: str, raw: BinaryIO, columns: InputColumns, options: ReadOptions) -> Input:
    """Open what can be read only once, and keep its beginning until its layout is recognized."""
    head = raw.read(HEAD_BYTES)
    compression = find_compression(head)
    if compression == "zip":
        raise TableError("a zip archive cannot go through a pipe", remedy="unpack it: unzip -p")
    file, note = decompress(_prepend(head, raw), compression)
    ahead = file.read(LOOK_AHEAD_BYTES)
    complete = len(ahead) < LOOK_AHEAD_BYTES
    lines = ahead if complete else ahead[: ahead.rfind(b"\n") + 1] or ahead
    layout = recognize(io.BytesIO(lines), columns, options, name=location, complete=complete)
    if layout.file_format == "parquet":
        raise TableError("Parquet cannot go through a pipe: name a file")
    return Input(location, _prepend(ahead, file), raw, None, layout, note)


def decompress(raw: BinaryIO, compression: str | None = None) -> tuple[BinaryIO, str]:
    """Return a file with the decompressed content of another, and a note for the user.

    Args:
        raw: a file, which may be plain.
        compression: how it is compressed; None: its first bytes say it.

    Raises:
        TableError: it is an archive without a table, or needs pyarrow.
    """
    if compression is None:
        compression = find_compression(raw.read(HEAD_BYTES))
        raw.seek(0)
    if compression == "gz":
        return cast(BinaryIO, gzip.open(raw)), ""
    if compression == "bz2":
        return cast(BinaryIO, bz2.open(raw)), ""
    if compression == "xz":
        return cast(BinaryIO, lzma.open(raw)), ""
    if compression == "zip":
        return open_member(raw)
    if compression == "zst":
        require_pyarrow("a zstd file")
        return cast(BinaryIO, io.BufferedReader(_ZstdReader(raw))), ""
    return raw, ""


class _Reader(io.RawIOBase):
    """A file that is read only forward, or from the beginning again."""

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        data = self.get(len(target))
        target[: len(data)] = data
        return len(data)

    def get(self, size: int) -> bytes:
        """Read this many bytes at most."""
        raise NotImplementedError


class _Prepended(_Reader):
    """Some bytes, and then a file."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file

    def get(self, size: int) -> bytes:
        data = self._head[:size] or self._file.read(size)
        self._head = self._head[len(data) :]
        return data


class _ZstdReader(_Reader):
    """The content of a zstd file."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._start()

    def _start(self) -> None:
        import pyarrow  # not in the Lambda image

        shielded = _Prepended(b"", self._raw)  # pyarrow closes the file that it is given
        self._file = pyarrow.CompressedInputStream(shielded, "zstd")

    def get(self, size: int) -> bytes:
        return bytes(self._file.read(size))

    def seekable(self) -> bool:
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("only a return to the beginning")
        self._raw.seek(0)
        self._start()
        return 0


def _prepend(head: bytes, file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Prepended(head, file)))


def _strip_compression(location: str) -> str:
    """Return the name of a file without the ending of its compression."""
    path = PurePosixPath(location)
    return str(path.with_suffix("")) if path.suffix.lower() in COMPRESSIONS else str(path)


def _fetch(location: str, identity: Identity | None, folder: Path) -> Path:
    if not location.startswith(SCHEME):
        return Path(location)
    path = folder / str((identity or {})["etag"]).strip('"')
    if not path.exists():
        _download(location, path)
    return path


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
