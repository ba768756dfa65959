"""Cuts a table into ranges of whole rows that can be read apart, and reads one of them.

A range begins and ends where the reader of the whole file is between two rows, so its rows and
rejects are those of the whole file, each with its line there.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from inference.tables.formats import Table
from inference.tables.rows import Columns, Lines, Reject, Row, read_rows, records

# What one worker scores within a third of its 15 minutes, with a DistilBERT of full size on one
# processor: some 600 headlines or 5,000 tokens a second, and no token is shorter than a byte.
RANGE_ROWS = 50_000
RANGE_BYTES = 4 << 20


@dataclass(frozen=True)
class Range:
    """Consecutive rows of a table, as bytes of its decompressed content."""

    begin: int
    end: int
    line: int  # of ``begin``, from 1
    head: int  # bytes of the first row, which names the columns or tells their number


def cut(
    file: BinaryIO, table: Table, rows: int = RANGE_ROWS, size: int = RANGE_BYTES
) -> Iterator[Range]:
    """The ranges of a table, one after the other, without a gap.

    Args:
        file: its decompressed content; it is read to its end.
        table: not Parquet.
        rows: in a range at most, with blank lines and rejects.
        size: bytes of a range, but for its last row.
    """
    lines = Lines(file)
    begin, line, count, head = 0, 1, 0, 0
    for blank in _records(lines, table):
        if table != "jsonl" and not (head or blank):
            head = lines.bytes
        count += 1
        is_full = count >= rows or lines.bytes - begin >= size
        if is_full and (head or table == "jsonl"):
            yield Range(begin, lines.bytes, line, head)
            begin, line, count = lines.bytes, lines.number + 1, 0
    if lines.bytes > begin:
        yield Range(begin, lines.bytes, line, head)


def _records(lines: Lines, table: Table) -> Iterator[bool]:
    """Whether it is blank, for each record; ``lines`` are then at its end."""
    if table == "jsonl":
        for text in lines:
            yield not text.strip()
        return
    reader = records(lines, table)
    while True:
        try:
            yield not next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield False


def read_range(
    part: Range, head: bytes, body: bytes, table: Table, columns: Columns
) -> Iterator[Row | Reject]:
    """The rows of a range as they are read in the whole file.

    Args:
        part: the range.
        head: the first ``part.head`` bytes of the content.
        body: the bytes of the range.
        table: not Parquet.
        columns: that are read.

    Raises:
        BulkError: the table has no such column.
    """
    if part.begin == 0:
        head = b""  # it is in the body
    first = part.line - head.count(b"\n")
    for row in read_rows(io.BytesIO(head + body), table, columns, first):
        if row.line >= part.line:
            yield row
