"""Read the rows of a file of any format."""

import lzma
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from inference.tables.delimited import read_delimited
from inference.tables.formats import FileFormat, TableError
from inference.tables.json_lines import read_json_lines
from inference.tables.lines import Lines
from inference.tables.parquet import read_parquet
from inference.tables.rows import InputColumns, Reject, Row

DAMAGE_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)  # raised by damaged files


def read_rows(
    file: BinaryIO, file_format: FileFormat, columns: InputColumns, first_line: int = 1
) -> Iterator[Row | Reject]:
    """Read rows in the order of the file, with a reject for each line that cannot be read.

    Args:
        file: the decompressed content.
        file_format: its format.
        columns: the columns to read.
        first_line: the number of the first line.

    Raises:
        TableError: the file is damaged or lacks a column.
    """
    try:
        if file_format == "parquet":
            yield from read_parquet(file, columns)
        elif file_format == "jsonl":
            yield from read_json_lines(Lines(file, first_line), columns)
        else:
            yield from read_delimited(Lines(file, first_line), file_format, columns)
    except DAMAGE_ERRORS as error:
        raise TableError(f"the input is damaged: {error}") from error
