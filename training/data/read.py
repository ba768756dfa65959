"""Read a CSV file of labelled texts."""

import bz2
import csv
import gzip
import hashlib
import io
import lzma
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from training.data.examples import DataError, Dataset, Example
from training.tasks import Table, Task, with_labels

PARTS = ("train", "test")  # of an official split
_DAMAGED = (lzma.LZMAError, zipfile.BadZipFile, zlib.error)
SEPARATORS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}


def read(location: str, task: Task) -> Dataset:
    """Read a CSV file (plain, .gz, .bz2, .xz or .zip) from a path or an ``s3://`` URI.

    Raises:
        DataError: the file or one of its rows is not what the task's table describes.
    """
    raw = _decompress(_fetch(location), location)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{location}, line {line}: not UTF-8 text; save it as UTF-8") from None
    rows = list(_rows(text, _as_written(task.table, text), location))
    if not rows:
        raise DataError(f"{location} is empty")
    if not task.codes:
        task = with_labels(task, _labels_in(rows, location))
    if len(task.labels) < 2:
        raise DataError(f"{location}: a classifier needs two labels, found {list(task.labels)}")
    if not any(row.part for row in rows) and task.default_split == "official":
        task = replace(task, default_split="story")
    examples = [_example(row, task, location) for row in rows]
    return Dataset(task, examples, hashlib.sha256(raw).hexdigest())


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    text: str
    label: str
    group: str
    time: str
    source: str
    part: str


def _as_written(table: Table, text: str) -> Table:
    """The table with the separator that the header row of its file is written with."""
    if table.header is None:
        first = text.partition("\n")[0].rstrip("\r")
        for mark in SEPARATORS:
            if {table.text, table.label} <= {name.strip('"') for name in first.split(mark)}:
                return replace(table, delimiter=mark)
    return table


def _labels_in(rows: Sequence["_Row"], location: str) -> tuple[str, ...]:
    """The labels of a file, sorted; two that differ in case alone are a slip of somebody's."""
    labels = sorted({row.label for row in rows})
    alike: dict[str, str] = {}
    for label in labels:
        other = alike.setdefault(unicodedata.normalize("NFKC", label).casefold(), label)
        if other != label:
            line = next(row.line for row in rows if row.label == label)
            raise DataError(f"{location}, line {line}: is {label!r} the label {other!r}?")
    return tuple(labels)


def _rows(text: str, table: Table, location: str) -> Iterator[_Row]:
    """The rows of a table.

    Rows of blank text or label are errors, not gaps: nothing is dropped in silence.
    """
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=table.delimiter,
        quoting=csv.QUOTE_MINIMAL if table.quoted else csv.QUOTE_NONE,
        strict=table.quoted,
    )
    header = table.header
    try:
        for fields in reader:
            where = f"{location}, line {reader.line_num}"
            if header is None:
                header = tuple(fields)
                _check_header(header, table, where)
            elif fields:
                if len(fields) != len(header):
                    raise DataError(f"{where}: {_wrong_width(fields, header, table)}")
                named: dict[str | None, str] = {None: ""}
                named.update(zip(header, fields, strict=True))
                row = _Row(
                    reader.line_num,
                    named[table.text],
                    named[table.label].strip(),
                    named[table.group],
                    named[table.time],
                    named[table.source],
                    named.get(table.split, "").strip(),
                )
                if not row.text.strip():
                    raise DataError(f"{where}: the text is blank")
                if not row.label:
                    raise DataError(f"{where}: the label is blank")
                yield row
    except csv.Error as error:
        raise DataError(f"{location}, line {reader.line_num}: {error}") from None


def _check_header(header: tuple[str, ...], table: Table, where: str) -> None:
    for column in (table.text, table.label, table.group, table.time, table.source):
        if column is not None and column not in header:
            raise DataError(f"{where}: no column {column!r}; it has {', '.join(header)}")
        if header.count(str(column)) > 1:
            raise DataError(f"{where}: two columns are named {column!r}")


def _wrong_width(fields: list[str], header: tuple[str, ...], table: Table) -> str:
    message = (
        f"expected {len(header)} columns separated by {SEPARATORS[table.delimiter]}, "
        f"found {len(fields)}"
    )
    return message + _other_separator(table.delimiter.join(fields), table, len(header) - 1)


def _other_separator(line: str, table: Table, least: int) -> str:
    """A hint, if a line holds another separator as often as a row would."""
    others = [name for mark, name in SEPARATORS.items() if line.count(mark) >= max(1, least)]
    others = [name for name in others if name != SEPARATORS[table.delimiter]]
    return f"; it looks separated by {others[0]}" if others else ""


def _example(row: _Row, task: Task, location: str) -> Example:
    where = f"{location}, line {row.line}"
    if row.label not in task.codes:
        known = ", ".join(task.codes)
        raise DataError(f"{where}: unknown category {row.label!r}; known: {known}")
    if row.time and not row.time.isdigit():
        raise DataError(f"{where}: {row.time!r} is not a time in milliseconds")
    if row.part and row.part not in PARTS:
        raise DataError(f"{where}: the split is {row.part!r}, neither {' nor '.join(PARTS)}")
    label = task.labels.index(task.codes[row.label])
    return Example(row.text, label, row.group, int(row.time or 0), row.source, row.part)


def _fetch(location: str) -> bytes:
    if location.startswith("s3://"):
        return _fetch_s3(location)
    path = Path(location)
    if not path.is_file():
        raise DataError(f"no such file: {location}")
    return path.read_bytes()


def _fetch_s3(uri: str) -> bytes:
    import boto3  # only for data in S3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        body: bytes = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise DataError(f"cannot read {uri}: {error}") from error
    return body


def _decompress(data: bytes, location: str) -> bytes:
    opener = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
    suffix = PurePosixPath(location).suffix
    try:
        if suffix == ".zip":
            return _unzip(data, location)
        return opener[suffix](data) if suffix in opener else data
    except (OSError, EOFError, ValueError, RuntimeError, *_DAMAGED) as error:
        raise DataError(f"cannot decompress {location}: {error}") from None


def _unzip(data: bytes, location: str) -> bytes:
    """The largest CSV file of an archive (the original one holds a small second file)."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        tables = [entry for entry in archive.infolist() if entry.filename.endswith(".csv")]
        if not tables:
            raise DataError(f"no .csv file in {location}")
        return archive.read(max(tables, key=lambda entry: entry.file_size))
