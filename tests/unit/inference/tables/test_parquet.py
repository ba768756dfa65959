import io
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from inference.tables.formats import TableError
from inference.tables.parquet import count_parquet_rows, read_parquet
from inference.tables.rows import InputColumns, Reject, Row


@pytest.fixture
def file(tmp_path: Path) -> io.BytesIO:
    table = pyarrow.table({"id": [7, 8, 9], "title": ["Fed", None, "Mars"]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    return io.BytesIO((tmp_path / "rows.parquet").read_bytes())


def test_rows_are_numbered_across_row_groups(file: io.BytesIO) -> None:
    assert list(read_parquet(file, InputColumns("title", ("id",)))) == [
        Row(1, "Fed", ("7",)),
        Reject(2, "the text is missing"),
        Row(3, "Mars", ("9",)),
    ]


def test_rows_are_counted_without_reading_them(file: io.BytesIO) -> None:
    assert count_parquet_rows(file) == 3


def test_a_missing_column_is_an_error_that_lists_the_others(file: io.BytesIO) -> None:
    with pytest.raises(TableError, match="no column 'text'; the input has id, title"):
        list(read_parquet(file, InputColumns("text")))


def test_a_damaged_file_is_an_error() -> None:
    damaged = io.BytesIO(b"PAR1 and no more")
    with pytest.raises(TableError, match="the input is damaged"):
        list(read_parquet(damaged, InputColumns("title")))
    with pytest.raises(TableError, match="the input is damaged"):
        count_parquet_rows(damaged)
