"""Cut a file into ranges of whole rows, and read one range on its own.

A range begins and ends between two rows, so reading all ranges gives the same rows and rejects,
with the same line numbers, as reading the whole file.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from inference.tables.delimited import read_records
from inference.tables.formats import FileFormat
from inference.tables.lines import Lines
from inference.tables.reader import read_rows
from inference.tables.rows import InputColumns, Reject, Row

# One Lambda function scores a range in a third of its 15 minutes, with a full-size DistilBERT on
# one processor: some 600 headlines or 5,000 tokens a second, and no token is shorter than a byte.
RANGE_ROWS = 50_000
RANGE_BYTES = 4 << 20


@dataclass(frozen=True)
class Range:
    """Consecutive rows of a file, as a range of bytes of its decompressed content."""

    begin: int
    end: int
    line: int  # the number of the line at ``begin``, from 1
    head: int  # bytes up to the end of the first row, which names the columns or shows their number


def cut_ranges(
    file: BinaryIO, file_format: FileFormat, rows: int = RANGE_ROWS, size: int = RANGE_BYTES
) -> Iterator[Range]:
    """Cut a file into ranges without a gap between them; it is read to its end.

    Args:
        file: the decompressed content.
        file_format: any but Parquet.
        rows: the most rows of a range, blank lines and rejects included.
        size: the bytes after which a range ends, at the end of a row.
    """
    lines = Lines(file)
    needs_head = file_format != "jsonl"
    begin, line, count, head = 0, 1, 0, 0
    for is_blank in _read_through(lines, file_format):
        if needs_head and not head and not is_blank:
            head = lines.bytes_read
        count += 1
        is_full = count >= rows or lines.bytes_read - begin >= size
        if is_full and (head or not needs_head):
            yield Range(begin, lines.bytes_read, line, head)
            begin, line, count = lines.bytes_read, lines.number + 1, 0
    if lines.bytes_read > begin:
        yield Range(begin, lines.bytes_read, line, head)


def read_range(
    part: Range, head: bytes, body: bytes, file_format: FileFormat, columns: InputColumns
) -> Iterator[Row | Reject]:
    """Read the rows of a range, with the line numbers they have in the whole file.

    Args:
        part: the range.
        head: the first ``part.head`` bytes of the content.
        body: the bytes of the range.
        file_format: any but Parquet.
        columns: the columns to read.

    Raises:
        TableError: the file lacks a column.
    """
    if part.begin == 0:
        head = b""  # the body begins with it
    first_line = part.line - head.count(b"\n")
    for row in read_rows(io.BytesIO(head + body), file_format, columns, first_line):
        if row.line >= part.line:
            yield row


def _read_through(lines: Lines, file_format: FileFormat) -> Iterator[bool]:
    """Read record by record; yield at the end of each whether it was blank."""
    if file_format == "jsonl":
        for text in lines:
            yield not text.strip()
    else:
        for record in read_records(lines, file_format):
            yield record.is_blank
