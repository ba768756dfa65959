import io

import pytest

from inference.tables.columns import InputColumns
from inference.tables.delimited import read_delimited
from inference.tables.layout import Dialect
from inference.tables.options import Quoting
from inference.tables.rows import BLANK, NOT_UTF8, Reject, Row
from inference.tables.shape import Shape
from inference.tables.split import BAD_QUOTES

TITLE = InputColumns("title", ("id",))


def read(
    data: bytes,
    columns: InputColumns = TITLE,
    delimiter: str = ",",
    quoting: Quoting = "standard",
) -> list[Row | Reject]:
    dialect = Dialect(quoting, False, ("id", "title"), 1, Shape(delimiter, 2))
    return list(read_delimited(io.BytesIO(data), dialect, columns, 2))


def test_fields_may_be_quoted_and_span_lines() -> None:
    assert read(b'7,"Fed, again"\r\n\r\n8,"two\nlines, one ""row"""\r\n9,last') == [
        Row(2, "Fed, again", ("7",)),
        Row(4, 'two\nlines, one "row"', ("8",)),
        Row(6, "last", ("9",)),
    ]


def test_quotes_may_be_characters_like_any_other() -> None:
    data = b'1\t"Jolie at premiere\n2\tPlain\n3\t5" screen"\n'
    assert read(data, TITLE, "\t", "none") == [
        Row(2, '"Jolie at premiere', ("1",)),
        Row(3, "Plain", ("2",)),
        Row(4, '5" screen"', ("3",)),
    ]


def test_quotes_may_be_escaped_by_a_backslash() -> None:
    assert read(rb'1,"a \"b\", c"', quoting="backslash") == [Row(2, 'a "b", c', ("1",))]


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_a_line_feed_ends_a_line(end: str) -> None:
    assert read(f'1,a{end}b\n2,"c{end}, d"\n'.encode()) == [
        Row(2, f"a{end}b", ("1",)),
        Row(3, f"c{end}, d", ("2",)),
    ]


def test_a_text_of_any_length_is_read() -> None:
    # GIVEN texts of a megabyte, over one line and over many
    words, lines = "word " * 200_000, "some words\n" * 100_000
    # WHEN they are read THEN they and their neighbours are whole
    found = read(f'1,a\n2,{words}\n3,"{lines}"\n4,b\n'.encode())
    assert [row.text for row in found if isinstance(row, Row)] == ["a", words, lines, "b"]


@pytest.mark.parametrize(
    ("line", "reject"),
    [
        (b"7", Reject(3, "expected 2 columns separated by comma, found 1", "'7'")),
        (b'7,"a",b', Reject(3, "expected 2 columns separated by comma, found 3", "'7,a,b'")),
        (b'7,"Fed" up', Reject(3, BAD_QUOTES, "'7,\"Fed\" up'")),
        (b'7,"Fed', Reject(3, BAD_QUOTES, "'7,\"Fed'")),
        (b"7,  \x20 ", Reject(3, BLANK, "'    '")),
        (b"7,\x00\xe2\x80\x8b", Reject(3, BLANK, r"'\x00\u200b'")),
        (b"7,Caf\xe9", Reject(3, NOT_UTF8, r"'Caf\xe9'")),
        (b'7,"Caf\xe9"', Reject(3, NOT_UTF8, r"'Caf\xe9'")),
        (b"\xe9,Fed", Reject(3, NOT_UTF8, r"'\xe9'")),
    ],
)
def test_a_bad_row_is_rejected_and_the_next_one_is_read(line: bytes, reject: Reject) -> None:
    assert read(b"1,Fed\n" + line + b'\n2,"Mars"\n') == [
        Row(2, "Fed", ("1",)),
        reject,
        Row(4, "Mars", ("2",)),
    ]


def test_an_optional_column_that_is_missing_is_empty() -> None:
    columns = InputColumns("title", ("split", "id"), optional=frozenset({"split"}))
    assert read(b"1,Fed\n", columns) == [Row(2, "Fed", ("", "1"))]


def test_a_column_may_be_kept_twice_and_be_the_text() -> None:
    columns = InputColumns("title", ("title", "id", "id"))
    assert read(b'1,"Fed"\n2,Mars\n', columns) == [
        Row(2, "Fed", ("Fed", "1", "1")),
        Row(3, "Mars", ("Mars", "2", "2")),
    ]
