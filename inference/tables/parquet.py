"""Read Parquet files; pyarrow is imported here alone, as it is not in the Lambda image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from inference.tables.formats import TableError
from inference.tables.rows import InputColumns, Reject, Row, make_row

BATCH_ROWS = 4096  # decoded at a time


def read_parquet(file: BinaryIO, columns: InputColumns) -> Iterator[Row | Reject]:
    """Read the rows of a Parquet file, numbered from 1.

    Raises:
        TableError: the file is damaged or lacks a column.
    """
    import pyarrow.parquet

    names = [columns.text, *columns.keep]
    number = 0
    with _naming_damage():
        table = pyarrow.parquet.ParquetFile(file)
        present = table.schema_arrow.names
        for name in names:
            if name not in present:
                raise TableError(f"no column {name!r}; the input has {', '.join(present)}")
        for batch in table.iter_batches(BATCH_ROWS, columns=names):
            values = [batch.column(name).to_pylist() for name in names]
            for text, *kept in zip(*values, strict=True):
                number += 1
                yield make_row(number, text, kept)


def count_parquet_rows(file: BinaryIO) -> int:
    """Read the number of rows from the file's footer.

    Raises:
        TableError: the file is damaged.
    """
    import pyarrow.parquet

    with _naming_damage():
        return int(pyarrow.parquet.read_metadata(file).num_rows)


@contextmanager
def _naming_damage() -> Iterator[None]:
    """Turn the errors of pyarrow into ours."""
    import pyarrow

    try:
        yield
    except pyarrow.ArrowException as error:
        raise TableError(f"the input is damaged: {error}") from error
