import io

import pytest

from inference.tables.delimited import read_delimited
from inference.tables.formats import FileFormat, TableError
from inference.tables.lines import MAX_LINE, TOO_LONG, Lines
from inference.tables.rows import InputColumns, Reject, Row

TITLE = InputColumns("title")


def read(
    data: bytes, columns: InputColumns = TITLE, file_format: FileFormat = "csv"
) -> list[Row | Reject]:
    return list(read_delimited(Lines(io.BytesIO(data)), file_format, columns))


def test_csv_fields_may_be_quoted_and_span_lines() -> None:
    data = b'id,title\r\n7,"Fed, again"\r\n\r\n8,"two\nlines, one ""row"""\r\n9,last'
    assert read(data, InputColumns("title", ("id",))) == [
        Row(2, "Fed, again", ("7",)),
        Row(4, 'two\nlines, one "row"', ("8",)),
        Row(6, "last", ("9",)),
    ]


def test_a_quote_in_tsv_is_a_character_like_any_other() -> None:
    data = b'1\t"Jolie at premiere\tx\n2\tPlain\ty\n3\t5" screen"\tz\n'
    assert read(data, InputColumns("1", ("2",)), "tsv") == [
        Row(1, '"Jolie at premiere', ("x",)),
        Row(2, "Plain", ("y",)),
        Row(3, '5" screen"', ("z",)),
    ]


def test_columns_named_by_position_mean_that_there_is_no_header() -> None:
    assert read(b"a,b\nc,d\n", InputColumns("1", ("0",))) == [
        Row(1, "b", ("a",)),
        Row(2, "d", ("c",)),
    ]


def test_a_byte_order_mark_is_not_part_of_the_first_name() -> None:
    assert read(b"\xef\xbb\xbftitle\nFed\n") == [Row(2, "Fed", ())]


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"title,x\nFed\nMars,1\n", 2, "expected 2 columns as in the first row, found 1"),
        (b'title\n"Fed" up\nMars\n', 2, "',' expected after '\"'"),
        (b'title\nMars\n"Fed\nup\n', 3, "unexpected end of data (lines 3 to 4 are one row)"),
        (b"title\n  \x20 \nMars\n", 2, "the text is blank"),
        (b"title\nF\xe9d\nMars\n", 2, "not valid UTF-8"),
    ],
)
def test_a_bad_row_is_rejected_and_the_next_one_is_read(
    data: bytes, line: int, reason: str
) -> None:
    found = read(data)
    assert [row for row in found if isinstance(row, Reject)] == [Reject(line, reason)]
    assert [row.text for row in found if isinstance(row, Row)] == ["Mars"]


@pytest.mark.parametrize(
    ("file_format", "reason"),
    [("csv", TOO_LONG), ("tsv", "field larger than field limit (131072)")],
)
def test_a_line_that_is_too_long_is_rejected_in_bounded_memory(
    file_format: FileFormat, reason: str
) -> None:
    # GIVEN a line over the limit between two good ones, with an end that looks like a row
    data = b"title\nMars\n" + b"x," * MAX_LINE + b"\nMars\n"
    # WHEN the file is read THEN the good ones are there
    assert read(data, TITLE, file_format) == [
        Row(2, "Mars", ()),
        Reject(3, reason),
        Row(4, "Mars", ()),
    ]


@pytest.mark.parametrize(
    ("data", "columns", "message"),
    [
        (b"a,b\n1,2\n", TITLE, "no column 'title'; the input has a, b"),
        (b"a,b\n1,2\n", InputColumns("2"), "no column '2'; the input has columns 0 to 1"),
        (b"a,b\n1,2\n", InputColumns("0", ("b",)), "no column 'b'"),
        (b"", TITLE, "is empty"),
        (b"\n\n", TITLE, "is empty"),
        (b'"a" b,title\n', TITLE, "line 1: "),
    ],
)
def test_a_file_without_a_header_or_a_column_is_an_error(
    data: bytes, columns: InputColumns, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        read(data, columns)


def test_an_empty_file_without_a_header_has_no_rows() -> None:
    assert read(b"\n", InputColumns("0")) == []
