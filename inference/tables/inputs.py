"""Open a file, a pipe or an S3 object for reading, decompressed."""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from inference.s3_uri import SCHEME
from inference.tables.columns import InputColumns
from inference.tables.compression import decompress
from inference.tables.errors import TableError
from inference.tables.formats import PIPE
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions
from inference.tables.parquet import count_parquet_rows
from inference.tables.reader import DAMAGE_ERRORS, describe_damage, read_rows
from inference.tables.readers import prepend
from inference.tables.recognize import recognize
from inference.tables.rows import Reject, Row
from inference.tables.s3_object import download_object, identify_object
from inference.tables.signatures import COMPRESSIONS, HEAD_BYTES, PARQUET, find_compression
from inference.writing import naming

COPY_PREFIX = "input-"  # of the copy of an S3 object, before its ETag
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
        with self._naming():
            yield from read_rows(self.file, self.layout, columns)

    def count_rows(self) -> int | None:
        """Return the number of rows, if the file has it: Parquet.

        Raises:
            TableError: the file is damaged.
        """
        with self._naming():
            is_parquet = self.layout.file_format == "parquet"
            return count_parquet_rows(self.file) if is_parquet else None

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
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
                remedy="start again when it is complete",
            )


def identify(location: str) -> Identity | None:
    """Describe the present content of a file or S3 object; None for a pipe.

    Raises:
        TableError: there is no such file or object.
    """
    if location == PIPE:
        return None
    if location.startswith(SCHEME):
        return identify_object(location)
    path = Path(location)
    if not os.path.lexists(path):
        raise TableError(f"no such file: {location}")
    with _naming_trouble(location):
        stat = path.stat()
    if path.is_dir():
        raise TableError(f"{location} is a folder: give a file name")
    if not path.is_file():
        return None  # a FIFO, or /dev/stdin at the end of a pipe
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
            with _naming_trouble(location):
                raw = stack.enter_context(cast(BinaryIO, path.open("rb")))
        try:
            open_raw = _open_pipe if identity is None else _open_file
            source = open_raw(location, raw, columns, options, stack)
        except TableError as error:
            raise error.in_file(location) from error.__cause__
        except DAMAGE_ERRORS as error:
            raise describe_damage(error).in_file(location) from error
        yield source


@contextmanager
def _naming_trouble(location: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TableError(f"cannot read {location}: {error.strerror}") from error


def _open_file(
    location: str, raw: BinaryIO, columns: InputColumns, options: ReadOptions, stack: ExitStack
) -> Input:
    file, note = decompress(raw)
    layout = recognize(file, columns, options, name=_strip_compression(location))
    file.seek(0)
    if layout.file_format == "parquet" and file is not raw:
        file = stack.enter_context(_copy_to_file(file))
    return Input(location, file, raw, os.fstat(raw.fileno()), layout, note)


def _open_pipe(
    location: str, raw: BinaryIO, columns: InputColumns, options: ReadOptions, stack: ExitStack
) -> Input:
    """Open what can be read only once, and keep its beginning until its layout is recognized.

    Zip and Parquet have their tables of contents at the end, so they are copied to a file first.
    """
    head = raw.read(HEAD_BYTES)
    compression = find_compression(head)
    raw = prepend(head, raw)
    if compression == "zip":
        raw = stack.enter_context(_copy_to_file(raw))
    file, note = decompress(raw, compression)
    ahead = file.read(LOOK_AHEAD_BYTES)
    if ahead.startswith(PARQUET):
        file = stack.enter_context(_copy_to_file(prepend(ahead, file)))
        layout = recognize(file, columns, options)
        file.seek(0)
    else:
        complete = len(ahead) < LOOK_AHEAD_BYTES
        lines = ahead if complete else ahead[: ahead.rfind(b"\n") + 1] or ahead
        layout = recognize(io.BytesIO(lines), columns, options, name=location, complete=complete)
        file = prepend(ahead, file)
    return Input(location, file, raw, None, layout, note)


@contextmanager
def _copy_to_file(pipe: BinaryIO) -> Iterator[BinaryIO]:
    remedy = "or set TMPDIR to a folder with more room"
    with tempfile.TemporaryFile() as file:
        with naming(f"a copy of the input to {tempfile.gettempdir()}", remedy):
            shutil.copyfileobj(pipe, file)
            file.seek(0)
        yield cast(BinaryIO, file)


def _strip_compression(location: str) -> str:
    """Return the name of a file without the ending of its compression."""
    path = PurePosixPath(location)
    return str(path.with_suffix("")) if path.suffix.lower() in COMPRESSIONS else str(path)


def _fetch(location: str, identity: Identity | None, folder: Path) -> Path:
    if not location.startswith(SCHEME):
        return Path(location)
    etag = str((identity or {})["etag"]).strip('"')
    path = folder / f"{COPY_PREFIX}{etag}"
    if not path.exists():
        download_object(location, path)
    return path
