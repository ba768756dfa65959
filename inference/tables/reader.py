"""Read the rows of a file of any format."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from inference.tables.columns import InputColumns
from inference.tables.delimited import read_delimited
from inference.tables.encodings import open_as_utf8
from inference.tables.errors import TableError, UnreadableError
from inference.tables.json_lines import read_json_lines
from inference.tables.layout import Layout
from inference.tables.parquet import read_parquet
from inference.tables.rows import Reject, Row

# A change of the rules may give other rows, so nothing that was read by other ones is reused.
RULES_VERSION = 3
# Raised by damaged files.
DAMAGE_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def read_rows(file: BinaryIO, layout: Layout, columns: InputColumns) -> Iterator[Row | Reject]:
    """Read rows in the order of the file, with one reject for each that cannot be read.

    Args:
        file: the decompressed content, at its beginning.
        layout: how it is read.
        columns: the columns to read.

    Raises:
        TableError: the file is damaged or lacks a column.
    """
    try:
        if layout.file_format == "parquet":
            yield from read_parquet(file, columns)
            return
        content = open_as_utf8(file, layout.encoding, layout.newline)
        content.read(layout.begin)
        yield from read_lines(content, layout, columns, layout.line)
    except DAMAGE_ERRORS as error:
        raise describe_damage(error) from error


def describe_damage(error: Exception) -> TableError:
    """Return the error of a file that cannot be read to its end, without its name.

    An error of the operating system, such as a lost network drive, says nothing about the file.
    """
    if isinstance(error, OSError) and error.errno:
        return UnreadableError(f"cannot be read: {error.strerror}")
    return TableError(f"the file is damaged: {error}")


def read_lines(
    content: BinaryIO, layout: Layout, columns: InputColumns, line: int
) -> Iterator[Row | Reject]:
    """Read rows from content that begins with the row at this line, whichever of the file."""
    if layout.file_format == "jsonl":
        yield from read_json_lines(content, columns, line)
    elif layout.dialect:
        yield from read_delimited(content, layout.dialect, columns, line)
