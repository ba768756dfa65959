import io

import pyarrow
import pyarrow.parquet
import pytest

from inference.tables.columns import InputColumns
from inference.tables.errors import TableError
from inference.tables.parquet import count_parquet_rows, read_parquet
from inference.tables.rows import MISSING, NOT_A_STRING, NOT_UTF8, Reject, Row


def write(table: pyarrow.Table, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, **options)
    file.seek(0)
    return file


TABLE = pyarrow.table({"id": [7, 8, 9], "title": ["Fed", None, "Mars"]})


def test_rows_are_numbered_across_row_groups() -> None:
    assert list(read_parquet(write(TABLE, row_group_size=2), InputColumns("title", ("id",)))) == [
        Row(1, "Fed", ("7",)),
        Reject(2, MISSING),
        Row(3, "Mars", ("9",)),
    ]


def test_rows_are_counted_without_reading_them() -> None:
    assert count_parquet_rows(write(TABLE)) == 3


def test_names_are_forgiven_and_columns_may_be_optional() -> None:
    columns = InputColumns("Title ", ("split",), optional=frozenset({"split"}))
    assert next(read_parquet(write(TABLE), columns)) == Row(1, "Fed", ("",))


def test_a_missing_column_is_an_error_that_lists_the_others() -> None:
    with pytest.raises(TableError, match="no column 'text': the file has id, title"):
        list(read_parquet(write(TABLE), InputColumns("text")))


def test_a_column_that_is_there_twice_is_an_error() -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 2, names=["title", "title"])
    with pytest.raises(TableError, match="2 columns are named 'title'"):
        list(read_parquet(write(table), InputColumns("title")))


@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.large_string()])
def test_a_string_that_is_not_utf8_is_one_reject(kind: pyarrow.DataType) -> None:
    # GIVEN a column of strings, one of which is Latin-1, as some programs write them
    values = pyarrow.array([b"Fed", b"Caf\xe9", None, b"Mars"], pyarrow.binary())
    strings = pyarrow.Array.from_buffers(
        kind, 4, pyarrow.array(values.cast(pyarrow.large_binary())
                               if kind == pyarrow.large_string() else values).buffers(), 1
    )  # fmt: skip
    # WHEN it is read THEN only that row is rejected
    assert list(read_parquet(write(pyarrow.table({"title": strings})), InputColumns("title"))) == [
        Row(1, "Fed", ()),
        Reject(2, NOT_UTF8, r"'Caf\xe9'"),
        Reject(3, MISSING),
        Row(4, "Mars", ()),
    ]


def test_values_of_other_types_are_rejects_with_what_was_found() -> None:
    assert next(read_parquet(write(TABLE), InputColumns("id"))) == Reject(1, NOT_A_STRING, "'7'")


def test_a_damaged_file_is_an_error() -> None:
    damaged = io.BytesIO(b"PAR1 and no more")
    with pytest.raises(TableError, match="the file is damaged"):
        list(read_parquet(damaged, InputColumns("title")))
    with pytest.raises(TableError, match="the file is damaged"):
        count_parquet_rows(damaged)
