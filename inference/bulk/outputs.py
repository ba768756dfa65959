"""Where an output goes: a file or S3 object that is there whole or not at all, or stdout.

A file grows in a folder of its own, ``OUTPUT.partial``, beside a note of what it is made from
and how far it is. After a kill the same run goes on from there: what was written after the
last note is cut off and scored again.
"""

import csv
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from tqdm import tqdm

from inference.bulk.scorer import Layout, header
from inference.tables.formats import PIPE, BulkError
from inference.tables.inputs import split_uri
from inference.tables.rows import Reject

PARTIAL, REJECTS = ".partial", ".rejects.csv"  # after the name of the output
_DATA, _NOTE, _REJECTED, _PARQUET = "data", "note.json", "rejects.csv", "parquet"
_GROUP = 1 << 16  # rows of a Parquet row group

Run = Mapping[str, object]  # all that the rows of an output depend on


class Output(Protocol):
    """What the pieces of an output and the rejects go to."""

    folder: Path  # for files of the run
    chunks: int  # that are written, of an earlier start too
    rows: int  # in these
    rejected: int

    def write(self, data: bytes, rows: int) -> None:
        """Add the piece of one chunk."""

    def reject(self, reject: Reject) -> None:
        """Note a row that could not be read."""

    def finish(self) -> None:
        """Put the whole output in its place."""


@contextmanager
def open_output(location: str, layout: Layout, run: Run, resumable: bool) -> Iterator[Output]:
    """An output until the block ends; it is in its place after ``finish``.

    Raises:
        BulkError: the place cannot be written to, or holds the part of another run.
    """
    if location == PIPE:
        with tempfile.TemporaryDirectory() as folder:
            yield _Pipe(Path(folder))
        return
    output = _File(location, layout, run, resumable)
    try:
        yield output
    finally:
        output.close()


class _Pipe:
    """Standard output, as JSON lines; rejects go to stderr."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chunks = self.rows = self.rejected = 0

    def write(self, data: bytes, rows: int) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        self.chunks += 1
        self.rows += rows

    def reject(self, reject: Reject) -> None:
        self.rejected += 1
        tqdm.write(f"rejected: line {reject.line}: {reject.reason}", file=sys.stderr)

    def finish(self) -> None:
        sys.stdout.buffer.flush()


class _File:
    """A file that grows in a folder beside its place, or in the current one for S3."""

    def __init__(self, location: str, layout: Layout, run: Run, resumable: bool) -> None:
        self._location, self._layout, self._run = location, layout, dict(run)
        self._resumable = resumable
        self.folder = _folder_of(location)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._data = (self.folder / _DATA).open("ab")
        try:
            self._lock()
            self.chunks, self.rows = self._resume()
        except BaseException:
            self._data.close()
            raise
        self.rejected = 0
        # Written anew by every start: they are found by reading, which begins at the first row.
        self._rejects = (self.folder / _REJECTED).open("w", encoding="utf-8", newline="")
        csv.writer(self._rejects, lineterminator="\n").writerow(("line", "reason"))

    def _lock(self) -> None:
        try:
            fcntl.flock(self._data, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BulkError(f"another run is writing {self._location}") from None

    def _resume(self) -> tuple[int, int]:
        """Cut the data to what the note says, and return its chunks and rows."""
        note = _read_note(self.folder / _NOTE)
        other = [k for k, v in self._run.items() if note and note["run"].get(k) != v]
        if note and note["rows"] and other:
            raise BulkError(
                f"{self.folder} holds the part of a run with another {', '.join(other)}: "
                "start it with what it was started with, or delete the folder"
            )
        if note and not other and self._data.tell() >= note["bytes"]:
            self._cut(note["bytes"])
            return note["chunks"], note["rows"]
        self._cut(0)
        self._data.write(header(self._layout))
        return 0, 0

    def _cut(self, size: int) -> None:
        self._data.truncate(size)
        self._data.seek(size)

    def write(self, data: bytes, rows: int) -> None:
        self._data.write(data)
        _sync(self._data)
        self.chunks += 1
        self.rows += rows
        if self._resumable:
            self._write_note()

    def _write_note(self) -> None:
        note = {"run": self._run, "chunks": self.chunks, "rows": self.rows}
        temporary = self.folder / f"{_NOTE}.new"
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({**note, "bytes": self._data.tell()}, file)
            _sync(file)
        temporary.replace(self.folder / _NOTE)

    def reject(self, reject: Reject) -> None:
        self.rejected += 1
        csv.writer(self._rejects, lineterminator="\n").writerow((reject.line, reject.reason))

    def finish(self) -> None:
        _sync(self._data)
        _sync(self._rejects)
        whole = self.folder / _DATA
        if self._layout.kind.table == "parquet":
            whole = self.folder / _PARQUET
            _write_parquet(self.folder / _DATA, whole, self._layout)
        _place(self.folder / _REJECTED, self._location + REJECTS)
        _place(whole, self._location)
        shutil.rmtree(self.folder)

    def close(self) -> None:
        self._rejects.close()
        self._data.close()  # and with it the lock


def _sync(file: IO[Any]) -> None:
    """Have it on the disk, whatever happens to the machine."""
    file.flush()
    os.fsync(file.fileno())


def _folder_of(location: str) -> Path:
    """Where an output grows.

    Raises:
        BulkError: the location is none that can be written.
    """
    if location.startswith("s3://"):
        _, key = split_uri(location)
        _check_bucket(location)
        return Path(key.rpartition("/")[2] + PARTIAL)
    if Path(location).is_dir():
        raise BulkError(f"{location} is a folder: give a file name")
    return Path(location + PARTIAL)


def _check_bucket(uri: str) -> None:
    """Find out now rather than after hours that there is no such bucket."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("s3").head_bucket(Bucket=split_uri(uri)[0])
    except ClientError as error:
        # One who may write need not be allowed to look.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            raise BulkError(f"there is no bucket for {uri}") from error
    except BotoCoreError as error:
        raise BulkError(f"cannot write {uri}: {error}") from error


def _read_note(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _place(file: Path, location: str) -> None:
    """Put a file where it belongs, at once."""
    if not location.startswith("s3://"):
        file.replace(location)
        return
    import boto3  # only for data in S3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_uri(location)
    try:
        boto3.client("s3").upload_file(str(file), bucket, key)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        message = f"cannot write {location}: {error}; the same command tries again"
        raise BulkError(message) from error


def _write_parquet(lines: Path, path: Path, layout: Layout) -> None:
    """Turn JSON lines into a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    types = {"line": pyarrow.int64(), "truncated": pyarrow.bool_(), "confidence": pyarrow.float64()}
    types |= {f"probability_{label}": pyarrow.float64() for label in layout.labels}
    schema = pyarrow.schema((name, types.get(name, pyarrow.string())) for name in layout.columns)
    with (
        lines.open(encoding="utf-8") as source,
        path.open("wb") as file,
    ):
        with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            while group := [json.loads(line) for line in islice(source, _GROUP)]:
                writer.write_table(pyarrow.Table.from_pylist(group, schema))
        _sync(file)
