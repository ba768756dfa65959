"""The rows of a table, one by one; what is no row is a reject with its line and the reason."""

import codecs
import csv
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from inference.tables.formats import BulkError, Table
from inference.tables.inputs import Input

MAX_CHARACTERS = csv.field_size_limit()  # of one text; the csv module's own limit, 131,072
MAX_LINE = 1 << 20  # bytes
# A chunk is scored by one process at a time. Its rows are sorted by length, so more of them
# fill batches better; fewer keep all cores busy to the end and lose less to a kill.
CHUNK_ROWS = 4096
CHUNK_CHARACTERS = 2_000_000  # tokenized, some 100 MB

DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what reading a damaged file raises
_TOO_LONG = f"the line has more than {MAX_LINE} bytes"


@dataclass(frozen=True, slots=True)
class Row:
    """A text to classify and the values that go with it into the output."""

    line: int  # where it begins in the file, from 1; in Parquet the number of the row
    text: str
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reject:
    """What could not be read as a row."""

    line: int
    reason: str


@dataclass(frozen=True)
class Columns:
    """Which columns are read: names, or in CSV and TSV without a header positions from 0."""

    text: str
    keep: tuple[str, ...] = ()

    @property
    def by_position(self) -> bool:
        """Whether a CSV or TSV file has no header."""
        return self.text.isdecimal()


class Reader:
    """Reads an input in chunks, the same ones every time."""

    def __init__(
        self, source: Input, table: Table, columns: Columns, reject: Callable[[Reject], None]
    ) -> None:
        """``reject`` is called for each reject as it is met."""
        self._source, self._table, self._columns = source, table, columns
        self._reject = reject
        self._read = 0
        self._rows = _parquet_rows(source.file) if table == "parquet" else None

    def chunks(self) -> Iterator[list[Row]]:
        """All rows, in chunks that are bounded in rows and characters.

        Raises:
            BulkError: the input is damaged or lacks a column.
        """
        for chunk in chunks(read_rows(self._source.file, self._table, self._columns), self._reject):
            self._read += len(chunk)
            yield chunk

    def expected_rows(self) -> int | None:
        """How many rows there will be if the rest is like what was read; None: not known."""
        if self._rows is not None:
            return self._rows
        share = self._source.share_read()
        return round(self._read / share) if share else None


def chunks(found: Iterable[Row | Reject], reject: Callable[[Reject], None]) -> Iterator[list[Row]]:
    """Rows in chunks that are bounded in rows and characters; the rejects go to ``reject``."""
    chunk: list[Row] = []
    characters = 0
    for row in found:
        if isinstance(row, Reject):
            reject(row)
            continue
        chunk.append(row)
        characters += len(row.text) + sum(map(len, row.kept))
        if len(chunk) == CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def read_rows(
    file: BinaryIO, table: Table, columns: Columns, first: int = 1
) -> Iterator[Row | Reject]:
    """The rows of a table in its order. Blank lines are not rows.

    Args:
        file: its decompressed content.
        table: what kind it is.
        columns: that are read.
        first: the number of the first line.

    Raises:
        BulkError: the file is damaged, or has no such column.
    """
    try:
        if table == "parquet":
            yield from _parquet(file, columns)
        elif table == "jsonl":
            yield from _json_lines(Lines(file, first), columns)
        else:
            yield from _delimited(Lines(file, first), table, columns)
    except DAMAGE as error:
        raise BulkError(f"the input is damaged: {error}") from error


class Lines:
    """The decoded lines of a file, in bounded memory."""

    def __init__(self, file: BinaryIO, first: int = 1) -> None:
        self._file = file
        self.number = first - 1  # of the last line read
        self.bytes = 0  # that were read
        self._cut = False

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE)
        if not line:
            raise StopIteration
        rest, is_first = line, not self.bytes
        self.bytes += len(line)
        while len(rest) == MAX_LINE and not rest.endswith(b"\n"):
            self._cut = True
            rest = self._file.readline(MAX_LINE)
            self.bytes += len(rest)
        self.number += 1
        if is_first:
            line = line.removeprefix(codecs.BOM_UTF8)
        return line.decode(errors="surrogateescape")  # what is not UTF-8 is found by _row

    def was_cut(self) -> bool:
        """Whether a line since the last call was too long and lost its end."""
        cut, self._cut = self._cut, False
        return cut


