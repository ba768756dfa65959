"""Read Parquet files; pyarrow is imported here alone, as it is not in the Lambda image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from inference.tables.columns import InputColumns, find_columns
from inference.tables.errors import TableError
from inference.tables.rows import Reject, Row, make_row

BATCH_ROWS = 4096  # decoded at a time


def read_parquet(file: BinaryIO, columns: InputColumns) -> Iterator[Row | Reject]:
    """Read the rows of a Parquet file, numbered from 1.

    Raises:
        TableError: the file is damaged or lacks a column.
    """
    import pyarrow.parquet

    with _naming_damage():
        table = pyarrow.parquet.ParquetFile(file)
        names = table.schema_arrow.names
        positions = find_columns(columns, names)
        wanted = sorted({names[position] for position in positions if position is not None})
        number = 0
        for batch in table.iter_batches(BATCH_ROWS, columns=wanted):
            values = {name: _to_values(batch.column(name)) for name in wanted}
            for index in range(batch.num_rows):
                number += 1
                text, *kept = [
                    None if position is None else values[names[position]][index]
                    for position in positions
                ]
                yield make_row(number, text, kept)


def count_parquet_rows(file: BinaryIO) -> int:
    """Read the number of rows from the file's footer.

    Raises:
        TableError: the file is damaged.
    """
    import pyarrow.parquet

    with _naming_damage():
        return int(pyarrow.parquet.read_metadata(file).num_rows)


def _to_values(column: Any) -> list[Any]:
    """Return the values of a column; strings that are not UTF-8 keep their bytes as surrogates."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        import pyarrow

        values = column.cast(pyarrow.large_binary()).to_pylist()
        return [None if one is None else one.decode(errors="surrogateescape") for one in values]


@contextmanager
def _naming_damage() -> Iterator[None]:
    """Turn the errors of pyarrow into ours."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())  # which may have several lines
        raise TableError(f"the file is damaged: {reason}") from error
