"""Cut a file into ranges of whole rows, and read one range on its own.

A range begins and ends between two rows, so reading all ranges gives the same rows and rejects,
with the same line numbers, as reading the whole file.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from inference.tables.blocks import Blocks
from inference.tables.columns import InputColumns
from inference.tables.encodings import open_as_utf8
from inference.tables.grammar import Grammar
from inference.tables.layout import Layout
from inference.tables.reader import read_lines
from inference.tables.rows import Reject, Row
from inference.tables.split import Splitter

# One Lambda function scores a range in a third of its 15 minutes, with a full-size DistilBERT on
# one processor: some 600 headlines or 5,000 tokens a second, and no token is shorter than a byte.
RANGE_ROWS = 50_000
RANGE_BYTES = 4 << 20


@dataclass(frozen=True)
class Range:
    """Consecutive rows of a file, as a range of bytes of its decompressed content as UTF-8."""

    begin: int
    end: int
    line: int  # the number of the line at ``begin``, from 1


def cut_ranges(
    file: BinaryIO, layout: Layout, rows: int = RANGE_ROWS, size: int = RANGE_BYTES
) -> Iterator[Range]:
    """Cut a file into ranges without a gap between them; it is read to its end.

    Args:
        file: the decompressed content, at its beginning.
        layout: how it is read; any format but Parquet.
        rows: the most rows of a range, blank lines and rejects included.
        size: the bytes after which a range ends, at the end of a row.
    """
    content = open_as_utf8(file, layout.encoding, layout.newline)
    content.read(layout.begin)
    begin, line, count = layout.begin, layout.line, 0
    for end, next_line in _find_row_ends(content, layout):
        count += 1
        if count >= rows or end - begin >= size:
            yield Range(begin, end, line)
            begin, line, count = end, next_line, 0
    if count:
        yield Range(begin, end, line)


def read_range(
    part: Range, body: bytes, layout: Layout, columns: InputColumns
) -> Iterator[Row | Reject]:
    """Read the rows of a range, with the line numbers they have in the whole file.

    Args:
        part: the range.
        body: its bytes.
        layout: how the file is read.
        columns: the columns to read.

    Raises:
        TableError: the file lacks a column.
    """
    return read_lines(io.BytesIO(body), layout, columns, part.line)


def _find_row_ends(content: BinaryIO, layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield the offset after each row or line, and the number of the next line."""
    dialect = layout.dialect
    grammar = dialect.make_grammar() if dialect else Grammar("", "none")
    shape = dialect.shape if dialect else None
    offset = layout.begin
    for part in Splitter(Blocks(content), grammar, shape, layout.line):
        for number, data in part.pieces():
            offset += len(data)
            yield offset + part.lost, number + max(1, data.count(b"\n"))
        offset += part.lost