def records(lines: Lines, table: Table) -> Iterator[list[str]]:
    """The records of CSV or TSV; after a csv.Error the next one begins with the next line."""
    if table == "tsv":
        return csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return csv.reader(lines, strict=True)


def _delimited(lines: Lines, table: Table, columns: Columns) -> Iterator[Row | Reject]:
    """Rows of CSV (RFC 4180) or TSV, in which a quote is a character like any other."""
    reader = records(lines, table)
    width, positions = 0, []
    while True:
        line = lines.number + 1
        try:
            fields = next(reader)
            reason = _TOO_LONG if lines.was_cut() else ""
        except StopIteration:
            break
        except csv.Error as error:
            lines.was_cut()
            fields = []
            reason = str(error)
            if lines.number > line:
                reason += f" (lines {line} to {lines.number} are one row)"
        if reason and not width:
            raise BulkError(f"line {line}: {reason}")
        if reason:
            yield Reject(line, reason)
            continue
        if not fields:
            continue
        if not width:
            width, positions = len(fields), _positions(columns, fields)
            if not columns.by_position:
                continue
        if len(fields) != width:
            yield Reject(line, f"expected {width} columns as in the first row, found {len(fields)}")
            continue
        text, *kept = (fields[position] for position in positions)
        yield _row(line, text, kept)
    if not width and not columns.by_position:
        raise BulkError("the input is empty: it has no header")


def _positions(columns: Columns, first: Sequence[str]) -> list[int]:
    """Where the text and the kept columns stand."""
    positions = []
    for name in (columns.text, *columns.keep):
        if not columns.by_position and name in first:
            positions.append(first.index(name))
        elif columns.by_position and name.isdecimal() and int(name) < len(first):
            positions.append(int(name))
        else:
            has = f"columns 0 to {len(first) - 1}" if columns.by_position else ", ".join(first)
            raise BulkError(f"no column {name!r}; the input has {has}")
    return positions


def _json_lines(lines: Lines, columns: Columns) -> Iterator[Row | Reject]:
    for line in lines:
        if lines.was_cut():
            yield Reject(lines.number, _TOO_LONG)
        elif line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if isinstance(record, dict):
                kept = [record.get(name) for name in columns.keep]
                yield _row(lines.number, record.get(columns.text), kept)
            else:
                yield Reject(lines.number, "not a JSON object")


def _parquet_rows(file: BinaryIO) -> int:
    import pyarrow
    import pyarrow.parquet

    try:
        return int(pyarrow.parquet.read_metadata(file).num_rows)
    except pyarrow.ArrowException as error:
        raise BulkError(f"the input is damaged: {error}") from error


def _parquet(file: BinaryIO, columns: Columns) -> Iterator[Row | Reject]:
    import pyarrow
    import pyarrow.parquet

    names = [columns.text, *columns.keep]
    try:
        table = pyarrow.parquet.ParquetFile(file)
        for name in names:
            if name not in table.schema_arrow.names:
                has = ", ".join(table.schema_arrow.names)
                raise BulkError(f"no column {name!r}; the input has {has}")
        number = 0
        for batch in table.iter_batches(CHUNK_ROWS, columns=names):
            for text, *kept in zip(
                *(batch.column(name).to_pylist() for name in names), strict=True
            ):
                number += 1
                yield _row(number, text, kept)
    except pyarrow.ArrowException as error:
        raise BulkError(f"the input is damaged: {error}") from error


def _row(line: int, text: Any, kept: Iterable[Any]) -> Row | Reject:
    if text is None:
        return Reject(line, "the text is missing")
    if not isinstance(text, str):
        return Reject(line, "the text is not a string")
    if not text.strip():
        return Reject(line, "the text is blank")
    if len(text) > MAX_CHARACTERS:
        return Reject(line, f"the text has more than {MAX_CHARACTERS} characters")
    row = Row(line, text, tuple(_as_text(value) for value in kept))
    try:
        "".join((row.text, *row.kept)).encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8, or half a surrogate pair in JSON
        return Reject(line, "not valid UTF-8")
    return row


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
